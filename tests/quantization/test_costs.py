"""Costs are those of the models as they run: the first loses nothing, and the worst clip is the one that loses most."""

import numpy as np
import pytest

from edge_sdk import Separator
from models.evaluation.metrics import si_sdr
from models.tasnet import TasNet
from quantization.artifact import Artifact
from quantization.costs import costs, table
from quantization.quantize import quantize


def test_the_first_model_loses_nothing_and_others_by_clip(trained: TasNet, exported: Artifact) -> None:
    rng = np.random.default_rng(0)
    sources = [0.1 * rng.standard_normal((1, 16_000)).astype(np.float32) for _ in range(3)]
    pairs = [(source + 0.05 * rng.standard_normal(source.shape).astype(np.float32), source) for source in sources]
    small = quantize(exported, "dynamic_int4", "small")
    first, second = costs({"a": (trained, exported), "b": (trained, small)}, pairs, steps=20)
    assert (first.label, first.loss_db, first.worst_db) == ("a", 0.0, 0.0)
    lost = [
        float(si_sdr(Separator(exported.bundle).separate(x), s)[0] - si_sdr(Separator(small.bundle).separate(x), s)[0])
        for x, s in pairs
    ]
    assert second.loss_db == pytest.approx(np.mean(lost), abs=1e-6)
    assert (second.worst_clip, second.worst_db) == (int(np.argmax(lost)), pytest.approx(max(lost), abs=1e-6))
    assert second.kib < first.kib and second.parity_db < first.parity_db and min(first.step_us, second.step_us) > 0
    assert [line.split()[0] for line in table("title", [first, second]).text().splitlines()[2:]] == ["a", "b"]
