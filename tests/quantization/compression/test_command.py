"""`edge-sdk compress`: from a checkpoint to the smallest model that keeps a budget, or one line that says why not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk.cli import main
from models.checkpoint import load_network, save_network
from models.layers.filterbanks import FilterbankConfig
from models.layers.tcn import TCNConfig
from models.tasnet import TasNet, TasNetConfig
from quantization.artifact import read_artifact
from quantization.compression import bench
from quantization.compression.candidates import Origin
from quantization.compression.journal import Journal
from quantization.compression.origins import Origins
from quantization.layers import layers
from tests.models.recordings import write_corpus, write_recipe


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A search of an untrained network with few and long frames, but for the budget and --out."""
    folder = tmp_path_factory.mktemp("compress")
    sizes = TCNConfig(bottleneck=8, hidden=16, skip=0, blocks=2, repeats=1, norm="batch", horizon=50)
    bank = FilterbankConfig(window=256, hop=128, filters=16)
    torch.manual_seed(5)
    network = TasNet(TasNetConfig(sources=1, sample_rate=8000, filterbank=bank, separator=sizes)).eval()
    save_network(folder / "n.safetensors", network, {})
    where = ["--set", str(write_recipe(folder / "r.toml")), "--data", str(write_corpus(folder / "corpus"))]
    where += ["--cache", str(folder / "cache"), "--count", "2"]
    return ["compress", str(folder / "n.safetensors"), *where, "--ratios", "0.5", "--multiple", "8"]


def test_an_interrupted_search_goes_on_and_ends_in_the_smallest_that_keeps_the_budget(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, asked, timed = tmp_path / "search", [*words, "--max-loss-db", "1", "--max-rtf", "9"], list[int]()
    step_times = bench.step_times

    def interrupted(*given: object) -> np.ndarray:
        timed.append(len(timed))
        if len(timed) == 4:
            raise KeyboardInterrupt
        return step_times(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(bench, "step_times", interrupted)
    assert main([*asked, "--out", str(out)]) == 130
    kept = (out / "search.jsonl").read_bytes()
    assert main([*asked, "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (out / "search.jsonl").read_bytes().startswith(kept)
    assert len(timed) == 1 + len(found["candidates"]), "what was measured before Ctrl-C was not measured again"

    rows = {row["label"]: row for row in found["candidates"]}
    assert rows["network float32"]["loss_db"] == 0 and "network-pruned-50 float32" in rows
    within = [row for row in rows.values() if (row["loss_on_all_db"] or 2) <= 1]
    assert all(row["front"] and row["within"] for row in within)
    smallest = read_artifact(Path(found["written"]["smallest"]))
    assert smallest.manifest.size / 1024 == min(row["kib"] for row in within)
    assert smallest.manifest.quality["mixtures"] == 3 and "parity" in smallest.manifest.provenance
    assert (out / "smallest.md").read_text().startswith("# smallest\n") and (out / "front.png").stat().st_size > 1000
    pruned, about = load_network(out / "networks" / "network-pruned-50.safetensors")
    assert pruned.config.separator.hidden == 8 and about["pruned"]["ratio"] == 0.5

    kept_order(Path(words[1]), out)
    everything = (out / "search.jsonl").read_bytes()
    tight = [*words, "--max-loss-db", "1", "--max-rtf", "1e-9", "--out", str(out)]
    assert main(tight) == 1, "another budget, the same search"
    said = capsys.readouterr()
    assert all(label in said.out for label in rows), "the table is printed all the same"
    assert len(said.err.splitlines()) == 1 and f"none of {len(rows)} keeps the budget; the nearest is" in said.err
    assert "where 0.0000 of real time may be" in said.err
    assert (out / "search.jsonl").read_bytes() == everything and len(timed) == 1 + len(rows)

    other = [word if word != "2" else "1" for word in asked]
    assert main([*other, "--out", str(out)]) == 1
    assert "the search there is of another count; bring it back" in capsys.readouterr().err


def kept_order(checkpoint: Path, out: Path) -> None:
    """Layers come by what each loses per weight, every one that int4 changes, and are measured once."""
    rng, origin = np.random.default_rng(0), Origin(0, 0.5)
    sources = [0.1 * rng.standard_normal((1, 4000)).astype(np.float32) for _ in range(2)]
    mixtures = [(s + 0.05 * rng.standard_normal(s.shape).astype(np.float32), s) for s in sources]
    identity = json.loads((out / "search.jsonl").read_bytes().splitlines()[0])["found"]
    with Journal(out, identity) as journal:
        measuring = bench.Bench(out, Origins(out, [checkpoint], None), mixtures, 2, 0, journal)
        ordered = measuring.order(origin)
        blocks = [f"separator.blocks.{block}.{layer}" for block in (0, 1) for layer in ("expand", "project")]
        assert {name for name, _ in ordered} == {"separator.bottleneck", *blocks, "separator.output"}
        whole = {layer.name: layer.weights for layer in layers(measuring.whole().model)}
        per_weight = [max(journal.found[f"layer {name}"], 0.0) / whole[name] for name, _ in ordered]
        assert per_weight == sorted(per_weight)
        assert dict(ordered)["separator.blocks.0.expand"] == whole["separator.blocks.0.expand"] / 2, "half is pruned"
        count = journal.count
        assert measuring.order(origin) == ordered and journal.count == count


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (["--max-loss-db", "0"], "loss_db = 0: expected a limit above 0"),
        (["--max-kib", "-5"], "kib = -5: expected a limit above 0"),
        (["--max-rtf", "nan"], "rtf = nan: expected a limit above 0"),
        (["--max-kib", "0.1"], "--max-kib 0.1: the weights alone take"),
        (["--ratios", "half"], "--ratios half: expected shares such as"),
        (["--ratios", "1"], "expected shares from 0 up to, not including, 1"),
        (["--ratios", "0.1"], "takes nothing from layers of 16 channels"),
        (["--recipes", "float32,int7"], "unknown recipe 'int7'"),
        (["--recipes", "static_int8"], "needs calibration"),
        (["--frames-per-step", "0"], "expected 1 or more"),
        (["--count", "0"], "expected 1 or more"),
        (["--data", "/nowhere"], "/nowhere"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_before_the_work(
    wrong: list[str], reason: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--max-loss-db", "1", "--out", str(tmp_path / "search"), *wrong]) == 1
    said = capsys.readouterr().err
    assert reason in said and len(said.splitlines()) == 1
    assert not (tmp_path / "search").exists()


def test_checkpoints_are_there_and_for_the_same_task(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, checkpoint, *rest = words
    rest += ["--max-loss-db", "1", "--out", str(tmp_path / "search")]
    assert main([command, str(tmp_path / "none.safetensors"), *rest]) == 1
    assert "no such checkpoint" in capsys.readouterr().err
    network, _ = load_network(Path(checkpoint))
    bank = FilterbankConfig(window=128, hop=64, filters=16)
    other = TasNet(TasNetConfig(sources=1, sample_rate=8000, filterbank=bank, separator=network.config.separator))
    save_network(tmp_path / "other.safetensors", other, {})
    assert main([command, checkpoint, str(tmp_path / "other.safetensors"), *rest]) == 1
    assert "give checkpoints for the same task" in capsys.readouterr().err
