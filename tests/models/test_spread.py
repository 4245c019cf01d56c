"""Work spread over processes and over a local Ray gives what one process gives, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_sdk.errors import DataError, EdgeError
from models.spread import AHEAD, TRIES, check_answers, in_order, spread

NUMBERS = list(range(12))


def square_late(number: int) -> tuple[int, int]:
    """The first items take longest, so that results in the order of completion would show."""
    time.sleep(0.02 * (3 - number % 4))
    return number, number**2


def refuse_seven(number: int) -> int:
    if number == 7:
        raise DataError("seven: not a number we take; expected another")
    return number


def die_once(item: tuple[int, str]) -> int:
    """The number; the first process that gets the fifth is killed as the kernel kills one for its memory."""
    number, marker = item
    if number == 5 and claim(Path(marker)):
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(item: tuple[int, str]) -> int:
    """As `die_once`, but for ever; the marker counts the victims."""
    number, marker = item
    if number == 1:
        with Path(marker).open("a") as victims:
            victims.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def claim(marker: Path) -> bool:
    """Whether we are the first."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@pytest.mark.parametrize("workers", [0, 1, 2, None])
def test_results_come_in_order_and_do_not_depend_on_the_number_of_workers(workers: int | None) -> None:
    assert list(spread(square_late, NUMBERS, "squares", workers)) == [(n, n**2) for n in NUMBERS]


def test_no_items_and_one_item() -> None:
    assert list(spread(square_late, [], workers=2)) == []
    assert list(spread(square_late, [3], workers=2)) == [(3, 9)]


def test_a_negative_number_of_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="workers = -1: expected"):
        list(spread(square_late, NUMBERS, workers=-1))


def test_only_so_many_items_are_handed_out_ahead() -> None:
    handed: list[int] = []
    results = in_order(lambda n: handed.append(n) or n, lambda n: n, NUMBERS, ahead=AHEAD)  # type: ignore[func-returns-value]
    for taken, _ in enumerate(results):
        assert len(handed) == min(len(NUMBERS), taken + 1 + AHEAD)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_function_arrives_as_itself_after_the_results_before_it(workers: int) -> None:
    results = spread(refuse_seven, NUMBERS, workers=workers)
    assert [next(results) for _ in range(7)] == NUMBERS[:7]
    with pytest.raises(DataError, match="seven: not a number we take"):
        next(results)


def test_a_killed_worker_is_replaced_and_its_work_done_again(tmp_path: Path) -> None:
    marker = tmp_path / "died"
    items = [(number, str(marker)) for number in NUMBERS]
    assert list(spread(die_once, items, workers=2)) == NUMBERS
    assert marker.exists()


def test_an_item_that_kills_every_worker_is_given_up_in_one_line(tmp_path: Path) -> None:
    marker = tmp_path / "victims"
    with pytest.raises(EdgeError, match=f"{TRIES} worker processes in a row died") as caught:
        list(spread(die_always, [(number, str(marker)) for number in NUMBERS[:3]], workers=1))
    assert marker.read_text() == "x" * TRIES
    assert "\n" not in str(caught.value)


def test_whoever_stops_listening_leaves_no_processes_behind() -> None:
    import multiprocessing

    before = set(multiprocessing.active_children())
    results = spread(square_late, NUMBERS, workers=2)
    assert next(results) == (0, 0)
    results.close()  # type: ignore[attr-defined]
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:none", "127.0.0.1:99999999"])
def test_a_cluster_that_does_not_answer_is_one_line_at_once(address: str) -> None:
    pytest.importorskip("ray")
    started = time.monotonic()
    with pytest.raises(EdgeError, match=f"--cluster {address}: nothing answers there") as caught:
        list(spread(square_late, NUMBERS, cluster=address))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 10  # Ray alone takes minutes


def test_an_address_that_is_none_is_left_to_ray_which_refuses_it_in_one_line() -> None:
    pytest.importorskip("ray")
    check_answers("nonsense")
    with pytest.raises(
        EdgeError, match="--cluster nonsense: .*expected the address of a running Ray cluster"
    ) as caught:
        list(spread(square_late, NUMBERS, cluster="nonsense"))
    assert "\n" not in str(caught.value)


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EdgeError, match=r"--cluster needs Ray.*pip install 'edge-sdk\[cluster\]'"):
        list(spread(square_late, NUMBERS, cluster="local"))


@pytest.fixture(scope="module")
def two_cores() -> Iterator[None]:
    """A local Ray of two cores for the tests of this file."""
    ray = pytest.importorskip("ray")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_a_local_ray_gives_the_same_results_survives_a_killed_worker_and_passes_errors_on(
    two_cores: None, tmp_path: Path
) -> None:
    assert list(spread(square_late, NUMBERS, cluster="local")) == list(spread(square_late, NUMBERS, workers=0))
    marker = tmp_path / "died"
    assert list(spread(die_once, [(number, str(marker)) for number in NUMBERS], cluster="local")) == NUMBERS
    assert marker.exists()
    with pytest.raises(DataError, match="seven: not a number we take"):
        list(spread(refuse_seven, NUMBERS, cluster="local"))


def test_an_item_that_kills_every_ray_worker_is_given_up_in_one_line(two_cores: None, tmp_path: Path) -> None:
    marker = tmp_path / "victims"
    with pytest.raises(EdgeError, match=f"lost {TRIES} workers over one item") as caught:
        list(spread(die_always, [(number, str(marker)) for number in NUMBERS[:3]], cluster="local"))
    assert marker.read_text() == "x" * TRIES
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_ray_that_was_started_for_the_work_ends_with_it() -> None:
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        ray.shutdown()
    assert list(spread(square_late, NUMBERS, workers=1, cluster="local")) == [(n, n**2) for n in NUMBERS]
    assert not ray.is_initialized()
