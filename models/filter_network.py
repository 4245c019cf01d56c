"""What filter-and-sum networks have in common: frames of any number of microphones, and windows that add up.

Samples are apart from features: what a network predicts from frames and similarities are filter taps, and the steps
that do so are what is exported; the host computes similarities, filters and sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from models.framing import Frames, OverlapAdd
from models.layers.filter_and_sum import FilterAndSumConfig, FrameEncoder
from models.layers.norms import input_norm
from models.layers.tac import ExchangingConfig
from models.layers.tcn import TCNConfig
from models.network import Network
from models.streaming import State, refuse_future


@dataclass(frozen=True)
class FilterAndSumNetworkConfig:
    """What both networks have."""

    sources: int = 2
    sample_rate: int = 16_000
    mics: int = 4  # the most it takes
    reference: int = 0  # the microphone at which sources are wanted, counted from 0
    beamformer: FilterAndSumConfig = field(default_factory=FilterAndSumConfig)
    encoder: int = 64  # features of a microphone's frame, to which the similarities are joined

    def __post_init__(self) -> None:
        if min(self.sources, self.sample_rate, self.mics, self.encoder) < 1:
            raise ValueError(
                f"{self.sources} sources of {self.mics} microphones at {self.sample_rate} Hz, "
                f"{self.encoder} features of a frame: expected positive numbers"
            )
        if not 0 <= self.reference < self.mics:
            raise ValueError(f"reference microphone {self.reference}: expected 0 to {self.mics - 1}")

    @property
    def filterbank(self) -> FilterAndSumConfig:
        """Window and hop under the name that a TasNet has for them."""
        return self.beamformer


def expect_causal_tcn(separator: ExchangingConfig) -> None:
    """`ValueError` for a TCN that is not causal."""
    if isinstance(separator, TCNConfig) and not separator.causal:
        raise ValueError(
            "separator.causal = false with a TCN: of filter-and-sum networks only dual-path ones have teachers"
        )


class FilterAndSumNetwork(Network):
    """Sources at the reference microphone, `[B, M, n]` to `[B, sources, n]`, with M any number up to `mics`.

    A block of `step` has as many microphones as the state was made for. A microphone that is silent for a whole frame
    counts as absent there, so zeros serve for microphones that are missing or dead.
    """

    config: FilterAndSumNetworkConfig

    def __init__(self, config: FilterAndSumNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = Frames(config.beamformer.frame, config.beamformer.hop)
        self.overlap_add = OverlapAdd(config.beamformer.window, config.beamformer.hop)

    @property
    def mics(self) -> int:
        return self.config.mics

    @property
    def reference(self) -> int:
        return self.config.reference

    @property
    def hop(self) -> int:
        return self.config.beamformer.hop

    @property
    def delay(self) -> int:
        return self.config.beamformer.delay

    @property
    def latency(self) -> int:
        return self.config.beamformer.latency

    @property
    def future(self) -> tuple[str, ...]:
        """The parts that need the future; a network with any takes whole signals only."""
        return getattr(self.config.separator, "future", ())

    def with_mics(self, mics: int) -> Network:
        """The network that declares so many microphones, with the same weights."""
        self.check_mics(mics)
        other = type(self)(replace(self.config, mics=mics))
        other.load_state_dict(self.state_dict())
        return other.train(self.training)

    def check_mics(self, mics: int) -> None:
        if not self.config.reference < mics <= self.mics:
            raise ValueError(f"{mics} microphones: this network takes {self.config.reference + 1} to {self.mics}")

    def init_state(self, batch: int = 1, mics: int | None = None) -> State:
        refuse_future(self, self.future)
        return self.begin(batch, self.mics if mics is None else mics)

    def begin(self, batch: int, mics: int) -> State:
        """The state before the first block."""
        self.check_mics(mics)
        overlap = self.overlap_add.init_state(batch * self.config.sources)
        return self.frames.init_state(batch * mics), self.init_memory(batch, mics), overlap

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, mics, _ = x.shape
        past, memory, overlap = state
        if past.shape[0] != batch * mics:
            raise ValueError(f"{batch} mixtures of {mics} microphones: this state is for {past.shape[0]} signals")
        frames, past = self.frames.step(x.flatten(0, 1), past)
        windows, memory = self.separate(frames.unflatten(0, (batch, mics)), memory)  # [B, S, T, window]
        samples, overlap = self.overlap_add.step(windows.flatten(0, 1), overlap)
        return samples.unflatten(0, (batch, -1)), (past, memory, overlap)

    def forward(self, x: Tensor) -> Tensor:
        batch, mics, samples = x.shape
        padded = nn.functional.pad(x, (0, -samples % self.hop))
        return self.step(padded, self.begin(batch, mics))[0][..., :samples]

    def init_memory(self, batch: int, mics: int) -> State:
        """The memory of the separators."""
        raise NotImplementedError

    def separate(self, frames: Tensor, memory: State) -> tuple[Tensor, State]:
        """Windows of the sources, `[B, S, T, window]`, from frames of the microphones, `[B, M, T, frame]`."""
        raise NotImplementedError

    def make_encoder(self) -> FrameEncoder:
        norm = input_norm(self.config.separator, self.config.encoder)
        return FrameEncoder(self.config.beamformer.frame, self.config.encoder, norm)
