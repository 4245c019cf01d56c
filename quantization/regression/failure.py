"""The page of a failed gate: what the model lost against its baseline, and its worst clips to hear."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from quantization.comparison import Comparison, Mixture, rows_of
from quantization.comparison_report import write_report
from quantization.page import PAGE
from quantization.regression.baseline import Scores
from quantization.regression.clips import descriptions, open_clips
from quantization.scoring import open_model
from quantization.versions import Version


def write_page(folder: Path, baseline: Scores, now: Scores, model: str, clips: Path) -> Path:
    """The page in a folder, written over an earlier one. Of the baseline nothing is left to hear, only its scores."""
    versions = [
        Version(f"{baseline.model.name}, baseline", baseline.model.recipe),
        Version(f"{now.model.name}, now", now.model.recipe, open_model(model, "auto")),
    ]
    about = descriptions(clips)
    found = Comparison(
        now.set.name,
        now.set.sha256,
        tuple(Mixture(name, about.get(name, "")) for name in now.clips),
        rows_of(versions, [[scores.clips[name] for name in now.clips] for scores in (baseline, now)]),
        date=date.today().isoformat(),
    )
    examples = open_clips(clips, now.model.sample_rate)
    write_report(folder, found, versions, examples, option="edge_sdk_report", program="pytest")
    return folder / PAGE
