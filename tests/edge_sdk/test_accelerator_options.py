"""What a command runs on is asked for in words that go together, and what it gets instead is said once."""

import argparse
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_sdk import accelerator_options
from edge_sdk.accelerator_options import add_accelerator, add_cpu, chosen, pin, wanted
from edge_sdk.accelerators.accelerator import CPU, GPU, Accelerator
from edge_sdk.accelerators.choice import Wanted
from edge_sdk.contract import Bundle
from edge_sdk.errors import EdgeError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="auto")
    add_accelerator(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ("", Wanted()),
        ("--accelerator cpu --threads 4", Wanted(threads=4)),
        ("--accelerator gpu", Wanted(GPU)),
        ("--accelerator auto --threads auto", Wanted(GPU, if_faster=True, threads=None)),
        (
            "--delegate lib.so --delegate-option a=1 --delegate-option b=x=y",
            Wanted(Accelerator("delegate", "lib.so", (("a", "1"), ("b", "x=y")))),
        ),
        ("--delegate lib.so --accelerator auto", Wanted(Accelerator("delegate", "lib.so"), if_faster=True)),
    ],
)
def test_options_say_what_is_wanted(words: str, want: Wanted) -> None:
    assert wanted(parsed(*words.split())) == want


@pytest.mark.parametrize(
    "words",
    [
        "--accelerator tpu",
        "--threads 0",
        "--threads 65",
        "--threads many",
        "--delegate-option a",
        "--delegate-option =1",
    ],
)
def test_words_that_mean_nothing_are_wrong_usage(words: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(*words.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--delegate-option a=1", "give --delegate PATH"),
        ("--delegate lib.so --accelerator gpu", "give one of them"),
        ("--delegate lib.so --accelerator cpu", "give one of them"),
        ("--delegate lib.so --delegate-option a=1 --delegate-option a=2", "each of them once"),
        ("--delegate=", "expected a library"),
    ],
)
def test_words_that_do_not_go_together_are_refused_in_one_line(words: str, said: str) -> None:
    with pytest.raises(EdgeError, match=said) as error:
        wanted(parsed(*words.split()))
    assert "\n" not in str(error.value)


def test_the_reason_is_said_once(
    tiny: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    with caplog.at_level(logging.WARNING, accelerator_options.__name__):
        assert chosen(parsed("--delegate", "/none/lib.so"), tiny).accelerator == CPU
    (record,) = caplog.records
    assert record.message.startswith("the CPU computes, not delegate lib.so: /none/lib.so: cannot open shared object")


def with_cpu(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_cpu(parser)
    return parser.parse_args(words)


def test_a_command_runs_where_it_is_told_to() -> None:
    """In a thread, which has cores of its own: the other tests keep theirs."""
    allowed = os.sched_getaffinity(0)

    def pinned(*words: str) -> set[int]:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(pin, with_cpu(*words)).result()
            return thread.submit(os.sched_getaffinity, 0).result()

    assert pinned() == allowed
    assert pinned("--cpu", str(max(allowed))) == {max(allowed)}
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.parametrize("core", ["-1", "1000", "100000000000000000000"])
def test_a_core_that_is_not_there_is_refused(core: str) -> None:
    with pytest.raises(EdgeError, match=r"--cpu -?\d+: expected some of \[\d"):
        pin(with_cpu(f"--cpu={core}"))
