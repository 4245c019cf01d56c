"""Fixtures of the tests of `models`."""

from pathlib import Path

import pytest

from tests.models.recordings import write_corpus


@pytest.fixture(scope="session")
def corpus_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus that no test changes."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))
