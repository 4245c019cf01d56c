"""What Prometheus collects follows its format to the letter, and says what the report says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_sdk.live.metrics import Metrics
from edge_sdk.live.prometheus import exposition
from edge_sdk.live.reports import Report
from tests.edge_sdk.live.exposition import parse
from tests.edge_sdk.live.reported import SYSTEM, busy, quiet


@pytest.mark.parametrize("report", [busy(), quiet()], ids=["busy", "quiet"])
def test_the_text_follows_the_format(report: Report) -> None:
    values = parse(exposition(report))
    assert all(name.startswith("edge_sdk_") for name in values)


@pytest.mark.parametrize("report", [busy(), quiet()], ids=["busy", "quiet"])
def test_the_official_parser_reads_the_same(report: Report) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    text = exposition(report)
    found = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found == {(name, labels): v for name, of_name in parse(text).items() for labels, v in of_name.items()}


def test_values_are_those_of_the_report() -> None:
    report = busy()
    values = parse(exposition(report))
    alone = {name: of_name[frozenset()] for name, of_name in values.items() if frozenset() in of_name}
    s = report.stream
    assert alone["edge_sdk_samples_captured_total"] + alone["edge_sdk_samples_lost_total"] == (
        alone["edge_sdk_samples_processed_total"] + alone["edge_sdk_samples_waiting"]
    )
    assert alone["edge_sdk_step_seconds_sum"] == s.step_total_s and alone["edge_sdk_step_seconds_count"] == 1000
    assert alone["edge_sdk_blocks_late_total"] == 2 and alone["edge_sdk_throttled"] == 1
    assert alone["edge_sdk_cpu_cores"] == 1.234 and alone["edge_sdk_temperature_celsius"] == 61.4
    assert alone["edge_sdk_swaps_total"] == s.swaps > 0
    reasons = {dict(labels)["reason"]: v for labels, v in values["edge_sdk_fallback_blocks_total"].items()}
    assert reasons == {"late": 2, "bad": 6, "dead": 0}
    assert values["edge_sdk_mic_good"] == {frozenset({("mic", "0")}): 1, frozenset({("mic", "1")}): 0}
    assert values["edge_sdk_output_peak_dbfs"][frozenset({("source", "1")})] == pytest.approx(-20)
    engines = {dict(labels)["engine"]: v for labels, v in values["edge_sdk_engine_active"].items()}
    assert engines == {"enhance": 0, "delay-and-sum": 1, "bypass": 0}


def test_buckets_count_each_block_where_it_belongs() -> None:
    m = Metrics(mics=1, sources=1, rate_hz=16_000, block=160)
    times = [1e-6, 2e-5, 2.1e-5, 1e-3, 5.0, 100.0]
    for seconds in times:
        m.observe_step(seconds)
    buckets = parse(exposition(Report(m.snapshot(), SYSTEM)))["edge_sdk_step_seconds_bucket"]
    for labels, count in buckets.items():
        ((_, le),) = labels
        assert count == sum(seconds <= float(le.replace("Inf", "inf")) for seconds in times)


def test_names_with_quotes_and_line_ends_stay_one_label() -> None:
    odd = 'a\\b"c\nd{e="f"} 1'
    report = replace(busy(), stream=replace(busy().stream, rungs=(odd,), rung=0))
    assert parse(exposition(report))["edge_sdk_engine_active"] == {frozenset({("engine", odd)}): 1}
