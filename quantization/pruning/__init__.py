"""Pruning: a smaller network from a trained one, by channels (`structured`) or by single weights (`sparsity`)."""

from quantization.pruning.config import PruneConfig as PruneConfig
from quantization.pruning.structured import prune as prune
