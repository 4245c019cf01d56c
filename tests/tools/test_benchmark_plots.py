"""The plots of benchmark reports show what the rows say, the quickest first."""

import re

from edge_sdk.bench_report import Report, Row, this_machine
from tools.benchmark.page import page
from tools.benchmark.plots import plots, sizes


def report(*rows: Row) -> Report:
    return Report(this_machine("desk"), rows)


ALTERNATIVES = [
    Row("alternatives", "net, 1 frame", variant, measure, value, "us")
    for variant, values in {"torch": (8018.4, 9000.0), "edge-sdk, dynamic_int8": (33.09, 40.0)}.items()
    for measure, value in zip(("p50", "p99"), values, strict=True)
]
SCALE = [Row("scale", f"{n} blocks", "dynamic_int8", "p50", 10.0 * n, "us") for n in (12, 6)]
PRESETS = [Row("presets", "small", "dynamic_int8, 1 frame", "real-time factor", 0.02)]


def test_every_kind_of_figure_has_its_plot_and_the_page_shows_them() -> None:
    made = report(*ALTERNATIVES, *SCALE, *PRESETS)
    titles = [title for title, _ in plots(made)]
    assert titles == [
        "Time of a block: net, 1 frame",
        "Time against size",
        "Real-time factor of every preset on one core",
    ]
    html = page([made], ["a.json"])
    assert html.count("<svg") == 3 and all(f"<h2>{title}</h2>" in html for title in titles)
    assert plots(report(Row("models", "net", "int8", "p50", 1.0, "us"))) == []


def test_bars_are_the_medians_with_the_quickest_on_top() -> None:
    ((_, drawing),) = plots(report(*ALTERNATIVES))
    texts = re.findall(r">([^<>]+)</text>", drawing)
    assert "33.1" in texts and "8,018" in texts and "9,000" not in texts
    assert texts.index("edge-sdk, dynamic_int8") < texts.index("torch")


def test_sizes_are_in_order_and_one_alone_is_no_line() -> None:
    lone = Row("scale", "4 sources", "dynamic_int8", "p50", 1.0, "us")
    assert sizes(report(*SCALE, lone)) == {"blocks": [(6, 60.0), (12, 120.0)]}
