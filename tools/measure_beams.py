"""SI-SDR improvement of spatial filters that masks steer, in simulated rooms, beside batch filters with ideal masks.

    python -m tools.measure_beams [--data DIR] [--array NAME ...] [--beam NAME ...] [--mixtures N]

Talkers in noise, and two talkers with noise 15 to 25 dB below them. Ideal masks are those of a network that gives the
targets; of a real one, `--model` (for one talker) and `--separator` (for two) give masks: a model for one microphone
runs on the reference microphone, or one for the array. Online is the stream of `edge-sdk separate --beam`, batch the
same filter with statistics of the whole mixture. Scored is what comes after two seconds; online should be within 1.5 dB
of batch then; what is not is marked with `!` and makes the exit code 1. Recordings are those of `--data`, which has
`dev/speech` and `dev/noise`, or the few of `examples/audio`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_sdk import Separator
from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.beamforming.beamformer import SpatialFilter
from edge_sdk.beamforming.masks import OutputMasks
from edge_sdk.beamforming.named import BEAMS, OWN, beamformer
from edge_sdk.beamforming.neural import NeuralBeamformer
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.errors import EdgeError
from models.data.corpus import Corpus
from models.data.example import Example
from models.evaluation import oracles
from models.evaluation.metrics import assign, si_sdr
from tools.beam_mixtures import RATE, mixtures, recordings

SETTLED = 2 * RATE  # samples after which filters must know enough
WITHIN_DB = 1.5
FILTERED = ("mvdr", "mwf")  # beams that are measured with the post-filter, too
ALL = 1 - 1e-6  # forgets nothing in a mixture


class Known:
    """A network that gives signals `[S, n]` it was told, without delay, whatever the one microphone hears."""

    mics, delay, block = 1, 0, 1

    def __init__(self, signals: np.ndarray) -> None:
        self.signals, self.sources = signals, len(signals)
        self.reset()

    def reset(self) -> None:
        self._at = 0

    def process(self, x: np.ndarray) -> np.ndarray:
        begin, self._at = self._at, self._at + x.shape[1]
        known = self.signals[:, begin : self._at]
        return np.pad(known, [(0, 0), (0, x.shape[1] - known.shape[1])])


def improvement_db(outputs: np.ndarray, example: Example, reference: int) -> float:
    """Of the mean talker, once filters have settled, for the best assignment of outputs."""
    late = slice(SETTLED, min(outputs.shape[1], example.sources.shape[1]))
    sources, heard = example.sources[:, late], example.mixture[reference, late]
    chosen = outputs[:, late][assign(outputs[:, late], sources)]
    return float(np.nanmean(si_sdr(chosen, sources) - si_sdr(heard, sources)))


def batch(stream: NeuralBeamformer, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A filter with the statistics of the whole mixture `[M, n]`, which it hears twice."""
    config = stream.config
    count = x.shape[1] // config.stft.hop * config.stft.hop
    masks = OutputMasks(config.stft, len(outputs)).push(outputs[:, :count], x[config.reference, :count])
    spatial = SpatialFilter(replace(config, forget=ALL), stream.filter.design)
    spatial.process(x[:, :count], masks)
    return spatial.process(x)[:, spatial.delay :]


def methods(beams: list[str], talkers: int) -> dict[str, tuple[str, PostFilterConfig | None]]:
    """Beam and post-filter of every row."""
    chosen = [beam for beam in beams if talkers > 1 or beam != "lcmv"]  # for one talker lcmv is mvdr
    plain: dict[str, tuple[str, PostFilterConfig | None]] = {beam: (beam, None) for beam in chosen}
    filtered = [*(beam for beam in chosen if beam in FILTERED), OWN]
    return plain | {f"{beam}, post-filter": (beam, PostFilterConfig()) for beam in filtered}


def again(examples: list[Example], array: MicArray, beam: str, model: Separator, second: Separator) -> list[np.ndarray]:
    """What a beam gives that the network steers after it has listened to a beam (DeepBeam)."""
    stream = beamformer(model, RATE, array, beam, again=second)
    return [stream.separate(e.mixture) for e in examples]


def measure(examples: list[Example], array: MicArray, talkers: int, beams: list[str], bundle: str | None) -> bool:
    """Print a table as it is measured; whether online is near batch everywhere."""
    model = None if bundle is None else checked_model(bundle, talkers, array)
    reference = array.reference
    first = [reference, *(mic for mic in range(array.mics) if mic != reference)]

    def mean(outputs: Iterable[np.ndarray]) -> float:
        gains = [improvement_db(y, e, reference) for y, e in zip(outputs, examples, strict=True)]
        return float(np.mean(gains))

    def row(name: str, *numbers: float | None, mark: str = "") -> None:
        print(f"{name:32s}" + "".join(f"{'-' if n is None else f'{n:.2f}':>9s}" for n in numbers) + mark, flush=True)

    before = np.mean([np.nanmean(si_sdr(e.mixture[reference, SETTLED:], e.sources[:, SETTLED:])) for e in examples])
    print(
        f"\n{array.name}, {talkers} talker(s), {len(examples)} mixtures of {before:.1f} dB; improvement of SI-SDR in dB"
    )
    print(f"{'':32s}{'ideal':>9s}{'batch':>9s}{'network':>9s}{'batch':>9s}")
    row(
        "ideal mask, no filter",
        None,
        mean(oracles.masked(e.mixture[first], e.sources, RATE, "wiener") for e in examples),
    )
    for name in ("mvdr", "mwf"):
        ceiling = mean(oracles.filtered(e.mixture[first], e.sources, RATE, name) for e in examples)
        row(f"{name}, ideal ratio mask, 32 ms", None, ceiling)
    told = [[Known(e.sources) for e in examples]]
    if model is not None:
        heard = [e.mixture[[reference]] if model.mics == 1 else e.mixture for e in examples]
        told.append([Known(model.separate(x)) for x in heard])
        row("network alone", None, None, mean(known.signals for known in told[1]))
    near = True
    for name, (beam, postfilter) in methods(beams, talkers).items():
        if beam == OWN and model is None:
            continue
        numbers: list[float | None] = []
        far = False
        for networks in told:
            if beam == OWN and networks is told[0]:  # the targets themselves
                numbers += [None, None]
                continue
            streams = [beamformer(known, RATE, array, beam, postfilter=postfilter) for known in networks]
            online, whole = mean(s.separate(e.mixture) for s, e in zip(streams, examples, strict=True)), None
            if postfilter is None:
                trios = zip(streams, networks, examples, strict=True)
                whole = mean(batch(stream, known.signals, e.mixture) for stream, known, e in trios)
                far = far or whole - online > WITHIN_DB
            numbers += [online, whole]
        near = near and not far
        row(name, *numbers, mark="  !" if far else "")
    if bundle is not None and model is not None and (model.mics, model.sources) == (1, 1):
        second = Separator.open(bundle)
        for beam in (beam for beam in beams if beam in FILTERED):
            row(f"{beam}, the network again", None, None, mean(again(examples, array, beam, model, second)))
    return near


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="recordings in dev/speech and dev/noise")
    parser.add_argument("--array", nargs="+", default=["respeaker-4mic", "respeaker-6mic"], metavar="NAME")
    parser.add_argument("--beam", nargs="+", choices=BEAMS, default=list(BEAMS))
    parser.add_argument("--talkers", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument(
        "--model", default="enhance-mono", help="whose masks steer for one talker (default: enhance-mono)"
    )
    parser.add_argument(
        "--separator", metavar="BUNDLE", help="whose masks steer for two talkers (default: ideal ones only)"
    )
    parser.add_argument("--mixtures", type=int, default=8)
    parser.add_argument("--rooms", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a mixture, more than two (default: 6)")
    parser.add_argument("--target", choices=("image", "early"), default="image", help="what counts as the talker")
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    if args.seconds <= SETTLED / RATE:
        parser.error(f"--seconds {args.seconds:g}: expected more than the {SETTLED / RATE:g} that are not scored")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            near = tables(args, recordings(args.data, Path(scratch)))
    except EdgeError as error:
        print(f"measure_beams: {error}", file=sys.stderr)
        return 1
    said = "everywhere" if near else "not where a line is marked with !"
    print(f"\nonline within {WITHIN_DB} dB of batch after {SETTLED / RATE:g} s: {said}")
    return 0 if near else 1


def tables(args: argparse.Namespace, corpora: tuple[Corpus, Corpus]) -> bool:
    """A table for every array and number of talkers; whether online is near batch in all of them."""
    near = True
    for name in args.array:
        array = load_array(name)
        for talkers in args.talkers:
            bundle = args.model if talkers == 1 else args.separator
            near &= measure(mixtures(args, array, talkers, corpora), array, talkers, args.beam, bundle)
    return near


def checked_model(bundle: str, talkers: int, array: MicArray) -> Separator:
    """The model of a bundle; `EdgeError` where it does not fit talkers or array."""
    model = Separator.open(bundle)
    if model.sources != talkers or model.mics not in (1, array.mics):
        raise EdgeError(
            f"{bundle}: {model.sources} sources of {model.mics} microphones, expected {talkers} of 1 or {array.mics}; "
            "give another model"
        )
    return model


if __name__ == "__main__":
    sys.exit(main())
