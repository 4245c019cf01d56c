"""Live, as under a sound card: samples come in periods of any size, cleaned ones go out as soon as they are complete.

    arecord -t raw -f S16_LE -r 16000 | python examples/stream_blocks.py | aplay -t raw -f S16_LE -r 16000

Raw 16-bit samples from standard input to standard output; wear headphones, or the loudspeaker feeds the microphone.
"""

import sys

import numpy as np

from edge_sdk import Separator

separator = Separator.open("enhance-mono")
PERIOD = 160  # samples; need not be the model's block: `process` keeps what does not fill one


def write(samples: np.ndarray) -> None:
    sys.stdout.buffer.write((np.clip(samples, -1, 32767 / 32768) * 32768).astype("<i2").tobytes())
    sys.stdout.buffer.flush()


try:
    while raw := sys.stdin.buffer.read(2 * PERIOD):
        period = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(np.float32) / 32768
        write(separator.process(period)[0])  # none to several blocks: every sample that is complete by now
    write(separator.flush()[0])  # what is still inside, as if silence followed
except (BrokenPipeError, KeyboardInterrupt):
    sys.stderr.close()
