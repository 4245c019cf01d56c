"""A small share of the fuzzing in `tools/fuzz_bundles.py`, and that it would notice what it looks for."""

import json
import random

import pytest

from edge_sdk.contract import Bundle
from edge_sdk.contract.bundle import read_stream
from tools.fuzz_bundles import Hang, alarm, fuzz_bundles, fuzz_models, main, signed_bundles
from tools.mutants import mutate


def test_no_mutated_bundle_is_taken_and_all_are_refused_in_order() -> None:
    tally = fuzz_bundles(1000, seed=2)
    assert not tally.taken and not tally.wrong and tally.mutants > 900
    # Some get as far as the signature, and some beyond it: to files behind a signed document.
    assert tally.refused["SignatureError"] > 200 and sum(tally.refused.values()) == tally.mutants


def test_no_mutated_model_ends_the_one_who_looks_at_it(tiny: Bundle) -> None:
    tally = fuzz_models(300, seed=3, bundle=tiny, trials=3)
    assert not tally.wrong and tally.refused.total() > 100
    assert tally.trials.total() == min(3, tally.taken)


def test_the_result_is_told_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--bundles", "30", "--models", "3", "--trials", "0"])
    told = json.loads(capsys.readouterr().out)
    assert sum(told["bundles"]["refused"].values()) == told["bundles"]["mutants"] > 20
    assert told["models"]["mutants"] > 0 and told["bundles_rss_mb"] > 0


def test_the_same_seed_gives_the_same_mutants() -> None:
    bundles, _ = signed_bundles()
    again = [[mutate(rng, bundles[0], bundles) for _ in range(50)] for rng in (random.Random(4), random.Random(4))]
    assert again[0] == again[1] and len(set(again[0])) > 40


def test_a_bundle_that_is_taken_or_crashes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(file, size, name, policy, machine):  # type: ignore[no-untyped-def]
        if name == "good.edge":
            return read_stream(file, size, name, policy, machine)
        if size % 2:
            raise IndexError("out of range")

    monkeypatch.setattr("tools.fuzz_bundles.read_stream", careless)
    tally = fuzz_bundles(50, seed=5)
    assert tally.taken > 5 and any("IndexError" in wrong for wrong in tally.wrong)


def test_a_hang_is_noticed() -> None:
    def hang() -> None:
        while True:
            pass

    with pytest.raises(Hang), alarm(0.05):
        hang()
