"""Time differences between the microphones of stored responses, found without knowing the geometry."""

import numpy as np

FINE = 64  # steps per sample


def time_differences(rirs: np.ndarray, direct: np.ndarray, reference: int, window: int = 24) -> np.ndarray:
    """Delay of the direct path against the reference microphone, in samples, `[positions, mics]`.

    Cross-correlation of what is heard within `window` samples of `direct`, upsampled `FINE` times.
    """
    found = np.zeros(rirs.shape[:2])
    taper, size = np.hanning(2 * window + 1), 4 * window * 2
    lags = (np.fft.fftfreq(size * FINE) * size).round(6)
    for position, centre in enumerate(direct.round().astype(int)):
        parts = rirs[position, :, centre - window : centre + window + 1] * taper
        spectra = np.fft.rfft(parts, size)
        for mic in range(rirs.shape[1]):
            correlation = np.fft.irfft(spectra[mic] * spectra[reference].conj(), size * FINE)
            found[position, mic] = lags[np.argmax(correlation)]
    return found
