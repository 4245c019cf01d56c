"""The choice of a spatial filter: each makes weights of what has been learned about talkers and noise so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.beamforming import gev, lcmv, mvdr, wiener
from edge_sdk.beamforming.conditioning import LOADING
from edge_sdk.beamforming.fixed import delay_and_sum, superdirective
from edge_sdk.beamforming.nulls import Nulls
from edge_sdk.beamforming.signals import Complex, Real


@dataclass(frozen=True)
class Learned:
    """Statistics of some frequencies: `bins` of all.

    speech, noise: covariances of each talker, and of everything else, `[S, F, M, M]`, both zero at microphones that are
    not `heard`, `[M]`. residual: of what is no talker's, `[F, M, M]`. reference: a microphone that is heard.
    """

    speech: Complex
    noise: Complex
    residual: Complex
    heard: NDArray[np.bool_]
    reference: int
    bins: slice


class Design(Protocol):
    @property
    def learns(self) -> bool:
        """Whether the weights depend on statistics."""
        ...

    def weights(self, learned: Learned) -> Complex:
        """Weights `[S, F, M]` for the outputs `w^H y`."""
        ...


@dataclass(frozen=True)
class MVDR:
    """No distortion, and the least noise (Souden's form): `RankOneWienerFilter` with a suppression of 0."""

    loading: float = LOADING
    learns: ClassVar[bool] = True

    def weights(self, learned: Learned) -> Complex:
        return mvdr.souden_mvdr(learned.speech, learned.noise, learned.reference, self.loading)


@dataclass(frozen=True)
class WienerFilter:
    """Distortion against suppression (SDW-MWF), by a control from 0, the reference microphone as it is, to 1
    (`wiener.mu_of`). A talker may reach the microphones on many ways, as in rooms."""

    learns: ClassVar[bool] = True
    suppression: float = 0.5
    loading: float = LOADING

    def __post_init__(self) -> None:
        wiener.mu_of(self.suppression)

    def weights(self, learned: Learned) -> Complex:
        mu = wiener.mu_of(self.suppression)
        return wiener.sdw_mwf(learned.speech, learned.noise, mu, learned.reference, self.loading)


@dataclass(frozen=True)
class RankOneWienerFilter(WienerFilter):
    """The same for talkers taken for points, by a control from 0, which is MVDR, to 1."""

    def weights(self, learned: Learned) -> Complex:
        mu = wiener.mu_of(self.suppression)
        return wiener.rank_one_mwf(learned.speech, learned.noise, mu, learned.reference, self.loading)


@dataclass(frozen=True)
class MaxSNR:
    """The most signal-to-noise ratio, normalized blindly (GEV-BAN): talkers' spectra may be coloured."""

    loading: float = LOADING
    learns: ClassVar[bool] = True

    def weights(self, learned: Learned) -> Complex:
        return gev.gev(learned.speech, learned.noise, learned.reference, self.loading)


@dataclass(frozen=True)
class NullOthers:
    """LCMV with how the talkers reach the microphones taken from their statistics: every other talker is cancelled."""

    loading: float = LOADING
    # Rounder than for known directions: estimates of two talkers are alike at low frequencies, and cancelling one
    # by differences of them would amplify noise without limit.
    constraint_loading: float = 1e-3
    learns: ClassVar[bool] = True

    def weights(self, learned: Learned) -> Complex:
        transfer = gev.relative_transfer(learned.speech, learned.residual, learned.reference, self.loading)
        return lcmv.lcmv(learned.residual, transfer, self.loading, self.constraint_loading)


@dataclass(frozen=True)
class DelayAndSum:
    """Aligns the microphones towards steering vectors `[S, F, M]`, with nulls where there shall be some, and learns
    nothing."""

    steering: Complex
    nulls: Nulls | None = None
    learns: ClassVar[bool] = False

    def weights(self, learned: Learned) -> Complex:
        towards = self.steering[:, learned.bins] * learned.heard
        if self.nulls is None:
            return delay_and_sum(towards)
        own = np.broadcast_to(np.eye(towards.shape[-1], dtype=np.complex128), (*towards.shape[1:], towards.shape[-1]))
        return mvdr.steered_mvdr(self.nulls.louder(own, learned.bins, learned.heard), towards, 0.0)


@dataclass(frozen=True)
class Superdirective:
    """The least noise from everywhere alike, of coherence `[F, M, M]`, for steering vectors `[S, F, M]`."""

    steering: Complex
    coherence: Real
    least_white_noise_gain_db: float = -10.0
    learns: ClassVar[bool] = False

    def weights(self, learned: Learned) -> Complex:
        towards, coherence = self.steering[:, learned.bins], self.coherence[learned.bins]
        return superdirective(towards, coherence, self.least_white_noise_gain_db, learned.heard)


@dataclass(frozen=True)
class SteeredMVDR:
    """MVDR for steering vectors `[S, F, M]`, with the noise as learned, and nulls where there shall be some.

    residual: take for noise what is no talker's, for filters whose nulls lie on the other talkers (LCMV).
    """

    steering: Complex
    nulls: Nulls | None = None
    residual: bool = False
    loading: float = LOADING
    learns: ClassVar[bool] = True

    def weights(self, learned: Learned) -> Complex:
        noise = learned.residual if self.residual else learned.noise
        if self.nulls is not None:
            noise = self.nulls.louder(noise, learned.bins, learned.heard)
        return mvdr.steered_mvdr(noise, self.steering[:, learned.bins] * learned.heard, self.loading)


@dataclass(frozen=True)
class PassThrough:
    """Every input is an output, as it is; for a network's own outputs and a post-filter."""

    learns: ClassVar[bool] = False

    def weights(self, learned: Learned) -> Complex:
        inputs = len(learned.heard)
        frequencies = learned.residual.shape[0]
        return np.broadcast_to(np.eye(inputs, dtype=np.complex128)[:, np.newaxis], (inputs, frequencies, inputs))
