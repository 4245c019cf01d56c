"""Fine-tuning a network in the numbers that it will run in (quantization-aware training, Jacob et al., 2018).

`prepare` lets a network's layers round as a recipe says, `fine_tune` trains it further in the usual loop; gradients
pass the rounding as if it were not there. What is saved is an ordinary checkpoint: its float weights, quantized by the
same recipe, are the network that was trained.
"""

from quantization.qat.prepare import prepare
from quantization.qat.tuning import Tuning, fine_tune, trained_for

__all__ = ["Tuning", "fine_tune", "prepare", "trained_for"]
