"""Regression gates: a model must stay within so many dB of its baseline, on a frozen set, clip by clip.

`pip install` brings a pytest plugin with the fixtures `quantized_model`, `evaluation_set` and `assert_within`, see
`quantization.regression.plugin`; `examples/quant_regression` shows a repository that uses them.
"""

from quantization.regression.budget import Budget

__all__ = ["Budget"]
