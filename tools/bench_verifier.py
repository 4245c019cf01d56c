"""Time that checking takes: signatures, bundles, and models that nobody signed.

    python -m tools.bench_verifier [--repeat N] [--json]

The best of several runs, in milliseconds of processor time on this machine: one Ed25519 signature by `cryptography` and
in Python alone, a signed bundle with a model of 10 MB read and verified, and the allow-list check of shipped models.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge_sdk.contract import Envelope, Role, Trust, TrustPolicy, keys_ed25519, read_bundle
from edge_sdk.contract.container import MANIFEST_TYPE
from edge_sdk.library import find_model, shipped_models
from edge_sdk.verifier import verify_model
from firmware_bridge.bundle import write_bundle
from firmware_bridge.signing import generate_key, signature_check

SIZE = 10 * 10**6


def best_ms(run: Callable[[], object], repeat: int) -> float:
    """The shortest of several runs."""
    times = []
    for _ in range(repeat):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return 1e3 * min(times)


def measure(repeat: int, folder: Path) -> dict[str, float]:
    """What is measured, by name."""
    key, root = generate_key(folder / "release.key"), generate_key(folder / "root.key")
    model = b"\x1c\0\0\0TFL3" + os.urandom(SIZE - 8)
    shipped = read_bundle(find_model("enhance-mono")).manifest
    manifest = replace(shipped, size=len(model), sha256=hashlib.sha256(model).hexdigest())
    write_bundle(folder / "large.edge", manifest, model, [key])
    trust = Trust(1, Role((root.public.hex(),)), Role((key.public.hex(),)))
    envelope = key.sign(Envelope(MANIFEST_TYPE, manifest.to_json()))
    signature, found = envelope.signatures[0].value, {}
    for name, check in (("cryptography", signature_check()), ("Python alone", keys_ed25519.verify)):
        policy = TrustPolicy(trust, check=check)
        found[f"signature, {name}"] = best_ms(lambda c=check: c(key.public, signature, envelope.message), repeat)
        found[f"bundle of 10 MB, {name}"] = best_ms(lambda p=policy: read_bundle(folder / "large.edge", p), repeat)
    for name, path in shipped_models().items():
        bundle = read_bundle(path)
        found[f"model {name}"] = best_ms(lambda b=bundle: verify_model(b.model, b.manifest), repeat)
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench_verifier", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=9, metavar="N")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.repeat, Path(folder))
    if args.json:
        print(json.dumps(found))
    else:
        for name, took_ms in found.items():
            print(f"{took_ms:8.2f} ms  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
