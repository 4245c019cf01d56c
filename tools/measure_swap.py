"""What a change of the model costs a stream that plays: losses of the sound card, and how long the new model takes.

    python tools/measure_swap.py --capture hw:Array --playback hw:1 [--array NAME]
    python tools/measure_swap.py --virtual            # on PulseAudio's null sinks, as the tests have them

Plays the first model for some seconds as a control, then swaps forth and back and counts what was lost, left out or
underrun meanwhile; a restart of the process in its place is silent for as long as `edge-sdk bench` says that opening
takes, and the start of Python.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_sdk.audio.arrays import load_array
from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.realtime import RealtimeConfig
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--capture", default="mics")
    parser.add_argument("--playback", default="speaker")
    parser.add_argument("--array")
    parser.add_argument("--virtual", action="store_true")
    parser.add_argument("--first", default="enhance-mono")
    parser.add_argument("--second", default="enhance-mono-float32")
    parser.add_argument("--swaps", type=int, default=5, help="forth and back")
    parser.add_argument("--quiet-s", type=float, default=10.0, help="of the control, without any swap")
    parser.add_argument("--isolate", action="store_true")
    parser.add_argument("--period", type=int, default=128)
    parser.add_argument("--queue", type=int, default=4)
    parser.add_argument("--priority", type=int, default=60)
    args = parser.parse_args()
    with sound(args.virtual):
        print(json.dumps(measured(args)))


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Losses without swaps and with them, and seconds that each swap took."""
    config = StreamConfig(
        (args.first,),
        args.capture,
        args.playback,
        array=None if args.array is None else load_array(args.array),
        period=args.period,
        queue=args.queue,
        one_clock=args.virtual or None,
        read_ahead=True,
        isolate=args.isolate,
        realtime=RealtimeConfig(args.priority),
    )
    stream, stop, found = LiveStream(config), threading.Event(), {}

    def swap() -> None:
        try:
            found.update(swapped(args, stream))
        finally:
            stop.set()

    thread = threading.Thread(target=swap)
    thread.start()
    stream.run(stop.is_set)
    thread.join()
    stream.close()
    return {"refused": stream.refused, **found}


def swapped(args: argparse.Namespace, stream: LiveStream) -> dict[str, Any]:
    """The control and the swaps, while another thread plays."""
    time.sleep(1.0)  # the first second of a device has losses of its own
    begin = losses(stream.metrics)
    time.sleep(args.quiet_s)
    quiet = losses(stream.metrics)
    second, took = read_bundle(find_model(args.second)), []
    for _ in range(args.swaps):
        for ask in (lambda: stream.swap.load(second), stream.swap.back):
            began = time.monotonic()
            ask()
            took.append(time.monotonic() - began)
            time.sleep(1.0)
    end = losses(stream.metrics)
    return {
        "quiet_s": args.quiet_s,
        "quiet": {name: quiet[name] - begin[name] for name in begin},
        "swaps": len(took),
        "swapping": {name: end[name] - quiet[name] for name in begin},
        "seconds_forth": [round(each, 2) for each in took[::2]],
        "seconds_back": [round(each, 2) for each in took[1::2]],
    }


def losses(metrics: Metrics) -> dict[str, int]:
    """Samples, and times, that anything was missing."""
    names = ("lost", "dropped", "inserted", "overruns", "underruns")
    return {name: int(getattr(metrics, name)) for name in names}


@contextlib.contextmanager
def sound(virtual: bool) -> Iterator[None]:
    """Devices of a test, if wanted."""
    if not virtual:
        yield
        return
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.virtual_audio import pulseaudio

    with pulseaudio(mics=1):
        yield


if __name__ == "__main__":
    main()
