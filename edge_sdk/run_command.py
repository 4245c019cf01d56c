"""`edge-sdk run`."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from edge_sdk import accelerator_options, beam_options, calibrate_command, trust_option
from edge_sdk.errors import AudioError, EdgeError
from edge_sdk.live.presets import PRESETS
from edge_sdk.stream_options import stream_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_sdk.live.bearings import Bearings
    from edge_sdk.live.reports import Reporter
    from edge_sdk.live.stream import LiveStream
    from edge_sdk.live.tap import Tap

FORMATS = ("S16_LE", "S24_LE", "S24_3LE", "S32_LE", "FLOAT_LE")
PRIORITY = 60
NO_DEVICE = 3  # exit status: whoever starts it again knows that neither model nor options are to blame


def register(commands: Any) -> None:
    """Add `run`."""
    run = commands.add_parser(
        "run",
        help="separate live: from a microphone array to a loudspeaker, until stopped",
        epilog=f"Exit status {NO_DEVICE}: a sound device or file cannot be opened.",
    )
    run.add_argument(
        "--preset", choices=tuple(PRESETS), help="; ".join(f"{k}: {p.purpose}" for k, p in PRESETS.items())
    )
    run.add_argument("--model", metavar="NAME", help="a shipped model, a bundle, or none (default: the preset's)")
    run.add_argument(
        "--smaller", metavar="NAME", action="append", default=[], help="model for when that is too slow (several times)"
    )
    run.add_argument(
        "--look", type=float, metavar="DEG", help="azimuth of a fixed beam for when no model can keep up (with --array)"
    )
    run.add_argument("--isolate", action="store_true", help="run models in processes of their own, which may crash")
    run.add_argument("--backend", default="auto", help="auto, ai-edge-litert, tflite-runtime or tensorflow")
    run.add_argument(
        "--control",
        type=int,
        metavar="FD",
        help="inherited socket that asks for other models (edge-sdk serve has one)",
    )
    trust_option.add_trust(run)

    sound = run.add_argument_group("sound", "devices of ALSA (edge-sdk devices), files (.wav, .raw), or - for pipes")
    sound.add_argument("--capture", required=True, metavar="DEVICE", help="where the microphones are")
    sound.add_argument("--playback", required=True, metavar="DEVICE", help="where the sources go")
    sound.add_argument("--channels", type=int, metavar="N", help="of the playback (default: one for each source)")
    sound.add_argument("--format", choices=FORMATS, default=FORMATS[0], help=f"of samples (default: {FORMATS[0]})")
    sound.add_argument("--period", type=int, metavar="N", help="samples at once (default: the preset's)")
    sound.add_argument("--queue", type=int, metavar="N", help="periods that wait in the playback device")
    sound.add_argument(
        "--one-clock",
        action=argparse.BooleanOptionalAction,
        help="capture and playback count the same seconds (default: if they are one card); resamples where they do not",
    )
    sound.add_argument("--paced", action="store_true", help="let a file take as long as it sounds")

    beam_options.add_beam(run)
    calibrate_command.add_option(run)
    accelerator_options.add_accelerator(run)
    heard = run.add_argument_group("what is heard")
    heard.add_argument("--wet", type=float, default=1.0, metavar="SHARE", help="of the sources; the rest is microphone")
    heard.add_argument("--gain", type=float, default=0.0, metavar="DB", help="of all of it (default: 0)")
    heard.add_argument("--ceiling", type=float, metavar="DB", help="of the limiter, below full scale (default: -6)")
    heard.add_argument("--high-pass", type=float, metavar="HZ", help="cut-off, 0 for none (default: 30)")

    machine = run.add_argument_group("machine")
    machine.add_argument(
        "--priority", type=int, default=PRIORITY, metavar="N", help=f"real-time, 0 for none (default: {PRIORITY})"
    )
    machine.add_argument("--cpu", type=int, action="append", default=[], metavar="N", help="core to run on")

    seen = run.add_argument_group("what is seen")
    seen.add_argument("--json", action="store_true", help="print a line of JSON once a second")
    seen.add_argument("--quiet", action="store_true", help="show nothing while it runs")
    seen.add_argument(
        "--http", type=address, metavar="PORT", help="serve a page with meters and sound (PORT or HOST:PORT)"
    )
    seen.add_argument("--prometheus", type=address, metavar="PORT", help="serve /metrics alone (PORT or HOST:PORT)")
    run.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    run.set_defaults(run=run_live)


def run_live(args: argparse.Namespace) -> int:
    from edge_sdk.live.control import Control
    from edge_sdk.live.log_limit import limited_log
    from edge_sdk.live.notify import service_manager
    from edge_sdk.live.realtime import tidy
    from edge_sdk.live.reports import Reporter
    from edge_sdk.live.stream import LiveStream

    stop = threading.Event()
    with ExitStack() as stack:
        limit = stack.enter_context(limited_log())
        try:
            stream = LiveStream(stream_config(args))
        except ValueError as error:
            raise EdgeError(f"not run ({error}); see edge-sdk run --help") from error
        except AudioError as error:
            print(f"edge-sdk: {error}", file=sys.stderr)
            return NO_DEVICE
        stack.callback(stream.close)
        for line in stream.refused:
            print(f"edge-sdk: {line}; goes on without (edge-sdk doctor says how to allow it)", file=sys.stderr)
        reporter = Reporter(stream.metrics)
        reporter.every(30.0, lambda _: limit.overdue())
        reporter.every(60.0, lambda _: tidy())
        manager = service_manager()
        if manager is not None:
            reporter.every(manager.interval_s, manager)
            stack.callback(manager.close)

        def end_it(*_: object) -> None:
            stop.set()
            if manager is not None:
                manager.stopping()

        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, end_it))
        if args.control is not None:
            stack.enter_context(Control(args.control, stream.swap, stream.config.trust))
        stack.enter_context(reporting(args, stream, reporter))
        end = math.inf if args.seconds is None else args.seconds * stream.sound.rate_hz
        stream.run(lambda: stop.is_set() or stream.metrics.processed >= end)
    return 0


@contextmanager
def reporting(args: argparse.Namespace, stream: LiveStream, reporter: Reporter) -> Iterator[None]:
    """Everybody who wants to know is told, in a thread, as long as this lasts."""
    from edge_sdk.live.reports import JsonLines
    from edge_sdk.live.server import LocalServer
    from edge_sdk.live.view import terminal_view
    from edge_sdk.live.web import metrics_routes, page_routes

    with ExitStack() as stack:
        if args.json:
            reporter.every(1.0, JsonLines(sys.stdout))
        elif not args.quiet:
            reporter.every(*stack.enter_context(terminal_view(sys.stderr)))
        if stream.taps is not None:
            bearings = bearings_beside(stream, stream.taps[0])
            if bearings is not None:
                stack.enter_context(bearings)
            routes = page_routes(lambda: reporter.latest, *stream.taps, stream.sound.rate_hz, bearings)
            server = stack.enter_context(LocalServer(args.http[0], args.http[1], routes))
            print(f"edge-sdk: {server.url}", file=sys.stderr)
        if args.prometheus is not None:
            routes = metrics_routes(lambda: reporter.latest)
            server = stack.enter_context(LocalServer(args.prometheus[0], args.prometheus[1], routes))
            print(f"edge-sdk: {server.url}metrics", file=sys.stderr)
        stack.enter_context(reporter)
        yield


def bearings_beside(stream: LiveStream, heard: Tap) -> Bearings | None:
    """Who looks where talkers are, for a stream with a beam."""
    from edge_sdk.live.bearings import bearings_of

    array, beam = stream.config.array, stream.config.beam
    if array is None or beam is None:
        return None
    return bearings_of(heard, array, stream.sound.rate_hz, keep=beam.keep, null=beam.null)


def address(text: str) -> tuple[str, int]:
    """Where a server listens."""
    from edge_sdk.live.server import listen_address

    return listen_address(text)
