"""The process of a trial run: gives up what it may not use, then lets the interpreter see the model.

    python -m edge_sdk.verifier.trial MEMORY SECONDS BYTES < request > answer

The request is the length of the manifest in four bytes, the manifest, and the model; the answer an `Admission` as JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from edge_sdk.verifier.seccomp import seal

if TYPE_CHECKING:
    from edge_sdk.contract import Bundle
    from edge_sdk.verifier.admission import Admission

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # flags of unshare(2)
NO_NEW_PRIVILEGES = 38  # of prctl(2)
SECONDS = 0.5  # of each sound


def main(argv: list[str]) -> int:
    memory, seconds, answer = (int(word) for word in argv)
    no_network, sealed = confine(memory, seconds, answer), seal()
    from edge_sdk.contract import Bundle, canonical_json, manifest_from_json
    from edge_sdk.errors import EdgeError

    request = sys.stdin.buffer.read()
    end = 4 + int.from_bytes(request[:4], "big")
    bundle = Bundle(manifest_from_json(request[4:end]), request[end:])
    try:
        admission = run(bundle, no_network or sealed, sealed)
    except EdgeError as error:
        print(error, file=sys.stderr)
        return 1
    except MemoryError:
        print("it takes more memory than it may", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(canonical_json(asdict(admission)))
    return 0


def confine(memory: int, seconds: int, answer: int) -> bool:
    """Limits that cannot be raised again; whether the network is out of reach too."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each thread would reserve memory
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: answer,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    with contextlib.suppress(AttributeError):  # a C library without unshare
        return any(libc.unshare(flags) == 0 for flags in (NEW_NETWORK, NEW_USER | NEW_NETWORK))
    return False


def run(bundle: Bundle, no_network: bool, sealed: bool) -> Admission:
    """What the model does with half a second each of silence, noise and a sweep, block by block."""
    import numpy as np

    from edge_sdk import Separator
    from edge_sdk.verifier.admission import Admission
    from edge_sdk.verifier.errors import ModelError

    m, separator = bundle.manifest, Separator(bundle)
    block = m.block
    samples = -(-int(SECONDS * m.sample_rate) // block) * block
    t = np.arange(samples) / m.sample_rate
    sweep = np.sin(2 * np.pi * (m.sample_rate / 4 / t[-1]) * t**2)  # from 0 to half the sample rate, full scale
    noise = 0.1 * np.random.default_rng(0).standard_normal((m.mics, samples))
    sounds = {"silence": np.zeros((m.mics, samples)), "noise": noise, "a sweep": np.tile(sweep, (m.mics, 1))}
    peak, took_s = 0.0, []
    for name, sound in sounds.items():
        for start in range(0, samples, block):
            begin = time.perf_counter()
            y = separator.process(sound[:, start : start + block].astype(np.float32))
            took_s.append(time.perf_counter() - begin)
            if not np.isfinite(y).all():
                raise ModelError("trial", f"it answers {name} with NaN or infinity")
            peak = max(peak, float(np.abs(y).max(initial=0.0)))
    slow_s = float(np.quantile(took_s, 0.9))
    return Admission(len(took_s), peak, slow_s * m.sample_rate / block, no_network, sealed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
