"""What to prune: how much, where, and what counts as important."""

from __future__ import annotations

from dataclasses import dataclass

IMPORTANCES = ("activation", "taylor", "norm")
SCOPES = ("layer", "global")


@dataclass(frozen=True)
class PruneConfig:
    """Shares of the channels that go, and how they are chosen.

    scope: `layer` takes the same share from every layer; `global` takes the least important channels of all, wherever
    they are. multiple: widths are brought to multiples of it, because the products of a step are computed in tiles of
    that size and fill whole ones no slower (`tools/bench_pruning.py`).

    importance: by what a channel adds to the next layer. The layers behind are fitted anew, of which the first-order
    estimate of the loss, `taylor`, knows nothing: with half of the hidden channels gone and nothing trained on, the
    shipped enhance-mono loses 0.28 dB by activation and 0.49 dB by taylor, enhance-hearing-aid 0.36 and 0.43 (on the
    mean of 8 development mixtures; on the worst of them 0.93 and 0.71). Where layers are ranked together, taylor alone
    is in one unit for all.
    """

    ratio: float = 0.5  # share of the hidden channels, or units, of the whole network that go
    filters: float = 0.0  # share of the encoder's filters that go
    blocks: int = 0  # TCN blocks that go as a whole; their channels count in the ratio
    importance: str = "activation"
    scope: str = "layer"
    multiple: int = 16
    minimum: int = 16  # channels that a layer keeps at least, where all are ranked together

    def __post_init__(self) -> None:
        for name, share in (("ratio", self.ratio), ("filters", self.filters)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} = {share}: expected a share of the channels from 0 up to, not including, 1")
        if not self.ratio and not self.filters:
            raise ValueError("ratio = 0 and filters = 0: nothing to prune")
        if min(self.multiple, self.minimum) < 1 or self.blocks < 0:
            raise ValueError(
                f"multiple = {self.multiple}, minimum = {self.minimum}, blocks = {self.blocks}: expected positive "
                "numbers, and of blocks any from 0 on"
            )
        if self.importance not in IMPORTANCES:
            raise ValueError(f"importance {self.importance!r}: expected one of {', '.join(IMPORTANCES)}")
        if self.scope not in SCOPES:
            raise ValueError(f"scope {self.scope!r}: expected one of {', '.join(SCOPES)}")
