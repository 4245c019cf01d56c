"""The page that compares versions in a real browser: its players, keys and looks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser import CHROMIUM, WITHOUT, Browser, browser
from tests.quantization.comparison import HEARD, SOUNDS

SWITCH_S = 0.005  # by which a position may be off when a version is switched: a millisecond, and what a page takes


@pytest.fixture(scope="module")
def shown(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page in a browser, opened from disk."""
    with browser(tmp_path_factory.mktemp("browser")) as page:
        page.open(report / "index.html")
        yield page


# A script for the page: the loudest sample of each voice of a player, as it comes through its gain after the fade.
LEVELS = """(async player => {
  const wait = ms => new Promise(done => setTimeout(done, ms));
  await wait(50);
  const ears = player.voices.map(({gain}) => {
    const ear = context.createAnalyser();
    gain.connect(ear);
    return ear;
  });
  const loudest = ears.map(() => 0), wave = new Float32Array(2048);
  for (let n = 0; n < 8; n++) {
    await wait(40);
    ears.forEach((ear, number) => {
      ear.getFloatTimeDomainData(wave);
      loudest[number] = Math.max(loudest[number], ...wave.map(Math.abs));
    });
  }
  return loudest;
})"""
WAIT = "new Promise(done => setTimeout(done, {}))"


@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
class TestInABrowser:
    def test_the_page_opens_from_disk_and_asks_nobody(self, shown: Browser, report: Path) -> None:
        assert shown.run("[...document.images].every(i => i.naturalWidth > 0)")
        assert shown.run("players.length") == HEARD
        assert shown.requests == [(report / "index.html").as_uri()]
        assert shown.complaints == []

    @pytest.mark.parametrize("width", [360, 1200])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_the_page_fits_and_its_drawings_are_seen(
        self, shown: Browser, width: int, scheme: str, tmp_path: Path
    ) -> None:
        shown.picture(tmp_path / "page.png", width, prefers_color_scheme=scheme)
        assert shown.run("document.documentElement.scrollWidth <= innerWidth")
        assert shown.run("[...document.querySelectorAll('svg')].every(s => s.getBoundingClientRect().height > 50)")
        ink, ground = (shown.run(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
        bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, ground)]
        assert (bright[0] > bright[1]) == (scheme == "dark")

    def test_a_player_plays_and_a_switch_keeps_the_position(self, shown: Browser) -> None:
        """Exactly one version is heard before and after, by the samples that come through."""
        for number in (1, 3, 2):
            shown.run("players[0].pause(), players[0].at = 0, players[0].play()")
            shown.run(WAIT.format(200))
            begun, before, after, clock = shown.run(
                f"(() => {{ const p = players[0], clock = context.currentTime, before = p.position; p.hear({number});"
                "return [p.from, before, p.position, context.currentTime - clock]; })()"
            )
            assert before > begun + 0.05
            assert after - before == pytest.approx(clock, abs=SWITCH_S)
            levels = shown.run(f"{LEVELS}(players[0])")
            assert [level > 1e-3 for level in levels] == [n == number for n in range(SOUNDS)], levels
        shown.run("players[0].pause()")

    def test_all_versions_run_on_one_clock(self, shown: Browser) -> None:
        """Every source of a player was started at the same moment from the same position, with sounds of one length."""
        calls = shown.run(
            "(async () => { const calls = [], start = AudioBufferSourceNode.prototype.start;"
            "AudioBufferSourceNode.prototype.start = function (...at) {"
            "  calls.push([...at, this.buffer.length]); return start.apply(this, at); };"
            "players[1].at = 0.3; await players[1].play(); players[1].pause();"
            "AudioBufferSourceNode.prototype.start = start; return calls; })()"
        )
        assert len(calls) == SOUNDS and all(call == calls[0] for call in calls)
        assert calls[0][1] == pytest.approx(0.3)

    def test_one_mixture_plays_at_a_time_and_stops_at_its_end(self, shown: Browser) -> None:
        shown.run("players[0].play()")
        shown.run("players[1].play()")
        assert shown.run("players.map(p => p.playing)") == [False, True, False]
        shown.run("players[1].seek(players[1].duration - 0.1)")
        shown.run(WAIT.format(600))
        assert not shown.run("players[1].playing")
        assert shown.run("players[1].position") == pytest.approx(shown.run("players[1].duration"))
        assert shown.run("players[1].button.textContent") == "Play"

    def test_keys_switch_and_play_where_the_focus_is(self, shown: Browser) -> None:
        shown.run("document.querySelectorAll('.mixture')[2].focus()")
        for key, place in (("3", 3), ("t", 4), ("0", 0), ("9", 0), ("1", 1)):
            shown.press(key)
            assert shown.run("players[2].heard") == place
            assert shown.run("players[2].radios.map(r => r.checked)") == [n == place for n in range(SOUNDS)]
        shown.press(" ")
        shown.run("players[2].sounds.then(() => " + WAIT.format(100) + ")")
        assert shown.run("players[2].playing")
        shown.press(" ")
        assert not shown.run("players[2].playing")
        assert shown.complaints == []

    def test_without_scripts_every_sound_has_a_player_of_its_own(self, html: str, tmp_path: Path) -> None:
        (tmp_path / "page.html").write_text(re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL))
        with browser(tmp_path) as page:
            page.open(tmp_path / "page.html")
            seen = "e => e.getBoundingClientRect().height > 0"
            assert page.run(f"[...document.querySelectorAll('audio')].every({seen})")
            assert not page.run(f"[...document.querySelectorAll('.transport, .signals input')].some({seen})")
            shown = page.run(
                "(async a => { await a.play();"
                f"await {WAIT.format(300)}; return a.currentTime; }})(document.querySelector('audio'))"
            )
            assert shown > 0.05
