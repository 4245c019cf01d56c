"""Run a bundle over a recording on one interpreter, in an environment that may have no torch and nothing else.

usage: run_bundle.py BACKEND MODEL.edge MIXTURE.npy OUT.npy
"""

from __future__ import annotations

import sys

import numpy as np

from edge_sdk import Separator

if __name__ == "__main__":
    backend, bundle, mixture, out = sys.argv[1:]
    np.save(out, Separator.open(bundle, backend=backend).separate(np.load(mixture)))
