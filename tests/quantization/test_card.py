"""Cards and the README's table show what the manifests hold, and nothing where they hold too little."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from edge_sdk.contract import Manifest
from edge_sdk.errors import EdgeError
from quantization.artifact import Artifact
from quantization.card import card, plot_of, replace_measured, results_table

QUALITY = {
    **{
        "mixtures": 60,
        "set": "x.toml",
        "machine": "x86_64",
        "date": "2026-11-21",
        "stoi": 0.8304,
        "stoi_mixture": 0.799,
    },
    **{"si_sdr": 9.368, "si_sdr_mixture": 3.889, "si_sdr_improvement": 5.479},
    **{"si_sdr_improvement_low": 4.792, "si_sdr_improvement_high": 6.163},
}


@pytest.fixture
def manifest(exported: Artifact) -> Manifest:
    return replace(exported.manifest, quality=QUALITY, provenance={"recipe": "x", "hours_seen": 50.04})


def test_a_row_for_the_mixtures_and_one_for_every_bundle(manifest: Manifest) -> None:
    rows = results_table([manifest, replace(manifest, recipe="float16")]).splitlines()
    assert rows[2] == "| noisy |  | 3.89 | 0.799 |  |"
    size = f"{manifest.size / 1e6:.2f}"
    assert rows[3] == f"| float32 | {size} | 9.37 | 0.830 | 5.48 (4.8 to 6.2) |"
    assert rows[4] == rows[3].replace("float32", "float16")
    assert "PESQ" not in rows[0]
    assert "60 mixtures" in rows[-1]


def test_a_card_holds_the_notes_and_the_origin(manifest: Manifest) -> None:
    page = card([manifest], "\nSome words.\n")
    assert page.startswith("# tiny\n\nSome words.\n")
    assert "recipe x, 50 hours of mixtures seen" in page


def test_an_evaluation_adds_its_tables_and_a_plot(manifest: Manifest) -> None:
    evaluation = {
        "against": {"snr_db": [{"from": 0, "to": 5, "count": 2, **QUALITY}]},
        "worst": [
            {"index": 7, "si_sdr_mixture": 1.0, "si_sdr": 2.0, "si_sdr_improvement": 1.0, "about": {"snr_db": 1.2}}
        ],
        "probes": {"clean": 24.2},
        "clips": [{"about": {"snr_db": at}, "si_sdr_improvement": gain} for at, gain in ((1.2, 1.0), (4.0, 6.0))],
    }
    page = card([manifest], "Some words.", evaluation, "tiny-snr.svg")
    assert "](tiny-snr.svg)" in page
    assert (
        "\n\n| input SNR, dB | mixtures | improvement, dB (95 %) |\n| --- | --- | --- |\n| 0 to 5 | 2 | +5.48 (" in page
    )
    assert "| 7: SNR 1 dB | 1.0 | 2.0 | 1.0 |" in page
    assert "| talkers alone: mean SI-SDR | 24.2 |" in page
    end, drawing = plot_of(evaluation, 1)
    assert end == "snr" and ElementTree.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_card_of_several_talkers_shows_angles_levels_and_how_often_they_swap(manifest: Manifest) -> None:
    axes = {"between_talkers_db": [[-3.0], [1.5]], "angle_deg": [40.0, 90.0], "snr_db": [10.0, 20.0]}
    evaluation = {
        "against": {axis: [{"from": 0, "to": 100, "count": 2, **QUALITY}] for axis in ("snr_db", *axes)},
        "worst": [],
        "clips": [
            {"about": {axis: values[n] for axis, values in axes.items()}, "si_sdr_improvement": gain}
            for n, gain in enumerate((1.0, 6.0))
        ],
    }
    two = replace(manifest, sources=2)
    minutes = {**QUALITY, "mixtures": 20, "set": "long.toml", "swap_rate": 0.0312}
    page = card([two], "Some words.", evaluation, "tiny-angle.svg", minutes)
    assert "by angle between talkers, degrees](tiny-angle.svg)" in page and "| mixture |" in page
    titles = ["By angle between talkers", "By level difference of talkers", "By input SNR"]
    assert sorted(titles, key=page.index) == titles
    assert "On 20 mixtures of a minute (long.toml) the improvement is 5.48 dB (4.8 to 6.2), and in 3.1% of" in page
    assert plot_of(evaluation, 2)[0] == "angle"
    del evaluation["against"]["angle_deg"]
    assert plot_of(evaluation, 2)[0] == "level"


def test_quality_that_lacks_a_figure_is_refused_by_name(manifest: Manifest) -> None:
    short = {key: value for key, value in QUALITY.items() if key not in ("date", "si_sdr")}
    with pytest.raises(EdgeError, match="its quality lacks date, si_sdr;"):
        results_table([replace(manifest, quality=short)])


@pytest.mark.parametrize(
    "page",
    [
        "",
        "<!-- measured tiny: begin -->",
        "<!-- measured other: begin --><!-- measured other: end -->",
        "<!-- measured tiny: begin -->" * 2 + "<!-- measured tiny: end -->",
    ],
)
def test_a_page_without_its_two_markers_is_refused(page: str) -> None:
    with pytest.raises(EdgeError, match="expected one"):
        replace_measured(page, "table", "tiny", "README.md")


def test_a_page_gets_the_results_of_each_model_in_its_own_place() -> None:
    page = "a\n" + "".join(
        f"<!-- measured {n}: begin -->\nold {n}\n<!-- measured {n}: end -->\n" for n in ("one", "two")
    )
    assert replace_measured(page, "new", "two", "README.md") == page.replace("old two", "new")
