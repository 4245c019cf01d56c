"""The pytest plugin of edge-sdk: a test that fails when a model got worse.

    from quantization.regression import Budget

    def test_the_model_is_as_good_as_its_baseline(assert_within):
        assert_within(Budget(mean_db=0.15, worst_db=0.5))

What is tested stands in the ini file, on the command line, or in fixtures of the same names in a conftest.py:

    quantized_model    edge_sdk_model, --edge-sdk-model=: a checkpoint, a .tflite, a bundle, or a shipped model's name
    evaluation_set     edge_sdk_set, --edge-sdk-set=: the folder of a frozen set, or of mixtures/ and sources/
    edge_sdk_baselines the folder of the baselines (default: baselines), one NAME.json per model
    edge_sdk_report    the folder in which a test that fails writes a page to hear what got worse (default:
                       edge-sdk-report), or a page to point to instead: an address, or a file that ends in .html

`pytest --update-baseline` writes the baselines instead of comparing with them. Nothing but pytest and the standard
library is imported before one of the fixtures is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from edge_sdk.errors import EdgeError
from quantization.regression.budget import Budget
from quantization.regression.names import hidden, hiding

if TYPE_CHECKING:
    from quantization.regression.baseline import Scores
    from quantization.regression.verdict import Verdict

NOTE = "edge_sdk"  # key of what a gate found among a test's properties, which reach the summary from workers too


class AssertWithin(Protocol):
    """Fails the test where the model lost more than the budget against the baseline of its name."""

    def __call__(self, budget: Budget | None = None, name: str | None = None) -> None: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edge-sdk", "quality of models (edge-sdk)")
    # Written with "=": pytest takes a path that stands alone for a folder of tests, and looks for its ini file there.
    group.addoption("--edge-sdk-model", metavar="MODEL", help="--edge-sdk-model=checkpoint, .tflite, bundle or name")
    group.addoption("--edge-sdk-set", metavar="DIR", help="--edge-sdk-set=frozen set, or mixtures/ and sources/")
    group.addoption("--update-baseline", action="store_true", help="write the baselines of models instead of comparing")
    parser.addini("edge_sdk_model", "checkpoint, .tflite, bundle or shipped name that quantized_model gives")
    parser.addini("edge_sdk_set", "folder of the clips that evaluation_set gives")
    parser.addini("edge_sdk_baselines", "folder of the baselines", default="baselines")
    parser.addini(
        "edge_sdk_report", "folder for the pages of failures, or a page to point to", default="edge-sdk-report"
    )


def pytest_configure(config: pytest.Config) -> None:
    if said := hidden(config.rootpath, config.rootpath / "src"):
        config.issue_config_time_warning(pytest.PytestConfigWarning(f"edge-sdk: {said}"), stacklevel=2)


@pytest.fixture(scope="session")
def quantized_model(pytestconfig: pytest.Config) -> str:
    """The model under test. Override it to make or to choose one."""
    return configured(pytestconfig, "edge_sdk_model")


@pytest.fixture(scope="session")
def evaluation_set(pytestconfig: pytest.Config) -> Path:
    """The folder of the clips."""
    return Path(configured(pytestconfig, "edge_sdk_set"))


@pytest.fixture
def assert_within(request: pytest.FixtureRequest, quantized_model: Any, evaluation_set: Any) -> AssertWithin:
    """The gate, a function of a budget (by default `Budget()`) and, where it is not the model's own, a name.

    Models of one name are compared: a float32 model's baseline with what was quantized from it, for one.
    """
    config, model, clips = request.config, str(quantized_model), Path(evaluation_set)

    def gate(budget: Budget | None = None, name: str | None = None) -> None:
        with one_line_each():
            from quantization.regression.clips import score_clips

            scores = score_clips(model, clips, name)
            path = config.rootpath / config.getini("edge_sdk_baselines") / f"{scores.model.name}.json"
            if config.getoption("--update-baseline"):
                said = update(path, scores)
            else:
                said, failure = compare(path, scores, budget or Budget(), model, clips, config)
                if failure:
                    pytest.fail(failure, pytrace=False)
        request.node.user_properties.append((NOTE, said))

    return gate


def configured(config: pytest.Config, name: str) -> str:
    """What the command line says, or else the ini file: a path below where that is, or a name that is no path there."""
    option = "--" + name.replace("_", "-")
    for given, folder in (
        (config.getoption(option), config.invocation_params.dir),
        (config.getini(name), config.rootpath),
    ):
        if given:
            return str(folder / given) if (folder / given).exists() else str(given)
    pytest.fail(f"edge-sdk: not told what to test; set {name} in the ini file or give {option}", pytrace=False)


def update(path: Path, scores: Scores) -> str:
    """Write the baseline; what happened."""
    from quantization.regression.baseline import write_baseline
    from quantization.regression.verdict import judge

    judge(scores.clips, scores.clips, Budget())  # refuses what no later run could be compared with
    write_baseline(path, scores)
    return f"{scores.model.name}: {path} written, mean {scores.mean_db:.3f} dB over {len(scores.clips)} clips"


def compare(
    path: Path, scores: Scores, budget: Budget, model: str, clips: Path, config: pytest.Config
) -> tuple[str, str | None]:
    """What the gate found in a line, and where the model lost too much, all of it."""
    from quantization.regression.baseline import check_same, read_baseline
    from quantization.regression.clips import descriptions
    from quantization.regression.verdict import judge

    baseline = read_baseline(path)
    check_same(path, baseline, scores)
    verdict = judge(baseline.clips, scores.clips, budget)
    said = f"{scores.model.name}: {in_short(verdict)}"
    if verdict.passed:
        return said, None
    lines = [said, "", losses_table(verdict, descriptions(clips)), ""]
    lines += [f"report: {report}"] if (report := report_of(baseline, scores, model, clips, config)) else []
    lines.append(f"where this is wanted: pytest --update-baseline, then review and commit {path}")
    return said, "\n".join(lines)


def in_short(verdict: Verdict) -> str:
    """The verdict in a line."""
    worst, budget = verdict.losses[0], verdict.budget
    over = (", EXCEEDED" if exceeded else "" for exceeded in (verdict.mean_exceeds, verdict.ruined))
    between = f"95 %: {verdict.low_db:+.3f} to {verdict.high_db:+.3f}"
    return (
        f"mean loss {verdict.mean_db:+.3f} dB ({between}; {budget.mean_db:g} allowed{next(over)}), "
        f"worst clip {worst.db:+.3f} dB ({budget.worst_db:g} allowed{next(over)}), {len(verdict.losses)} clips"
    )


def losses_table(verdict: Verdict, about: dict[str, str]) -> str:
    """The clips that got worse, the worst first; those that lost more than any may are marked."""
    from quantization.tables import Table

    shown = [loss for loss in verdict.losses if loss.db > 0]
    rows = [
        (
            f"{loss.clip}: {about[loss.clip]}" if loss.clip in about else loss.clip,
            *(f"{value:.3f}" for value in (loss.before_db, loss.now_db, loss.db)),
            "!" if loss in verdict.ruined else "",
        )
        for loss in shown
    ]
    return Table("clips that got worse", ("clip", "baseline, dB", "now, dB", "lost, dB", ""), tuple(rows)).text()


def report_of(baseline: Scores, now: Scores, model: str, clips: Path, config: pytest.Config) -> str | None:
    """Where a failure can be looked into: a page written now, or that of `edge_sdk_report`, a file if it is there."""
    where = str(config.getini("edge_sdk_report"))
    if where.startswith(("http://", "https://")):
        return where
    if not where or where.endswith(".html"):
        return str(config.rootpath / where) if where and (config.rootpath / where).is_file() else None
    try:
        from quantization.regression.failure import write_page

        return str(write_page(config.rootpath / where / now.model.name, baseline, now, model, clips))
    except (EdgeError, ImportError) as error:  # the verdict counts, whatever becomes of the page
        return f"not written ({error})"


@contextmanager
def one_line_each() -> Iterator[None]:
    """What is wrong with files is one line, not a traceback."""
    try:
        yield
    except EdgeError as error:
        pytest.fail(f"edge-sdk: {error}", pytrace=False)
    except ImportError as error:
        why = hiding(error.name) or f"a gate needs pip install 'edge-sdk[device,train]' ({error})"
        pytest.fail(f"edge-sdk: {why}", pytrace=False)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What every gate that passed found, also when nothing failed."""
    reports = terminalreporter.getreports("passed")
    said = [text for report in reports for key, text in getattr(report, "user_properties", ()) if key == NOTE]
    if said:
        terminalreporter.section("quality of models")
        for line in said:
            terminalreporter.write_line(line)
