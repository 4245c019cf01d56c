"""Mutated bundles for the reader of a locked device, and mutated models for the verifier of models that nobody signed.

    python -m tools.fuzz_bundles [--bundles N] [--models N] [--trials N] [--seed N] [--json]

Of bundles none may be taken, none may be refused with anything but an `EdgeError`, none may take longer than 2 s, and
the process must stay below 256 MB. Many get right checksums, or another document under the old signature in a right
envelope, as an attacker would do it, so that only the signature stands against them.

Of models that the verifier refuses, nothing else is asked but the `EdgeError`; those that it takes (most changes of
single weights, which only a hash or a signature can tell) are run apart, at most `--trials` of them, and whatever the
interpreter does with them, this process must live on. Ends with 1 where anything of this is not so. The same seed gives
the same mutants.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_sdk.contract import Bundle, Fits, Machine, Role, Trust, TrustPolicy, read_bundle
from edge_sdk.contract.bundle import read_stream
from edge_sdk.errors import EdgeError
from edge_sdk.library import find_model
from edge_sdk.verifier import ModelError, admit, verify_model
from firmware_bridge.bundle import Packed, pack, pack_release, signed
from firmware_bridge.signing import SigningKey, signature_check
from tools.mutants import mutate, structure, with_another_document, with_right_checksum

HANG_S = 2.0
MAX_RSS_MB = 256
MODEL = "enhance-mono"


@dataclass
class Tally:
    """What became of the mutants. wrong: what must not happen, in words, the first few."""

    mutants: int = 0
    same: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    trials: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        if len(self.wrong) < 10:
            self.wrong.append(what)


class Hang(Exception):
    """Something takes too long."""


@contextmanager
def alarm(limit_s: float) -> Iterator[None]:
    """`Hang` after that long. Processor time, so that a busy machine is no hang."""

    def ring(number: int, frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def signed_bundles() -> tuple[list[bytes], TrustPolicy]:
    """A small bundle of one model, one of two variants, and a shipped one; and who trusts them."""
    key, root = (fixed_key(number) for number in (1, 2))
    path = find_model(MODEL)
    shipped = read_bundle(path).manifest
    packed = []
    for name in ("one", "two"):
        model = b"\x1c\0\0\0TFL3" + hashlib.sha256(name.encode()).digest() * 40
        manifest = shipped.to_plain() | {"size": len(model), "sha256": hashlib.sha256(model).hexdigest()}
        manifest = {key: value for key, value in manifest.items() if key not in ("carries", "delays", "filter_and_sum")}
        packed.append(Packed(name, type(shipped)(**manifest), model, Fits(("aarch64",))))
    trust = Trust(1, Role((root.public.hex(),)), Role((key.public.hex(),)))
    bundles = [pack(packed[0].manifest, packed[0].model, [key]), pack_release("fuzz", "1", packed, [key])]
    bundles.append(signed(path.read_bytes(), [key], MODEL))
    return bundles, TrustPolicy(trust, check=signature_check())


def fixed_key(number: int) -> SigningKey:
    private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    return SigningKey(private.public_key().public_bytes_raw(), private)


def fuzz_bundles(count: int, seed: int) -> Tally:
    """Read so many mutants as a locked device does."""
    rng, tally = random.Random(seed), Tally()
    bundles, policy = signed_bundles()
    for bundle in bundles:
        read_stream(io.BytesIO(bundle), len(bundle), "good.edge", policy, Machine())  # the unchanged ones are taken
    while tally.mutants < count:
        original = rng.choice(bundles)
        if (how := rng.random()) < 0.25:
            data = with_another_document(rng, original, bundles)
        else:
            data = mutate(rng, original, bundles)
        if 0.25 <= how < 0.6:
            data = with_right_checksum(data)
        if data in bundles:
            tally.same += 1
            continue
        tally.mutants += 1
        try:
            with alarm(HANG_S):
                read_stream(io.BytesIO(data), len(data), "fuzz.edge", policy, Machine())
        except EdgeError as error:
            tally.refused[type(error).__name__] += 1
        except Exception as error:
            tally.note(f"bundle {tally.mutants}: {type(error).__name__} {error}")
        else:
            tally.taken += 1
            tally.note(f"bundle {tally.mutants} was taken")
    return tally


def fuzz_models(count: int, seed: int, bundle: Bundle, trials: int) -> Tally:
    """Verify so many mutants, and run some of those that pass in processes of their own."""
    rng, tally, passed = random.Random(seed), Tally(), []
    places = structure(bundle.model)
    while tally.mutants < count:
        # Nine of ten where it says what to compute; the rest anywhere, which is mostly weights.
        data = mutate(rng, bundle.model, [bundle.model], places if rng.random() < 0.9 else None)
        if data == bundle.model:
            tally.same += 1
            continue
        tally.mutants += 1
        try:
            with alarm(30 * HANG_S):
                verify_model(data, bundle.manifest)
        except ModelError as error:
            tally.refused[error.rule] += 1
        except Exception as error:
            tally.note(f"model {tally.mutants}: {type(error).__name__} {error}")
        else:
            tally.taken += 1
            if len(passed) < trials:
                passed.append(data)
    if passed:
        admit(bundle)  # the unchanged one runs, or nothing follows from what the others do
    for data in passed:
        try:
            admit(Bundle(bundle.manifest, data))
            tally.trials["ran"] += 1
        except ModelError as error:
            crashed = "crashed" in str(error) or "more than" in str(error)
            tally.trials["crashed or hung" if crashed else "refused"] += 1
    return tally


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fuzz_bundles", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundles", type=int, default=10_000, metavar="N", help="mutants to read (default: 10,000)")
    parser.add_argument("--models", type=int, default=10_000, metavar="N", help="mutants to verify (default: 10,000)")
    parser.add_argument("--trials", type=int, default=100, metavar="N", help="that pass and are run (default: 100)")
    parser.add_argument("--model", default=MODEL, metavar="NAME", help=f"to mutate (default: {MODEL})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    bundles = fuzz_bundles(args.bundles, args.seed)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if rss_mb > MAX_RSS_MB:
        bundles.note(f"reading took {rss_mb:.0f} MB, allowed {MAX_RSS_MB}")
    models = fuzz_models(args.models, args.seed, read_bundle(find_model(args.model)), args.trials)
    result = {"bundles": vars(bundles), "bundles_rss_mb": rss_mb, "models": vars(models)}
    if args.json:
        print(json.dumps(result))
    else:
        print(f"{bundles.mutants} bundles: {bundles.taken} taken, refused {dict(bundles.refused)}; {rss_mb:.0f} MB")
        print(f"{models.mutants} models: {models.taken} taken, refused {dict(models.refused.most_common())}")
        print(f"of those taken, {dict(models.trials)}")
        for wrong in bundles.wrong + models.wrong:
            print(f"wrong: {wrong}")
    return 1 if bundles.wrong or models.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
