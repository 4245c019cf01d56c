"""The inverse of a recursive covariance, kept by rank-1 updates instead of an inversion per frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.beamforming.conditioning import FLOOR, LOADING, loaded
from edge_sdk.beamforming.covariance import Covariance
from edge_sdk.beamforming.signals import Complex, Real

JUMP = 1e6  # a frame that changes an inverse by more costs it half of its 15 digits


class InverseCovariance:
    """Inverse of `S(n) = l S(n-1) + (1 - l) m(n) y y^H`, in `values`, `[S, F, M, M]` (Woodbury, 1950).

    Two things drift: rounding errors grow by up to 1 / l a frame (what of them is not Hermitian always does), and the
    loading that a singular start needs fades by l. So the covariance itself is kept beside, and every frame inverts
    the `refresh`-th part of the frequencies anew, loaded: no inverse is older than `refresh` frames, its loading lies
    between `loading` and `loading * l**refresh`, and every frame costs the same. Where sound sets in all at once,
    rounding would be too coarse, and these frequencies are inverted at once.
    """

    def __init__(
        self, masks: int, frequencies: int, mics: int, forget: float, loading: float = LOADING, refresh: int = 64
    ) -> None:
        if refresh < 1:
            raise ValueError(f"refresh = {refresh}: expected a number of frames, at least 1")
        self.covariance = Covariance(masks, frequencies, mics, forget)
        self._forget, self._loading, self._refresh = forget, loading, refresh
        self.values: Complex = np.empty_like(self.covariance.values)
        self._turn = 0
        self.reset()

    def update(self, spectra: Complex, masks: NDArray[np.floating] | float = 1.0) -> None:
        """Take the spectra `[F, M]` of a frame with masks `[S, F]`; digital silence is passed over."""
        if not spectra.any():
            return
        self.covariance.update(spectra, masks)
        due = self.rank_one(spectra, (1 - self._forget) * np.broadcast_to(masks, self.values.shape[:2]))
        due[self._turn :: self._refresh] = True
        self.values[:, due] = np.linalg.inv(loaded(self.covariance.values[:, due], self._loading))
        self._turn = (self._turn + 1) % self._refresh

    def rank_one(self, spectra: Complex, share: Real) -> NDArray[np.bool_]:
        """`P / l - a P y y^H P / (l + a y^H P y) / l` with a, `[S, F]`, the share; says for which frequencies, `[F]`,
        that was too coarse."""
        forget = max(self._forget, np.finfo(np.float64).eps)
        gain: Complex = (self.values @ spectra[:, :, np.newaxis])[..., 0]  # P y, [S, F, M]
        seen = share * np.einsum("fm,sfm->sf", spectra.conj(), gain).real
        scaled = (share / (forget + seen))[..., np.newaxis] * gain
        self.values -= scaled[..., np.newaxis] * gain.conj()[..., np.newaxis, :]
        self.values /= forget
        coarse: NDArray[np.bool_] = (seen > JUMP * forget).any(axis=0)
        return coarse

    def reset(self) -> None:
        """Forget everything: as after silence."""
        self.covariance.reset()
        self.values[...] = np.eye(self.values.shape[-1]) / FLOOR
        self._turn = 0
