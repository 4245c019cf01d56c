"""Two people at a table array of four microphones, each on a track of their own, block by block as from a sound card.

    python examples/array_to_two_talkers.py [RECORDING.wav] [--out FOLDER]

Without a recording it takes `examples/audio/two-talkers-4mic.flac`: a woman and a man who talk at once in a simulated
room. A recording of your own has the four channels of a ReSpeaker 4-mic array (a circle of 4.05 cm radius), at 16 kHz.
The network listens to all four and makes a filter of each for each talker, which it learned in rooms. Needs
`pip install 'edge-sdk[device]'`. As a command, and live: `edge-sdk separate|run --model array4-2spk`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile

from edge_sdk import EdgeError, Separator

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("recording", nargs="?", type=Path, default=Path(__file__).parent / "audio/two-talkers-4mic.flac")
parser.add_argument("--out", type=Path, default=Path(), help="folder for talker-1.wav and talker-2.wav (here)")
args = parser.parse_args()

try:
    network = Separator.open("array4-2spk")
    rate_hz = network.sample_rate
    with soundfile.SoundFile(args.recording) as recording:
        if (recording.samplerate, recording.channels) != (rate_hz, network.mics):
            sys.exit(f"{args.recording}: expected {network.mics} channels at {rate_hz} Hz")
        # Blocks may have any size; this one is the network's. soundfile gives [n, channels].
        blocks = recording.blocks(network.block, dtype="float32", always_2d=True)
        parts = [network.process(block.T) for block in blocks]
    parts.append(network.flush())
    args.out.mkdir(parents=True, exist_ok=True)
    # The stream runs behind the recording by `delay` samples; without them both begin together.
    for number, talker in enumerate(np.concatenate(parts, axis=1)[:, network.delay :], start=1):
        soundfile.write(args.out / f"talker-{number}.wav", talker, rate_hz)
        print(f"{args.out / f'talker-{number}.wav'}: {len(talker) / rate_hz:.1f} s")
except (EdgeError, OSError, soundfile.SoundFileError) as error:
    sys.exit(f"array_to_two_talkers: {error}")
