"""Check that an imported network computes what the one it came from computes: small ones and those of the papers.

usage: parity.py     (make test-import)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from models.importing import import_checkpoint
from tests.environments.asteroid import originals
from tests.models import imported

SAMPLES = 2400  # 0.3 s at 8 kHz: whole frames of every network here, since Asteroid drops the others
SEEDS = {"small": (0, 1, 2), "published": (0,)}  # other weights and other noise


def check(name: str, network: torch.nn.Module, folder: Path) -> bool:
    """Whether a network's output is that of the imported one; one line says so."""
    path, toolkit = folder / "model.pth", originals.toolkit_of(network)
    torch.save(originals.contents(network), path)
    ours = import_checkpoint(path, originals.unsaid(network)).network
    found, silence = 0.0, imported.silence(ours, toolkit)
    for level in originals.levels(network):
        mixture = level * originals.mixture(network, SAMPLES)
        theirs = originals.separated(network, mixture, silence)
        assert theirs.abs().max() > 1e-3 * level, "an output of zeros compares nothing"
        found = max(found, imported.difference(imported.separated(ours, toolkit, mixture), theirs))
    sizes = [sum(p.numel() for p in n.parameters()) for n in (network, ours)]
    equal, use = found <= imported.TOLERANCE, "offline" if ours.future else "streams"
    size = f"{sizes[0]:,} parameters there, {sizes[1]:,} here"
    print(f"{'ok    ' if equal else 'FAILED'}  {name}: {found:.1e} of the peak ({size}, {use})", flush=True)
    return equal


def main() -> int:
    torch.set_num_threads(2)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, networks in (("small", originals.SMALL), ("published", originals.PUBLISHED)):
            for name, build in networks.items():
                for seed in SEEDS[kind]:
                    found.append(check(f"{kind} {name}", originals.make(build, seed), Path(folder)))
    print(
        f"{sum(found)} passed, {len(found) - sum(found)} failed; at most {imported.TOLERANCE:.0e} of the peak allowed"
    )
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
