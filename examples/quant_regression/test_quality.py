"""What this repository promises of its model: as good as the float32 network it was quantized from, within a budget."""

from quantization.regression import Budget


def test_the_quantized_model_is_as_good_as_its_float32_network(assert_within):
    assert_within(Budget(mean_db=0.15, worst_db=0.5), name="enhance-mono")
