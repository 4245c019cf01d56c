"""Each system call of the list is refused by the kernel, one by one, and what a trial needs still works.

Each call is made with arguments that no kernel can do anything with, once in a process that has given them up and once
in one that has not, so that a refusal is known to be the filter's."""

import errno
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from edge_sdk.verifier import admit
from edge_sdk.verifier.seccomp import MISSING, PROCESSORS, REFUSED, filter_for

pytestmark = pytest.mark.skipif(
    platform.machine() not in PROCESSORS, reason=f"no list of system calls for {platform.machine()}"
)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
BEGETS = ("fork", "vfork")  # what they begin would go on in the test

SCRIPT = """
import ctypes, json, os, sys, threading
from edge_sdk.verifier.seccomp import MISSING, PROCESSORS, REFUSED, seal
import platform
column = PROCESSORS[platform.machine()].column
libc = ctypes.CDLL(None, use_errno=True)
readable = open(sys.executable, "rb")
def error(number, *arguments):
    ctypes.set_errno(0)
    return ctypes.get_errno() if libc.syscall(number, *map(ctypes.c_long, arguments)) == -1 else 0
sealed = len(sys.argv) > 1 and seal()
calls = {n: v[column] for n, v in {**REFUSED, **MISSING}.items() if v[column] is not None and (sealed or n not in %r)}
found = {name: error(number, *[-1] * 6) for name, number in calls.items()}
def opens(flags):
    try:
        os.close(os.open(%r, flags, 0o600))
        return True
    except PermissionError:
        return False
names = "O_RDONLY", "O_WRONLY", "O_RDWR", "O_TRUNC", "O_APPEND", "O_CREAT"
flags = {name: opens(getattr(os, name)) for name in names}
thread = threading.Thread(target=lambda: found.update(thread=0))
thread.start()
thread.join()
found["read"] = 0 if readable.read(1) else 1
found["clone"] = error(PROCESSORS[platform.machine()].clone, 17, 0, 0, 0, 0) if sealed else 0
json.dump({"sealed": bool(sealed), "errors": found, "opens": flags}, sys.stdout)
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], dict[str, int]]:
    """Errors of every call, sealed and not; what each process opened is checked here."""
    file = tmp_path_factory.mktemp("seal") / "file"
    file.write_bytes(b"")
    found = []
    for words in (["sealed"], []):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT % (BEGETS, str(file)), *words], capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout))
    if not found[0]["sealed"]:
        pytest.skip("this kernel takes no filter of system calls")
    assert found[0]["opens"] == {name: name == "O_RDONLY" for name in found[0]["opens"]}
    assert all(found[1]["opens"].values())
    return found[0]["errors"], found[1]["errors"]


@pytest.mark.parametrize("name", [name for name, numbers in REFUSED.items() if None not in numbers])
def test_it_is_refused(calls: tuple[dict[str, int], dict[str, int]], name: str) -> None:
    sealed, free = calls
    assert sealed[name] == errno.EPERM
    # What a plain user or a container may not do anyway shows nothing of the filter, which is why there are others.
    assert free[name] != errno.EPERM or name in PRIVILEGED


PRIVILEGED = {
    *("mount", "umount2", "pivot_root", "chroot", "fsopen", "fsmount", "open_tree", "move_mount", "mount_setattr"),
    *("setns", "bpf", "userfaultfd", "perf_event_open", "add_key", "request_key", "keyctl", "open_by_handle_at"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "init_module", "finit_module", "kexec_load", "unshare"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "kill", "mknodat", "pidfd_getfd", "pidfd_open"),
}


def test_what_only_one_processor_has_is_refused_too(calls: tuple[dict[str, int], dict[str, int]]) -> None:
    sealed, _ = calls
    own = [name for name, numbers in REFUSED.items() if None in numbers and name in sealed]
    assert {sealed[name] for name in own} <= {errno.EPERM} and (platform.machine() != "x86_64" or "fork" in own)


def test_new_calls_whose_arguments_cannot_be_seen_are_said_not_to_exist(
    calls: tuple[dict[str, int], dict[str, int]],
) -> None:
    assert {calls[0][name] for name in MISSING} == {errno.ENOSYS}


def test_threads_and_reading_stay_and_processes_do_not_begin(calls: tuple[dict[str, int], dict[str, int]]) -> None:
    sealed, _ = calls
    assert sealed["thread"] == sealed["read"] == 0 and sealed["clone"] == errno.EPERM


def test_a_trial_is_sealed(calls: tuple[dict[str, int], dict[str, int]]) -> None:
    found = admit(read_bundle(find_model("enhance-mono")))
    assert found.sealed and found.no_network


@pytest.mark.parametrize("machine", PROCESSORS)
def test_the_numbers_are_those_of_the_kernel_s_headers(machine: str) -> None:
    path = HEADERS[machine]
    if not path.exists():
        pytest.skip(f"needs {path}: apt-get install linux-libc-dev")
    known = dict(re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", path.read_text(), re.MULTILINE))
    column = PROCESSORS[machine].column
    for name, numbers in {**REFUSED, **MISSING}.items():
        if name in known or name != "fchmodat2":  # which kernels before 6.6 do not have
            assert numbers[column] == (int(known[name]) if name in known else None), name
    processor = PROCESSORS[machine]
    assert (processor.openat, processor.clone) == (int(known["openat"]), int(known["clone"]))


@pytest.mark.parametrize("machine", PROCESSORS)
def test_a_filter_is_as_long_as_a_kernel_takes(machine: str) -> None:
    program = filter_for(PROCESSORS[machine])
    assert len(program) % 8 == 0 and len(program) // 8 < 4096
    assert os.O_WRONLY | os.O_RDWR | os.O_CREAT == 0x43, "the numbers that both processors have"
