"""A stream outlives its accelerator: the CPU goes on where it was, and says once why."""

import logging

import numpy as np
import pytest

from edge_sdk.accelerators.accelerator import CPU, Accelerator
from edge_sdk.contract import Bundle
from edge_sdk.separator import Separator
from tests.edge_sdk.accelerators.conftest import Delegate


def noise(separator: Separator) -> np.ndarray:
    samples = 40 * separator.block
    return 0.1 * np.random.default_rng(0).standard_normal((separator.mics, samples)).astype(np.float32)


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What this package said; those that export models have warnings of their own."""
    return [record for record in caplog.records if record.name.startswith("edge_sdk")]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("name", ["carry", "array"])
def test_the_stream_goes_on_as_if_nothing_had_happened(
    name: str, request: pytest.FixtureRequest, delegate: Delegate, caplog: pytest.LogCaptureFixture
) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    accelerator = delegate(mode="relu", fail_at=9)
    separator = Separator(bundle, accelerator=accelerator)
    blocks = np.split(noise(separator), 40, axis=1)
    first = [separator.process(block) for block in blocks[:8]]
    assert separator.interpreter.accelerator == accelerator
    with caplog.at_level(logging.WARNING):
        second = [separator.process(block) for block in blocks[8:]]
    assert separator.interpreter.accelerator == CPU
    assert "the chip is too hot" in separator.interpreter.failure
    assert [record.message.split(" (")[0] for record in ours(caplog)] == [
        "delegate libtest_delegate.so: failed in a step"
    ]
    alone = Separator(bundle)
    want = np.concatenate([alone.process(block) for block in blocks], axis=1)
    # float32 products in another order before the failure, in the same order after it
    np.testing.assert_allclose(np.concatenate(first + second, axis=1), want, rtol=0, atol=1e-6)


def test_a_reset_after_the_failure_is_a_reset(carry: Bundle, delegate: Delegate) -> None:
    separator = Separator(carry, accelerator=delegate(mode="relu", fail_at=3))
    x = noise(separator)
    separator.process(x)
    separator.reset()
    np.testing.assert_array_equal(separator.process(x), Separator(carry).process(x))


@pytest.mark.parametrize("mode", ["fail", "none"])
def test_a_delegate_that_refuses_leaves_the_cpu(
    tiny: Bundle, delegate: Delegate, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    accelerator = delegate(mode="fail") if mode == "fail" else Accelerator("delegate", "/none/libnone.so")
    separator = Separator(tiny, accelerator=accelerator)
    assert separator.interpreter.accelerator == CPU
    assert separator.interpreter.failure
    assert len(ours(caplog)) == 1
    x = noise(separator)
    np.testing.assert_array_equal(separator.process(x), Separator(tiny).process(x))
