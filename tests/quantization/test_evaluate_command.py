"""`edge-sdk evaluate`, on recipes and frozen sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.cli import main
from edge_sdk.contract import parse_json
from edge_sdk.errors import DataError
from models.checkpoint import save_network
from quantization.scoring import open_model
from tests.conftest import small_network
from tests.models.recordings import write_corpus
from tests.quantization.two_talkers import network_at_8_khz, write_two_talkers

METRICS = {"si_sdr", "sdr", "stoi", "estoi"}
KEPT = {f"si_sdr{end}" for end in ("", "_mixture", *(f"_improvement{e}" for e in ("", "_low", "_high", "_worst")))}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_talkers(tmp_path_factory.mktemp("recipe") / "tiny.toml")


@pytest.fixture(scope="module")
def corpus_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "carry.safetensors"
    save_network(path, network_at_8_khz(), {})
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def where(recipe: Path, corpus_root: Path, cache: Path) -> list[str]:
    return ["--set", str(recipe), "--data", str(corpus_root), "--cache", str(cache)]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    status = main(["evaluate", *map(str, words)])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    return printed.out


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main(["evaluate", *map(str, words)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("edge-sdk: ")
    assert message.count("\n") == 1
    return message


def test_json_has_what_it_always_had_and_everything_else(
    checkpoint: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = parse_json(run(capsys, checkpoint, *where, "--json").encode())  # strict: no NaN
    assert found["mixtures"] == 3
    assert set(found) >= KEPT | METRICS | {"model", "set", "machine", "date", "swap_rate", "silent_sources"}
    assert set(found["references"]) > {"nmf", "ideal_ratio_mask"}
    for values in found["references"].values():
        assert set(values) >= KEPT | METRICS | {"title", "kind"}
        assert values["si_sdr_mixture"] == found["si_sdr_mixture"]
    ideal = found["references"]["ideal_ratio_mask"]
    assert ideal["si_sdr"] > found["references"]["nmf"]["si_sdr"]
    assert [c["si_sdr_improvement"] for c in found["worst"]] == sorted(c["si_sdr_improvement"] for c in found["worst"])
    assert len(found["worst"][0]["about"]["talkers"]) == 2
    assert "clips" not in found


def test_quick_gives_the_same_si_sdr_alone_and_alone_the_same_of_everything(
    checkpoint: Path, where: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    quick, alone, whole = (
        parse_json(run(capsys, checkpoint, *where, "--json", *way).encode()) for way in (["--quick"], ["--alone"], [])
    )
    assert not quick["references"] and not set(quick) & (METRICS - {"si_sdr"})
    assert not alone["references"]
    assert all(alone[name] == whole[name] for name in alone if name not in ("references", "date", "against"))
    assert all(quick[name] == whole[name] for name in KEPT | {"swap_rate", "mixtures", "silent_sources"})
    assert "SI-SDR improvement" in run(capsys, checkpoint, *where, "--quick")
    for way in ("--quick", "--alone"):
        message = refused(capsys, checkpoint, *where, way, "--report", str(tmp_path / "report"))
        assert f"{way} with --report: a report shows every metric" in message and not (tmp_path / "report").exists()


def test_clips_are_printed_on_request_and_average_to_the_summary(
    checkpoint: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = parse_json(run(capsys, checkpoint, *where, "--json", "--clips").encode())
    gains = [clip["si_sdr_improvement"] for clip in found["clips"]]
    assert found["si_sdr_improvement"] == pytest.approx(np.mean(gains), abs=1e-3)
    for clip in found["clips"]:
        assert clip["after"]["si_sdr"] == pytest.approx(np.mean([s["si_sdr"] for s in clip["sources"]]))


def test_the_table_shows_baselines_model_and_ceilings(
    checkpoint: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run(capsys, checkpoint, *where, "--clips").splitlines()
    names = ["mixture", "blind NMF", "carry.safetensors", "ideal binary", "ideal ratio", "ideal Wiener", "ideal phase"]
    table = lines[next(n for n, line in enumerate(lines) if "improvement, dB (95 %)" in line) :]
    at = [next(n for n, line in enumerate(table) if line.strip().startswith(name)) for name in names]
    assert at == sorted(at)
    assert sum("speaker4/take" in line and "speaker5/take" in line for line in lines) == 3  # the worst ones, by name
    assert sum(" > " in line for line in lines) == 3  # the clips


def test_probes_are_figures_and_lines_of_a_table(
    checkpoint: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = parse_json(run(capsys, checkpoint, *where, "--probes", "--json").encode())["probes"]
    assert {"clean", "clean_worst", "noise", "silence", "level_-60", "level_0", "tones_peak"} <= set(found)
    assert found["clean"] >= found["clean_worst"] and found["silence"] <= -60
    lines = run(capsys, checkpoint, *where, "--probes").splitlines()
    table = lines[lines.index("Probes") + 2 :][: len(found)]
    assert [float(line.split()[-1]) for line in table] == pytest.approx(list(found.values()), abs=0.05)


def test_a_bundle_streams_and_scores_as_its_network(
    where: list[str],
    exported_bundle: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_network(tmp_path / "carry.safetensors", small_network("carry"), {})
    network, bundle = (
        json.loads(run(capsys, model, *where, "--json"))
        for model in (tmp_path / "carry.safetensors", exported_bundle("carry"))
    )
    assert bundle["si_sdr"] == pytest.approx(network["si_sdr"], abs=0.01)  # float32 in another order
    assert bundle["references"] == network["references"]


def test_a_frozen_set_is_scored_like_the_recipe_that_made_it(
    checkpoint: Path, recipe: Path, where: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "set", str(recipe), *where[2:], "--out", str(tmp_path / "set"), "--workers", "0"]
    assert main(words) == 0
    frozen = json.loads(run(capsys, checkpoint, "--set", tmp_path / "set", "--json"))
    mixed = json.loads(run(capsys, checkpoint, *where, "--json"))
    assert len(frozen["set_sha256"]) == 64
    assert frozen["set"] == "tiny"
    assert frozen["si_sdr_mixture"] == pytest.approx(mixed["si_sdr_mixture"], abs=0.02)  # 16 bits
    assert frozen["worst"][0]["about"]["talkers"] == mixed["worst"][0]["about"]["talkers"]


def test_impossible_requests_are_one_line(
    checkpoint: Path,
    where: list[str],
    exported_bundle: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "give their folder as --data" in refused(capsys, checkpoint, *where[:2])
    assert "mixtures of 2 sources" in refused(capsys, exported_bundle("tiny"), *where)
    assert "--workers -1" in refused(capsys, checkpoint, *where, "--workers", "-1")
    assert "simulate set" in refused(capsys, checkpoint, "--set", tmp_path)
    assert "not a readable TOML file" in refused(capsys, checkpoint, "--set", tmp_path / "none.toml", "--data", ".")
    (tmp_path / "index.html").write_text("mine")
    assert "give --force" in refused(capsys, checkpoint, *where, "--report", tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_a_set_at_another_rate_is_refused(recipe: Path, where: list[str], tmp_path: Path) -> None:
    from models.evaluation.sets import open_examples

    main(["simulate", "set", str(recipe), *where[2:], "--out", str(tmp_path / "set"), "--workers", "0"])
    with pytest.raises(DataError, match="a set at 8000 Hz, the model works at 16000 Hz"):
        open_examples(tmp_path / "set", None, tmp_path, 16_000)


def test_what_a_model_is_run_by_is_said(checkpoint: Path, exported_bundle: Callable[[str], Path]) -> None:
    assert "torch" in open_model(str(checkpoint), "auto").about
    assert "block by block" in open_model(str(exported_bundle("carry")), "auto").about
