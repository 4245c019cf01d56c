"""The parity gate: an exported model computes what the network computes, on a real mixture, or it is not written.

Three ways of computing the same sources are compared: the network over the whole mixture, the network block by block,
and the exported model behind the runtime that will run it. Where the weights of a .tflite are known by name they are
compared one by one too, see `quantization.weights`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch

from edge_sdk import Separator
from edge_sdk.audio.wav import read_wav
from edge_sdk.contract import Manifest, from_plain
from edge_sdk.errors import ParityError
from models.evaluation.scores import Separate
from models.network import Network
from quantization.artifact import PARITY, Artifact
from quantization.recipes import floor_db
from quantization.weights import check_weights

STEP_FLOOR_DB = 100.0  # whole against block by block: the same float32 arithmetic in another order


@dataclass(frozen=True)
class Parity:
    """Signal-to-difference ratios in dB against the network over the whole mixture."""

    step_db: float
    model_db: float
    floor_db: float
    mixture: str


def check(network: Network, artifact: Artifact, mixture: Path | None = None) -> Parity:
    """How close the model comes to its network; `ParityError` where that is below the floor of its recipe."""
    parity = compare(network, artifact.manifest, Separator(artifact.bundle).separate, mixture)
    check_weights(network, artifact)
    return parity


def compare(network: Network, manifest: Manifest, separate: Separate, mixture: Path | None = None) -> Parity:
    """The gate for any runtime: `separate` gives the sources of a mixture, aligned with it, as the model makes them."""
    samples, name = load_mixture(mixture, network)
    whole = run_whole(network, samples)
    step_db = difference_db(whole, run_steps(network, samples, manifest.frames_per_step))
    model_db = difference_db(whole[:, network.delay :], separate(samples)[:, : -network.delay or None])
    floor = floor_db(manifest.recipe)
    parity = Parity(round(step_db, 1), round(model_db, 1), floor, name)
    if not step_db >= STEP_FLOOR_DB:  # written so that NaN fails too
        raise ParityError(
            f"{manifest.name}: the network block by block is {step_db:.1f} dB from the network over the whole "
            f"of {name}, at least {STEP_FLOOR_DB:.0f} dB expected; one of its layers does not stream"
        )
    if not model_db >= floor:
        raise ParityError(
            f"{manifest.name} ({manifest.recipe}): {model_db:.1f} dB from its network on {name}, at "
            f"least {floor:.0f} dB expected; nothing was written. Check that the checkpoint is the one it came from"
        )
    return parity


def recorded(artifact: Artifact, parity: Parity) -> Artifact:
    """The artifact with what the gate found in its manifest."""
    m = artifact.manifest
    return replace(artifact, manifest=replace(m, provenance={**m.provenance, PARITY: asdict(parity)}))


def on_record(manifest: Manifest) -> Parity | None:
    """What the gate found, as a manifest says; None where it says nothing of it that can be read."""
    try:
        return from_plain(Parity, manifest.provenance.get(PARITY))
    except ValueError:
        return None


def load_mixture(path: Path | None, network: Network) -> tuple[np.ndarray, str]:
    """A mixture at the network's rate, `[mics, n]`: the given file, or the one that comes with the package.

    That one is mono; for several microphones it is spread over them.
    """
    rate = network.config.sample_rate
    if path is not None:
        return read_wav(path, rate, network.mics)[0], path.name
    with as_file(files("quantization") / "assets" / "mixture.flac") as shipped:
        return over_microphones(read_wav(shipped, rate, 1)[0], network.mics), shipped.name


def over_microphones(mixture: np.ndarray, mics: int) -> np.ndarray:
    """A mono mixture `[1, n]` as a small array might hear it, `[mics, n]`, float32, the same every time.

    From one microphone to the next it arrives a sample later, up to three, and half a decibel weaker; 10 ms after it
    comes an echo from the other side, 6 dB down; noise of its own in every microphone lies 50 dB below the mixture.
    That is enough for every microphone, pair and bin to count in the output.
    """
    if mics == 1:
        return mixture
    rng, samples, echo = np.random.default_rng(0), mixture.shape[1], 160
    padded = np.pad(mixture[0], (echo + 3, 0))
    heard = []
    for mic in range(mics):
        late = mic % 4
        direct, reflected = (padded[echo + 3 - by :][:samples] for by in (late, echo + 3 - late))
        noise = np.sqrt(np.mean(mixture**2)) * 10 ** (-50 / 20) * rng.standard_normal(samples)
        heard.append(10 ** (-0.5 * mic / 20) * (direct + 0.5 * reflected) + noise)
    return np.stack(heard).astype(np.float32)


@torch.no_grad()
def run_whole(network: Network, samples: np.ndarray) -> np.ndarray:
    """The network's output stream over the whole mixture, `[S, n]`."""
    out: np.ndarray = network(torch.from_numpy(samples)[None])[0].numpy()
    return out


@torch.no_grad()
def run_steps(network: Network, samples: np.ndarray, frames_per_step: int) -> np.ndarray:
    """The network's output stream block by block, `[S, n]`."""
    hop, state, out = network.hop, network.init_state(1), []
    padded = np.pad(samples, ((0, 0), (0, -samples.shape[1] % (hop * frames_per_step))))
    for block in torch.from_numpy(padded)[None].split(hop * frames_per_step, dim=-1):
        y, state = network.step(block, state)
        out.append(y)
    return torch.cat(out, dim=-1)[0, :, : samples.shape[1]].numpy()


def difference_db(reference: np.ndarray, other: np.ndarray) -> float:
    """Energy of the reference over the energy of the difference, in dB."""
    reference, other = reference.astype(np.float64), other.astype(np.float64)
    return float(10 * np.log10((np.sum(reference**2) + 1e-20) / (np.sum((reference - other) ** 2) + 1e-20)))
