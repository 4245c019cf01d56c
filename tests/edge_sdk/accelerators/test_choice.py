"""What was measured decides; it is measured once on a machine, and anew when something is another."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk.accelerators import choice as choosing
from edge_sdk.accelerators.accelerator import CPU, GPU, Accelerator
from edge_sdk.accelerators.choice import Wanted, choose
from edge_sdk.accelerators.kept import cache_folder
from edge_sdk.accelerators.threads import Threads
from edge_sdk.accelerators.verdict import Trial, Verdict, judged
from edge_sdk.contract import Bundle
from tests.edge_sdk.bundles import MODEL, manifest

FAST = Trial(agreement_db=90.0, blocks=300, block_us=4000, p50_us=100, p99_us=150, cpu_p50_us=300, cpu_p99_us=400)
BUNDLE = Bundle(manifest(), MODEL)


class Counted:
    """Answers every trial in the same way, and counts them."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict, self.calls = verdict, 0

    def __call__(self, *order: object) -> Verdict:
        self.calls += 1
        return self.verdict


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(judged(FAST, "float32"))
    monkeypatch.setattr(choosing, "probe", counted)
    return counted


@pytest.mark.parametrize(
    ("change", "taken_if_faster"),
    [
        ({}, True),
        ({"p50_us": 280}, False),  # a tenth is too little
        ({"p99_us": 401}, False),  # where a stream would break
        ({"p50_us": 30, "p99_us": 5000}, False),
    ],
)
def test_auto_takes_what_is_clearly_faster(
    change: dict[str, float], taken_if_faster: bool, trials: Counted, tmp_path: Path
) -> None:
    trials.verdict = judged(replace(FAST, **change), "float32")
    found = choose(BUNDLE, Wanted(GPU, if_faster=True), folder=tmp_path)
    assert (found.accelerator == GPU) is taken_if_faster
    assert taken_if_faster or "the CPU 300 us and" in found.reason
    assert choose(BUNDLE, Wanted(GPU), folder=tmp_path).accelerator == GPU  # because it was asked for


@pytest.mark.parametrize(("agreement_db", "taken"), [(40.0, True), (39.9, False), (-200.0, False), (None, False)])
def test_nothing_takes_what_sounds_otherwise(
    agreement_db: float | None, taken: bool, trials: Counted, tmp_path: Path
) -> None:
    trials.verdict = judged(replace(FAST, agreement_db=agreement_db), "float32")
    for wanted in (Wanted(GPU), Wanted(GPU, if_faster=True)):
        found = choose(BUNDLE, wanted, folder=tmp_path)
        assert (found.accelerator == GPU) is taken
        assert taken or found.reason.startswith("the CPU computes, not gpu: its output")


def test_a_model_that_the_cpu_rounds_has_another_to_try() -> None:
    quiet = replace(FAST, agreement_db=32.0)
    assert "try the float32 model" in judged(quiet, "dynamic_int8").reason
    assert "float32" not in judged(quiet, "float32").reason


def test_one_that_cannot_keep_up_is_taken_with_a_word(trials: Counted, tmp_path: Path) -> None:
    trials.verdict = judged(replace(FAST, p99_us=4001), "float32")
    found = choose(BUNDLE, Wanted(GPU), folder=tmp_path)
    assert found.accelerator == GPU
    assert "too slow for a live stream" in found.reason


def test_the_cpu_needs_no_trial(trials: Counted, tmp_path: Path) -> None:
    assert choose(BUNDLE, Wanted(threads=3), folder=tmp_path) == choosing.Choice(CPU, 3)
    assert trials.calls == 0


def test_a_verdict_is_kept_and_is_the_same(trials: Counted, tmp_path: Path) -> None:
    first = choose(BUNDLE, Wanted(GPU), folder=tmp_path)
    assert choose(BUNDLE, Wanted(GPU), folder=tmp_path) == first
    assert trials.calls == 1


def test_another_model_driver_library_or_option_is_tried_anew(
    trials: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, driver = tmp_path / "lib.so", tmp_path / "icd.json"
    library.write_bytes(b"one")
    driver.write_text("{}")
    monkeypatch.setenv("VK_DRIVER_FILES", str(driver))

    def tried(bundle: Bundle, accelerator: Accelerator, threads: int = 1) -> int:
        before = trials.calls
        choose(bundle, Wanted(accelerator, threads=threads), folder=tmp_path / "kept")
        return trials.calls - before

    delegate = Accelerator("delegate", str(library))
    other = b"x" + MODEL[1:]
    assert [tried(BUNDLE, GPU), tried(BUNDLE, GPU)] == [1, 0]
    assert tried(Bundle(manifest(other), other), GPU) == 1
    assert tried(BUNDLE, GPU, threads=2) == 1
    assert [tried(BUNDLE, delegate), tried(BUNDLE, delegate)] == [1, 0]
    assert tried(BUNDLE, replace(delegate, options=(("a", "1"),))) == 1
    assert tried(BUNDLE, replace(delegate, options=(("a", "2"),))) == 1
    library.write_bytes(b"another")
    assert tried(BUNDLE, delegate) == 1
    os.utime(driver, (1, 1))  # another version
    assert [tried(BUNDLE, GPU), tried(BUNDLE, GPU)] == [1, 0]


def test_what_may_be_otherwise_the_next_time_is_not_kept(trials: Counted, tmp_path: Path) -> None:
    trials.verdict = Verdict("it was not ready within 60 s", lasting=False)
    for _ in range(2):
        assert "not ready" in choose(BUNDLE, Wanted(GPU), folder=tmp_path).reason
    assert trials.calls == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"found": 3}', b'{"found": {"reason": 7}}', b"\xff\xfe"])
def test_a_damaged_file_is_measured_anew(damage: bytes, trials: Counted, tmp_path: Path) -> None:
    want = choose(BUNDLE, Wanted(GPU), folder=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    assert choose(BUNDLE, Wanted(GPU), folder=tmp_path) == want
    assert choose(BUNDLE, Wanted(GPU), folder=tmp_path) == want
    assert trials.calls == 2


def test_where_nothing_can_be_written_it_is_measured_every_time(trials: Counted, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for _ in range(2):
        assert choose(BUNDLE, Wanted(GPU), folder=tmp_path / "file" / "folder").accelerator == GPU
    assert trials.calls == 2


def test_the_number_of_threads_is_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def three(bundle: Bundle, backend: str) -> Threads:
        asked.append(backend)
        return Threads(3)

    monkeypatch.setattr(choosing, "quickest", three)
    assert [choose(BUNDLE, Wanted(threads=None), folder=tmp_path).threads for _ in range(2)] == [3, 3]
    assert asked == ["ai-edge-litert"]


def test_a_number_of_threads_that_nothing_can_run_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(choosing, "quickest", lambda bundle, backend: Threads(2))
    choose(BUNDLE, Wanted(threads=None), folder=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text().replace('"count": 2', '"count": 1000000'))
    assert choose(BUNDLE, Wanted(threads=None), folder=tmp_path).threads == 2


@pytest.mark.parametrize(
    ("variables", "want"),
    [
        ({"CACHE_DIRECTORY": "/var/cache/edge:/var/cache/other", "XDG_CACHE_HOME": "/x"}, "/var/cache/edge"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/edge-sdk"),
        ({"HOME": "/home/you"}, "/home/you/.cache/edge-sdk"),
    ],
)
def test_the_folder_is_where_such_things_go(
    variables: dict[str, str], want: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(want)
