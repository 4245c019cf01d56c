"""The shortest useful program: a noisy recording in, a cleaned one out.

    python examples/separate_wav.py NOISY.wav CLEANED.wav

Needs `pip install 'edge-sdk[device]'`. The command `edge-sdk separate` does the same, with other rates and more checks.
"""

import sys

import soundfile

from edge_sdk import EdgeError, Separator

try:
    separator = Separator.open("enhance-mono")  # a shipped model, or the path of a bundle

    # soundfile gives [n, channels]; here the microphones come first. Samples are float32 between -1 and 1.
    recording, rate_hz = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
    if (rate_hz, recording.shape[1]) != (separator.sample_rate, separator.mics):
        sys.exit(f"{sys.argv[1]}: expected {separator.mics} channel(s) at {separator.sample_rate} Hz")

    cleaned = separator.separate(recording.T)  # [mics, n] to [sources, n], aligned with the recording
    soundfile.write(sys.argv[2], cleaned[0], separator.sample_rate)  # the first source; this model has one
except IndexError:
    sys.exit(__doc__)
except (EdgeError, soundfile.SoundFileError) as error:
    sys.exit(f"separate_wav: {error}")
