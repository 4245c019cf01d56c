"""The benchmark suite: what it compares computes the same, and what it prints is what it measured."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk import native
from edge_sdk.bench_report import Report, Row, read_report, this_machine, write_report
from edge_sdk.contract import read_bundle
from edge_sdk.errors import EdgeError
from edge_sdk.library import find_model
from edge_sdk.rings import Rings, whole_rows
from models.layers.filterbanks import FilterbankConfig
from models.layers.tcn import TCNConfig
from models.tasnet import TasNet, TasNetConfig
from models.zoo import build, preset
from quantization.step_graph import step_graph
from quantization.step_graph.graph import layer_macs
from quantization.step_graph.parts import Depthwise, Slope
from tools.benchmark import anatomy, claims, estimates, host, turns
from tools.benchmark.alternatives import MATRICES
from tools.benchmark.contexts import with_contexts
from tools.benchmark.floor import Matrices
from tools.benchmark.page import page

TINY = TasNetConfig(
    sources=2,
    sample_rate=8_000,
    filterbank=FilterbankConfig(window=16, hop=8, filters=12),
    separator=TCNConfig(bottleneck=6, hidden=10, skip=6, blocks=3, repeats=2),
)


@pytest.fixture(scope="module", params=["frame", "cumulative", "batch"])
def network(request: pytest.FixtureRequest) -> TasNet:
    torch.manual_seed(1)
    return TasNet(replace(TINY, separator=replace(TINY.separator, norm=request.param))).eval()


@pytest.mark.parametrize("frames", [1, 3, 8])
@torch.no_grad()
def test_whole_contexts_compute_what_delay_lines_do(network: TasNet, frames: int) -> None:
    lined, whole = step_graph(network, frames), with_contexts(network, frames)
    (group,) = lined.delays
    ring, taps = Rings(group, frames), np.zeros(lined.inputs[group.taps].shape, np.float32)
    ours = {carry.input: lined.inputs[carry.input] for carry in lined.carries}
    theirs = {carry.input: whole.inputs[carry.input] for carry in whole.carries}
    for block in torch.randn(9, *lined.inputs["frames"].shape):
        ring.read(whole_rows(taps))
        given = lined(frames=block, **{group.taps: torch.from_numpy(taps)}, **ours)
        expected, rows = given["sources_out"], given[group.rows]
        ring.write(whole_rows(rows.numpy()))
        found = whole(frames=block, **theirs)
        torch.testing.assert_close(found["sources_out"], expected, rtol=0, atol=1e-6)  # sums of other order
        ours = {carry.input: given[carry.output] for carry in lined.carries}
        theirs = {carry.input: found[carry.output] for carry in whole.carries}


@pytest.mark.parametrize("frames", [1, 8])
def test_the_matrices_alone_have_all_arithmetic_but_the_depthwise_filters(network: TasNet, frames: int) -> None:
    graph, separator = step_graph(network, frames), TINY.separator
    depthwise = separator.kernel * separator.hidden * separator.blocks * separator.repeats
    matrices = Matrices(graph)
    assert matrices.macs == frames * (graph.macs_per_frame() - depthwise)
    for output, (rows, layer) in zip(
        matrices(**matrices.inputs()).values(), zip(matrices.rows, matrices.layers, strict=True), strict=True
    ):
        assert output.shape == (rows, layer.out_features)


def test_a_step_is_taken_apart_kind_by_kind() -> None:
    """What is left out is not in the graph, nor its memory; and the whole step is left as it is."""
    network = TasNet(replace(TINY, separator=replace(TINY.separator, norm="cumulative"))).eval()
    kinds = {anatomy.slopes: Slope, anatomy.filters: Depthwise}
    for leave_out, memory in (
        (anatomy.slopes, set()),
        (anatomy.norms, {"statistics", "count"}),
        (anatomy.filters, {"taps"}),
    ):
        graph = step_graph(network, 8)
        whole = graph(**graph.inputs)
        before = set(graph.inputs)
        leave_out(graph)
        assert before - set(graph.inputs) == memory
        found = graph(**{name: graph.inputs[name] for name in graph.inputs})
        assert set(whole) - set(found) == {{"taps": "rows"}.get(name, f"{name}_out") for name in memory}
        if leave_out in kinds:
            assert not any(isinstance(module, kinds[leave_out]) for module in graph.modules())
    for leave_out in (anatomy.norms, anatomy.slopes):
        leave_out(graph)
    assert Matrices(graph).macs == layer_macs(graph), "nothing but matrices has multiplications left"
    with pytest.raises(ValueError, match="a separator of type StackedLSTMStep: expected a TCN"):
        anatomy.norms(step_graph(build(preset("lstm-tasnet-edge")).eval(), 1))


def test_the_parts_of_a_step_are_measured_beside_its_matrices() -> None:
    rows = anatomy.rows(TasNet(TINY).eval(), "tiny", 2)
    times = {row.variant: row.value for row in rows if row.measure == "times matrices"}
    assert list(times) == [MATRICES, anatomy.AS_EXPORTED, anatomy.SLOPES, anatomy.NORMS, anatomy.WHOLE, anatomy.HOST]
    assert times[MATRICES] == 1 and all(value > 0 for value in times.values())


def test_all_take_their_turns_equally_often() -> None:
    calls: list[str] = []
    makers = {name: lambda name=name: lambda: calls.append(name) for name in "abc"}
    times = turns.hot(makers, rounds=2, turns=3)
    assert {name: len(seconds) for name, seconds in times.items()} == dict.fromkeys("abc", 6 * turns.BURST)
    assert {name: calls.count(name) for name in "abc"} == dict.fromkeys("abc", 6 * (turns.BURST + turns.WARM))


def test_the_host_is_what_a_block_takes_beside_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "installed", native.Found)  # where there is no extension it is not timed
    rows = list(host.rows(read_bundle(find_model("enhance-mono")), "enhance-mono", rounds=1, turns=1))
    assert [(row.variant, row.measure) for row in rows] == [
        (f"dynamic_int8, {pace}, NumPy", measure) for pace in ("hot", "paced") for measure in ("host", "host share")
    ]
    assert all(0 < row.value < (1 if row.measure == "host share" else 1e6) for row in rows)


def test_a_claim_is_the_ratio_of_two_rows_of_the_run() -> None:
    claim = next(claim for claim in claims.CLAIMS if claim.beside)
    assert claim.beside
    measured = [Row(*claim.row, value=30.0), Row(*claim.beside, value=100.0)]
    (row,) = claims.rows(measured)
    assert (row.subject, row.value) == (claim.text, pytest.approx(0.3))
    assert claims.holds(row) == (claim.limit >= 0.3)
    assert not claims.holds(replace(row, value=claim.limit * 1.01))
    assert claims.rows(measured[:1]) == [], "what was not measured is not claimed"


def test_the_readme_claims_what_the_suite_prints() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for claim in claims.CLAIMS:
        assert re.search(rf"\| {re.escape(claim.text)} \|", readme), claim.text


def test_an_estimate_is_no_less_than_arithmetic_and_weights_allow() -> None:
    rows = {(row.variant, row.measure): row.value for row in estimates.rows(["conv-tasnet-paper"])}
    # Luo & Mesgarani (2019), table II: 5.1 million parameters; two million windows of 1 ms in a thousand seconds.
    assert rows["float32", "weights"] == pytest.approx(4 * 5.05, rel=0.02)
    core = estimates.CORES[1]
    bound = rows[f"int8, 1 frame, {core.name}", "of real time, at least"]
    assert bound >= rows["per second of sound", "arithmetic"] / (1e3 * core.clock_ghz * core.int8) * (1 - 1e-9)
    assert bound >= rows["float32", "weights"] / 4 / core.memory_gb_s * (1 - 1e-9)  # MB in a millisecond


def report(name: str, value: float) -> Report:
    rows = (
        Row("models", "enhance <x>", "int8, hot", "p50", value, "us"),
        Row("claims", "a claim", "at most 1", "ratio", 0.5),
    )
    return Report({**this_machine(), "name": name}, rows)


def test_a_report_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = report("board", 12.5)
    write_report(written, tmp_path / "r.json")
    assert read_report(tmp_path / "r.json") == written
    with pytest.raises(EdgeError, match=r"r.json exists; choose another --out or give --force"):
        write_report(written, tmp_path / "r.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        (b"{", "not a benchmark report"),
        (b'{"machine": {}, "rows": [{"group": 1}], "format": "edge-sdk bench 1"}', "not a benchmark report"),
        (b'{"machine": {}, "rows": [], "format": "another"}', "'another', expected 'edge-sdk bench 1'"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path, text: bytes | None, message: str) -> None:
    path = tmp_path / "r.json"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(EdgeError, match=message) as raised:
        read_report(path)
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


def test_the_page_has_a_column_for_each_machine() -> None:
    html = page([report("Pi & co", 12.5), report("Pi & co", 25.0)], ["a.json", "b.json"])
    assert "enhance &lt;x&gt;, int8, hot, p50 [us]" in html
    assert re.search(r"<td>12.5</td><td>25</td>", html)
    assert "Pi &amp; co (1)" in html and "Pi &amp; co (2)" in html
    assert "a.json, b.json beside it" in html and "[[" not in html
    assert "http" not in html.replace("http-equiv", "")
