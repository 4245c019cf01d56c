"""A delegate library built from `delegate.c`, and a GPU in software."""

import shutil
import subprocess
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import pytest

from edge_sdk.accelerators.accelerator import Accelerator

SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")  # comes with Debian's chromium

Delegate = Callable[..., Accelerator]


@pytest.fixture(scope="session")
def delegate_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("the delegate library is built with gcc")
    library = tmp_path_factory.mktemp("delegate") / "libtest_delegate.so"
    source = Path(__file__).with_name("delegate.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source], check=True)
    return library


@pytest.fixture
def delegate(delegate_library: Path) -> Delegate:
    """The library with options."""

    def make(**options: object) -> Accelerator:
        return Accelerator("delegate", str(delegate_library), tuple((k, str(v)) for k, v in options.items()))

    return make


@pytest.fixture
def software_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """For processes that are started: SwiftShader as the only Vulkan driver."""
    if not SWIFTSHADER.exists() or find_library("vulkan") is None:
        pytest.skip("no SwiftShader or no Vulkan loader (apt-get install chromium libvulkan1)")
    monkeypatch.setenv("VK_ICD_FILENAMES", str(SWIFTSHADER))
    monkeypatch.delenv("VK_DRIVER_FILES", raising=False)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For processes that are started: no Vulkan driver."""
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "none.json"))
    monkeypatch.delenv("VK_DRIVER_FILES", raising=False)
