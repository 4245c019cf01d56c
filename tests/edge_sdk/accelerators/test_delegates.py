"""A delegate library is loaded, tried and compared in another process; whatever it does there, there is a verdict."""

import re
from pathlib import Path

import pytest

from edge_sdk.accelerators.accelerator import Accelerator
from edge_sdk.accelerators.probe import conclusion, probe
from edge_sdk.accelerators.verdict import BEST_DB
from edge_sdk.contract import Bundle
from tests.edge_sdk.accelerators.conftest import Delegate


def test_a_delegate_that_takes_nothing_changes_nothing(carry: Bundle, delegate: Delegate) -> None:
    found = probe(carry, delegate(), "ai-edge-litert", 1)
    assert found.reason == ""
    assert found.trial is not None
    assert found.trial.agreement_db == BEST_DB


def test_a_delegate_that_computes_the_same_is_good(carry: Bundle, delegate: Delegate) -> None:
    found = probe(carry, delegate(mode="relu"), "ai-edge-litert", 1)
    assert found.reason == ""
    assert found.trial is not None
    assert found.trial.agreement_db is not None
    assert found.trial.agreement_db > 100  # float32; the same products, perhaps summed in another order
    assert min(found.trial.p50_us, found.trial.cpu_p50_us) > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "relu", "slope_scale": 2}, r"its output agrees with the CPU's to \d+ dB, expected 40 or more"),
        ({"mode": "relu", "slope_scale": "nan"}, "its output is not finite"),
        ({"mode": "relu", "fail_at": 20}, r"failed in a step \(the chip is too hot.*\)"),
        ({"mode": "fail"}, r"delegate libtest_delegate.so refuses the model \(no such chip.*\)"),
        ({"mode": "crash"}, r"it crashed when it was loaded \(SIGABRT\)"),
        ({"mode": "exit"}, r"its process ended when it was loaded \(no message\)"),
        ({"color": "red"}, r".*libtest_delegate.so refuses \(no option color\); see --delegate-option"),
    ],
    ids=lambda value: "-".join(str(v) for v in value.values()) if isinstance(value, dict) else "",
)
def test_a_bad_delegate_has_a_reason(carry: Bundle, delegate: Delegate, options: dict[str, object], said: str) -> None:
    found = probe(carry, delegate(**options), "ai-edge-litert", 1)
    assert re.fullmatch(said, found.reason)


def test_a_delegate_that_hangs_is_ended(tiny: Bundle, delegate: Delegate) -> None:
    found = probe(tiny, delegate(mode="hang"), "ai-edge-litert", 1, limit_s=2)
    assert found.reason.startswith("it was not ready within 2 s, it hung")
    assert not found.lasting


@pytest.mark.parametrize(
    ("library", "said"),
    [("/none/libnone.so", "cannot open shared object file"), ("libm.so.6", "is no TFLite delegate")],
)
def test_what_is_no_delegate_is_named(tiny: Bundle, library: str, said: str) -> None:
    found = probe(tiny, Accelerator("delegate", library), "ai-edge-litert", 1)
    assert said in found.reason
    assert not found.lasting  # somebody may install it


def test_a_library_that_is_a_text_is_named(tiny: Bundle, tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_text("not a library")
    assert "file too short" in probe(tiny, Accelerator("delegate", str(library)), "ai-edge-litert", 1).reason


@pytest.mark.parametrize(
    ("status", "said", "reason", "lasting"),
    [
        (-11, [], "it crashed before anything was loaded (SIGSEGV)", True),
        (-9, [{"stage": "in a step"}], "it crashed in a step (SIGKILL)", False),  # for want of memory, perhaps
        (-250, [{"stage": "in a step"}], "it crashed in a step (signal 250)", False),
        (1, [], "its process ended before anything was loaded (ImportError: no numpy)", False),
        (None, [{"stage": "in a step"}], "it was not ready within 60 s, it hung in a step", False),
        (0, [{"refused": "no"}], "no (no adapters)", False),
    ],
)
def test_every_end_of_the_process_is_a_verdict(
    status: int | None, said: list[dict[str, str]], reason: str, lasting: bool
) -> None:
    log = "ERROR: [gpu.cc:3] no adapters\n\nTraceback\nImportError: no numpy\n"
    found = conclusion(status, said, log, 60.0, "float32")
    assert (found.reason, found.lasting, found.trial) == (reason, lasting, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "npu"},
        {"kind": "delegate"},
        {"kind": "gpu", "library": "lib.so"},
        {"kind": "gpu", "options": (("a", "b"),)},
        {"kind": "delegate", "library": "lib.so", "options": (("a", "1"), ("a", "2"))},
        {"kind": "delegate", "library": "lib.so", "options": (("", "1"),)},
    ],
)
def test_an_accelerator_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Accelerator(**wrong)  # type: ignore[arg-type]
