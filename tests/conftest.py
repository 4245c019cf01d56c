"""Fixtures that several packages share: one small network of each kind, exported once for a whole test run."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_sdk.contract import Bundle, read_bundle
from models.layers.filter_and_sum import FilterAndSumConfig
from models.network import Network
from tests.disks import full_disk
from tests.quantization.filter_networks import filter_network
from tests.quantization.networks import network

__all__ = ["full_disk"]  # a fixture

# name: norm, mask, sources, frames per step. "tiny" has a context and one memory, "carry" has all memories there are.
KINDS = {"tiny": ("frame", "complex", 1, 1), "carry": ("cumulative", "relu", 2, 3), "array": ("frame", "", 2, 2)}


@pytest.fixture(scope="session")
def exported_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The bundle file of a small network by its name in `KINDS`; conversion takes seconds, so workers share it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def export_once(kind: str) -> Path:
        path, claim, failed = (shared / f"{kind}.{end}" for end in ("edge", "claim", "failed"))
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            deadline = time.monotonic() + 300
            while not path.exists() and not failed.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            assert path.exists(), f"the worker that exports {kind} failed; its own report says why"
            return path
        from firmware_bridge.bundle import write_bundle
        from quantization.export import export

        try:
            artifact = export(small_network(kind), kind, KINDS[kind][3])
            write_bundle(path, artifact.manifest, artifact.model)
        except BaseException:
            failed.touch()
            raise
        return path

    return export_once


@pytest.fixture(scope="session")
def tiny(exported_bundle: Callable[[str], Path]) -> Bundle:
    """One source, an analysis context, delay lines, one frame per step."""
    return read_bundle(exported_bundle("tiny"))


@pytest.fixture(scope="session")
def carry(exported_bundle: Callable[[str], Path]) -> Bundle:
    """Two sources, delay lines and carries, three frames per step."""
    return read_bundle(exported_bundle("carry"))


@pytest.fixture(scope="session")
def array(exported_bundle: Callable[[str], Path]) -> Bundle:
    """Two sources at four microphones, filter-and-sum, two frames per step."""
    return read_bundle(exported_bundle("array"))


def small_network(kind: str) -> Network:
    """The network behind a bundle of `KINDS`."""
    norm, mask, sources, _ = KINDS[kind]
    if kind == "array":
        reach = FilterAndSumConfig(window=96, hop=48, context=40, alignment=7)
        return filter_network("tac", norm, mics=6, reference=1, sources=sources, beamformer=reach).with_mics(4)
    return network(norm=norm, mask=mask, sources=sources, skip=0 if sources == 1 else 8)
