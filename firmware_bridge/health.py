"""Whether a new bundle has proved itself: a verdict from the reports of the stream that runs it.

Reports are the lines that `edge-sdk run --json` prints, a line a second. Time is the stream's own, so that lines that
were kept in a file are judged like live ones; only silence is measured on our clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from edge_sdk.contract import from_plain, parse_json
from edge_sdk.errors import EdgeError


class HealthError(EdgeError):
    """The health of a bundle cannot be judged; nothing has changed."""


@dataclass(frozen=True)
class HealthConfig:
    """watch_s: of sound without a fault, until a bundle is good. slowest: the 99th percentile of the time per block, in
    durations of a block. xruns: times that the sound card may lose samples, run dry or be opened again meanwhile.
    silent_s: without a report, or with reports but no sound; start_s: until the first report.
    """

    watch_s: float = 60.0
    slowest: float = 0.5
    xruns: int = 3
    silent_s: float = 5.0
    start_s: float = 60.0

    def __post_init__(self) -> None:
        if not (self.watch_s > 0 and self.slowest > 0 and self.xruns >= 0 and self.silent_s > 0 and self.start_s > 0):
            raise ValueError(f"{self}: expected times and a share above 0, and 0 xruns or more")


@dataclass(frozen=True)
class Reading:
    """What a report says that matters here (edge_sdk.live.metrics): counts since the stream began; fallbacks and times
    since its present model did, the one after so many swaps."""

    uptime_s: float
    rate_hz: int
    block: int
    processed: int
    overruns: int
    underruns: int
    reopened: int
    rung: int
    rungs: tuple[str, ...]
    fallbacks: dict[str, int]
    step_p99_s: float
    swaps: int = 0

    def __post_init__(self) -> None:
        if not (self.rate_hz > 0 and self.block > 0 and 0 <= self.uptime_s < math.inf):
            raise ValueError(
                f"{self.block} samples at {self.rate_hz} Hz after {self.uptime_s} s: expected a stream that runs"
            )

    @property
    def xruns(self) -> int:
        return self.overruns + self.underruns + self.reopened


def reading_from_line(line: bytes) -> Reading:
    """The reading in a line of JSON; `HealthError` where it is none."""
    try:
        plain = parse_json(line)
        stream = plain["stream"] if isinstance(plain, dict) and isinstance(plain.get("stream"), dict) else {}
        known = {field.name for field in fields(Reading)}
        return from_plain(Reading, {name: value for name, value in stream.items() if name in known})
    except ValueError as error:
        raise HealthError(f"not a report ({error}); give the lines that edge-sdk run --json prints") from error


@dataclass(frozen=True)
class Verdict:
    """Whether a bundle is good, and why not or for how long it was watched."""

    healthy: bool
    reason: str


class Watch:
    """The verdict on a stream, from its readings. model: by which name its ladder begins, that of the new bundle;
    began_s: now, as all times here in seconds of one clock."""

    def __init__(self, config: HealthConfig, model: str, began_s: float) -> None:
        self.config, self.model = config, model
        self._first: Reading | None = None
        self._last: Reading | None = None
        self._heard_s = self._moved_s = began_s
        self._fault: str | None = None

    def observe(self, reading: Reading, now_s: float) -> None:
        """Take the next report. `HealthError` for a stream that runs something else."""
        if not reading.rungs or reading.rungs[0].partition("+")[0] != self.model:
            runs = reading.rungs[0] if reading.rungs else "nothing"
            raise HealthError(f"the stream runs {runs}, the bundle is {self.model}; watch the stream that runs it")
        if self._first is None:
            self._first = reading
            self._moved_s = now_s
        if self._last is not None and reading.uptime_s < self._last.uptime_s:
            self._fault = self._fault or "the stream began anew while it was watched"
        if self._last is None or reading.processed > self._last.processed:
            self._moved_s = now_s
        self._heard_s, self._last = now_s, reading
        self._fault = self._fault or self._seen(self._first, reading)

    def verdict(self, now_s: float) -> Verdict | None:
        """What is known by now; None while there is more to see."""
        config = self.config
        if self._first is None or self._last is None:
            silent = now_s - self._heard_s > config.start_s
            return Verdict(False, f"no report within {config.start_s:g} s of its start") if silent else None
        if self._fault is not None:
            return Verdict(False, self._fault)
        watched_s = self._last.uptime_s - self._first.uptime_s
        if watched_s >= config.watch_s:
            return self._final(self._first, self._last)
        if now_s - self._heard_s > config.silent_s:
            return Verdict(False, f"no report for {config.silent_s:g} s, after {watched_s:.1f} s")
        if now_s - self._moved_s > config.silent_s:
            return Verdict(False, f"no sound went through for {config.silent_s:g} s, after {watched_s:.1f} s")
        return None

    def ended(self) -> Verdict:
        """What is known when there will be no more reports."""
        if self._first is None or self._last is None:
            raise HealthError("no report came; give the lines that edge-sdk run --json prints")
        watched_s = self._last.uptime_s - self._first.uptime_s
        if self._fault is None and watched_s >= self.config.watch_s:
            return self._final(self._first, self._last)
        return Verdict(False, self._fault or f"it ended after {watched_s:.1f} s of {self.config.watch_s:g} s")

    def _seen(self, first: Reading, last: Reading) -> str | None:
        """What is wrong whatever comes next."""
        for why, what in (("bad", "was not finite or no sound"), ("dead", "was missing, its model had failed")):
            if count := last.fallbacks.get(why, 0):
                return f"the output of {count} blocks {what}"
        if last.rung:
            return f"{last.rungs[last.rung] if last.rung < len(last.rungs) else last.rung} runs in its place"
        if (xruns := last.xruns - first.xruns) > self.config.xruns:
            return f"the sound card lost samples or ran dry {xruns} times, allowed {self.config.xruns}"
        return None

    def _final(self, first: Reading, last: Reading) -> Verdict:
        """The verdict when the time is over: what needs many blocks to be known."""
        watched_s = last.uptime_s - first.uptime_s
        block_s = last.block / last.rate_hz
        if last.step_p99_s >= self.config.slowest * block_s:
            times = f"{1e3 * last.step_p99_s:.2f} ms for blocks of {1e3 * block_s:g} ms"
            return Verdict(False, f"99 % of the blocks take up to {times}, allowed {self.config.slowest:g} of that")
        if last.processed - first.processed < 0.9 * watched_s * last.rate_hz:
            heard_s = (last.processed - first.processed) / last.rate_hz
            return Verdict(False, f"{heard_s:.1f} s of sound went through in {watched_s:.1f} s")
        return Verdict(True, f"{watched_s:.1f} s without a fault")
