"""Check that an environment made by `pip install .[device]` has all that a board needs, and no more.

Run by `make test-device` with the interpreter of that environment, which has no pytest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(sysconfig.get_path("purelib"))
EDGE_SDK = Path(sysconfig.get_path("scripts")) / "edge-sdk"

SITE_LIMIT_MB = 200  # without the shipped models, whose sizes are those of their cards (tests/test_shipped.py)
IMPORT_LIMIT_S = 0.2
MODEL = "enhance-mono"
BEAM = ("--model", "separate-2spk", "--array", "respeaker-4mic", "--beam", "mwf")  # for recordings of an array
# The best of several, so that a busy machine and a cold disk cache do not count.
IMPORT_RUNS = 9


def the_checkout_is_not_what_runs() -> None:
    import edge_sdk

    found = Path(edge_sdk.__file__ or "").resolve()
    assert found.is_relative_to(SITE.resolve()), f"edge_sdk was imported from {found}, expected a copy in {SITE}"


def no_training_or_conversion_packages() -> None:
    for name in ("torch", "tensorflow", "litert_torch", "ai_edge_quantizer", "jax", "scipy"):
        assert find_spec(name) is None, f"{name} is installed; a device needs none of it"


def installed_requirements_agree() -> None:
    run([sys.executable, "-m", "pip", "check"])


def site_packages_are_small() -> None:
    whole_mb, models_mb = (
        int(run(["du", "-s", "-B1", str(folder)]).split()[0]) / 1e6 for folder in (SITE, SITE / "edge_sdk/shipped")
    )
    size_mb = whole_mb - models_mb
    assert size_mb < SITE_LIMIT_MB, f"{SITE} takes {size_mb:.0f} MB besides models, expected under {SITE_LIMIT_MB} MB"
    note(f"{size_mb:.0f} MB, and {models_mb:.0f} MB of models")


def import_is_quick() -> None:
    took_s = best_s("import edge_sdk") - best_s("pass")
    assert took_s < IMPORT_LIMIT_S, f"import edge_sdk takes {took_s:.3f} s, expected under {IMPORT_LIMIT_S} s"
    note(f"{1000 * took_s:.0f} ms more than a bare interpreter")


def import_pulls_nothing_heavy() -> None:
    heavy = {"numpy", "ai_edge_litert", "tflite_runtime", "soundfile", "soxr", "torch", "tensorflow"}
    pulled = imported_by("import edge_sdk") & heavy
    assert not pulled, f"import edge_sdk pulls {', '.join(sorted(pulled))}; load it where it is used"


def contract_and_errors_use_the_standard_library_only() -> None:
    allowed = set(sys.stdlib_module_names) | {"edge_sdk"}
    pulled = imported_by("import edge_sdk.contract, edge_sdk.errors") - allowed
    assert not pulled, f"edge_sdk.contract and edge_sdk.errors pull {', '.join(sorted(pulled))}"


def only_commands_of_a_board_are_offered() -> None:
    run([str(EDGE_SDK), "separate", "--help"])
    for command in ("train", "export"):
        done = subprocess.run([str(EDGE_SDK), command, "--help"], capture_output=True, text=True, cwd="/")
        assert done.returncode == 2, (
            f"edge-sdk {command} --help exits with {done.returncode}, expected 2 (no such command)"
        )


def shipped_models_are_listed() -> None:
    listed = run([str(EDGE_SDK), "models"])
    assert MODEL in listed, f"edge-sdk models does not name {MODEL}: {listed!r}"


def shipped_model_separates_real_audio() -> None:
    import numpy as np
    import soundfile

    recordings = sorted((ROOT / "examples" / "audio").glob("*.flac"))
    assert recordings, f"no .flac in {ROOT / 'examples' / 'audio'}"
    for recording in recordings:
        how = ("--model", MODEL) if soundfile.info(recording).channels == 1 else BEAM
        with tempfile.TemporaryDirectory() as out:
            printed = run([str(EDGE_SDK), "separate", *how, str(recording), "--out", out, "--json"])
            json.loads(printed)
            written = sorted(Path(out).rglob("*.wav"))
            assert written, f"{recording.name}: edge-sdk separate wrote no .wav"
            given, given_hz = soundfile.read(recording, dtype="float32", always_2d=True)
            for path in written:
                samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
                wanted = len(given) * rate_hz / given_hz
                assert abs(len(samples) - wanted) <= 1, (
                    f"{recording.name}: {len(samples)} samples out, expected {wanted:.0f}"
                )
                assert np.isfinite(samples).all(), f"{recording.name}: {path.name} is not finite"
                assert samples.any() or not given.any(), f"{recording.name}: {path.name} is silent"
    note(f"{len(recordings)} recordings")


CHECKS: tuple[Callable[[], None], ...] = (
    the_checkout_is_not_what_runs,
    no_training_or_conversion_packages,
    installed_requirements_agree,
    site_packages_are_small,
    import_is_quick,
    import_pulls_nothing_heavy,
    contract_and_errors_use_the_standard_library_only,
    only_commands_of_a_board_are_offered,
    shipped_models_are_listed,
    shipped_model_separates_real_audio,
)

notes: list[str] = []


def note(text: str) -> None:
    notes.append(text)


def run(command: list[str]) -> str:
    """Standard output of a command that must succeed, started away from the checkout."""
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, f"{' '.join(command)} exits with {done.returncode}: {done.stderr.strip()}"
    return done.stdout


def best_s(statement: str) -> float:
    times = []
    for _ in range(IMPORT_RUNS):
        start = time.perf_counter()
        run([sys.executable, "-c", statement])
        times.append(time.perf_counter() - start)
    return min(times)


def imported_by(statement: str) -> set[str]:
    """Top-level names that a statement adds to those of a bare interpreter."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    return {name.partition(".")[0] for name in run([sys.executable, "-c", script]).split()}


def main() -> int:
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        notes.clear()
        try:
            check()
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {name}: {error}")
        else:
            print(f"ok      {name}" + (f" ({'; '.join(notes)})" if notes else ""))
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
