"""Fixtures of the tests of `quantization`."""

import pytest

from models.tasnet import TasNet
from quantization.artifact import Artifact
from quantization.export import export
from tests.quantization.networks import network


@pytest.fixture(scope="session")
def trained() -> TasNet:
    return network(mask="complex", sources=1, skip=0)


@pytest.fixture(scope="session")
def exported(trained: TasNet) -> Artifact:
    return export(trained, "tiny")
