"""Verdicts on streams, from reports that were made up."""

import json
from dataclasses import replace
from typing import Any

import pytest

from edge_sdk.contract import to_plain
from edge_sdk.live.reports import JsonLines
from firmware_bridge.health import HealthConfig, HealthError, Reading, Verdict, Watch, reading_from_line
from tests.edge_sdk.live.reported import busy

CONFIG = HealthConfig(watch_s=10.0)
FALLBACKS = {"late": 0, "bad": 0, "dead": 0}
BLOCK_S = 0.01


def reading(second: float, **changes: Any) -> Reading:
    """A healthy stream after so many seconds."""
    values: dict[str, Any] = {
        "uptime_s": second,
        "rate_hz": 16_000,
        "block": 160,
        "processed": int(16_000 * second),
        "overruns": 0,
        "underruns": 0,
        "reopened": 0,
        "rung": 0,
        "rungs": ("small", "bypass"),
        "fallbacks": FALLBACKS,
        "step_p99_s": 0.4 * BLOCK_S,
    }
    return Reading(**{**values, **changes})


def verdict(*readings: Reading, config: HealthConfig = CONFIG) -> Verdict | None:
    """What is known after these, each of them arriving in its second."""
    watch = Watch(config, "small", 0.0)
    for each in readings:
        watch.observe(each, each.uptime_s)
        if (found := watch.verdict(each.uptime_s)) is not None:
            return found
    return None


def clean(seconds: int = 11) -> list[Reading]:
    return [reading(1.0 + second) for second in range(seconds)]


def test_a_clean_window_is_healthy_and_not_before_it_is_over() -> None:
    assert verdict(*clean(10)) is None
    assert verdict(*clean(11)) == Verdict(True, "10.0 s without a fault")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fallbacks": {**FALLBACKS, "bad": 1}}, "the output of 1 blocks was not finite"),
        ({"fallbacks": {**FALLBACKS, "dead": 2}}, "its model had failed"),
        ({"rung": 1}, "bypass runs in its place"),
        ({"overruns": 4}, "4 times, allowed 3"),
        ({"overruns": 2, "underruns": 1, "reopened": 1}, "4 times, allowed 3"),
        ({"uptime_s": 0.5}, "began anew"),
    ],
)
def test_a_fault_ends_the_watch_at_once(changes: dict[str, Any], said: str) -> None:
    found = verdict(*clean(3), replace(reading(4.0), **changes))
    assert found is not None and not found.healthy and said in found.reason


def test_slow_blocks_are_known_when_the_window_is_over() -> None:
    slow = [replace(each, step_p99_s=0.5 * BLOCK_S) for each in clean()]
    assert verdict(*slow[:-1]) is None
    found = verdict(*slow)
    assert found is not None and not found.healthy and "5.00 ms for blocks of 10 ms" in found.reason


def test_what_happened_before_the_watch_and_few_xruns_are_forgiven() -> None:
    found = verdict(*(replace(each, overruns=100 + (3 if each.uptime_s > 5 else 0)) for each in clean()))
    assert found == Verdict(True, "10.0 s without a fault")


def test_late_blocks_alone_are_judged_by_their_time() -> None:
    found = verdict(*(replace(each, fallbacks={**FALLBACKS, "late": 7}) for each in clean()))
    assert found is not None and found.healthy


def test_a_stream_that_stops_reporting_is_not_healthy() -> None:
    watch = Watch(CONFIG, "small", 100.0)
    assert watch.verdict(100.0 + CONFIG.start_s) is None
    found = watch.verdict(100.1 + CONFIG.start_s)
    assert found is not None and not found.healthy and "no report within 60 s" in found.reason
    watch.observe(reading(1.0), 101.0)
    watch.observe(reading(2.0), 102.0)
    assert watch.verdict(107.0) is None
    found = watch.verdict(107.1)
    assert found is not None and not found.healthy and found.reason == "no report for 5 s, after 1.0 s"


def test_a_stream_that_reports_and_carries_no_sound_is_not_healthy() -> None:
    found = verdict(*(replace(each, processed=16_000) for each in clean()))
    assert found is not None and not found.healthy and "no sound went through for 5 s, after 6.0 s" in found.reason
    slow = [replace(each, processed=int(each.processed * 0.8)) for each in clean()]
    found = verdict(*slow)
    assert found is not None and not found.healthy and found.reason == "8.0 s of sound went through in 10.0 s"


def test_a_stream_that_ends_early_is_not_healthy_and_one_that_never_spoke_is_refused() -> None:
    watch = Watch(CONFIG, "small", 0.0)
    with pytest.raises(HealthError, match="no report came"):
        watch.ended()
    for each in clean(5):
        watch.observe(each, each.uptime_s)
    assert watch.ended() == Verdict(False, "it ended after 4.0 s of 10 s")


def test_another_model_is_not_judged() -> None:
    with pytest.raises(HealthError, match="the stream runs large, the bundle is small"):
        verdict(reading(1.0, rungs=("large", "bypass")))
    assert verdict(reading(1.0, rungs=("small+mvdr", "bypass"))) is None


def test_a_line_that_edge_sdk_run_prints_is_read() -> None:
    class Kept:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

        def fileno(self) -> int:
            raise OSError

        def flush(self) -> None:
            pass

    kept, report = Kept(), busy()
    JsonLines(kept)(report)  # type: ignore[arg-type]
    found = reading_from_line(kept.text.encode())
    assert found.xruns == 8 and found.fallbacks["bad"] == 6
    assert to_plain(found).items() <= {**report.as_plain()["stream"], "rungs": report.stream.rungs}.items()


LINE = {"stream": to_plain(reading(1.0))}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"edge-sdk: no such device",
        b"\xff",
        b"[]",
        b"{}",
        b'{"stream": 3}',
        b'{"stream": {"uptime_s": NaN}}',
        json.dumps({"stream": {**LINE["stream"], "rung": "0"}}).encode(),
        json.dumps({"stream": {**LINE["stream"], "rate_hz": 0}}).encode(),
        json.dumps(LINE).encode().replace(b'"uptime_s": 1.0', b'"uptime_s": 1e999'),
        json.dumps({"stream": {k: v for k, v in LINE["stream"].items() if k != "fallbacks"}}).encode(),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(line: bytes) -> None:
    assert reading_from_line(json.dumps(LINE).encode()) == reading(1.0)
    with pytest.raises(HealthError, match="not a report") as caught:
        reading_from_line(line)
    assert "\n" not in str(caught.value)


def test_impossible_limits_are_refused() -> None:
    for changes in ({"watch_s": 0.0}, {"watch_s": float("nan")}, {"slowest": -1.0}, {"xruns": -1}, {"silent_s": 0.0}):
        with pytest.raises(ValueError, match="expected times"):
            replace(CONFIG, **changes)
