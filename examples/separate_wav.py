"""The shortest useful program: a recording in, its voices out.

    python examples/separate_wav.py NOISY.wav CLEANED.wav
    python examples/separate_wav.py TWO_TALKERS.wav TALKER.wav separate-2spk

The second writes TALKER-1.wav and TALKER-2.wav. Needs `pip install 'edge-sdk[device]'`. The command `edge-sdk separate`
does the same, with other rates and more checks.
"""

import sys
from pathlib import Path

import soundfile

from edge_sdk import EdgeError, Separator

try:
    recording_path, out = sys.argv[1], Path(sys.argv[2])
    # A shipped model, or the path of a bundle.
    separator = Separator.open(sys.argv[3] if len(sys.argv) > 3 else "enhance-mono")

    # soundfile gives [n, channels]; here the microphones come first. Samples are float32 between -1 and 1.
    recording, rate_hz = soundfile.read(recording_path, dtype="float32", always_2d=True)
    if (rate_hz, recording.shape[1]) != (separator.sample_rate, separator.mics):
        sys.exit(f"{recording_path}: expected {separator.mics} channel(s) at {separator.sample_rate} Hz")

    voices = separator.separate(recording.T)  # [mics, n] to [sources, n], aligned with the recording
    for number, voice in enumerate(voices, start=1):
        path = out if len(voices) == 1 else out.with_stem(f"{out.stem}-{number}")
        soundfile.write(path, voice, separator.sample_rate)
except IndexError:
    sys.exit(__doc__)
except (EdgeError, soundfile.SoundFileError) as error:
    sys.exit(f"separate_wav: {error}")
