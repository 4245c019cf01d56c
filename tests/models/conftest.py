"""Fixtures of the tests of `models`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from models.data.mixing import Mixtures
from tests.models.echoes import mixtures
from tests.models.recordings import write_corpus

Maker = Callable[..., Mixtures]


@pytest.fixture(scope="session")
def corpus_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus that no test changes."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def make(corpus_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Mixtures of the test corpus with changes to their configuration."""
    return partial(mixtures, corpus_root, tmp_path_factory.mktemp("cache"))
