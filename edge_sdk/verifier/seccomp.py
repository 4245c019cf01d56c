"""System calls that a trial run cannot make any more: the kernel refuses them, whatever runs in the process.

A filter as seccomp(2) takes it, made here because no library that makes one comes with Python. It refuses what reaches
out of the process (sockets, other programs, other processes, parts of the kernel that models have no business with) and
what changes files; reading files, memory, threads and what is already open stay. Where a new system call does the same
as an old one, with arguments that a filter cannot see, it is said not to exist, and the C library uses the old one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

# Numbers by processor: x86-64 and aarch64, None where it has no such call (asm/unistd_64.h, asm-generic/unistd.h).
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # sockets
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # other programs, other processes
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    # files: made, changed, removed
    "creat": (85, None),
    "truncate": (76, 45),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "utimensat": (280, 88),
    "futimesat": (261, None),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "open_by_handle_at": (304, 265),
    # the kernel
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
}
MISSING = {"openat2": (437, 437), "clone3": (435, 435)}  # said not to exist; openat and clone are looked at
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND  # the same numbers on both processors
THREAD = 0x10000  # CLONE_THREAD

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2  # linux/prctl.h, linux/seccomp.h
LOAD, EQUAL, AT_LEAST, ANY_BIT, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h, as seccomp uses them
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where struct seccomp_data has them
X32 = 0x40000000  # numbers of x86-64's other calling convention, which are no business of ours


@dataclass(frozen=True)
class Processor:
    """audit: what the kernel calls it (linux/audit.h). column: in the table. open: number of open(2), if it has it."""

    audit: int
    column: int
    open: int | None
    openat: int
    clone: int


PROCESSORS = {
    "x86_64": Processor(0xC000003E, 0, 2, 257, 56),
    "aarch64": Processor(0xC00000B7, 1, None, 56, 220),
}


class Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter"""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def filter_for(processor: Processor) -> bytes:
    """The program that the kernel runs before every system call."""
    load_number, refused = instruction(LOAD, NUMBER), instruction(ANSWER, ERROR | errno.EPERM)
    program = [instruction(LOAD, ARCHITECTURE), instruction(EQUAL, processor.audit, 1), instruction(ANSWER, KILL)]
    program += [load_number, instruction(AT_LEAST, X32, 0, 1), instruction(ANSWER, KILL)]
    for names, answer in ((REFUSED, refused), (MISSING, instruction(ANSWER, ERROR | errno.ENOSYS))):
        for numbers in names.values():
            if (number := numbers[processor.column]) is not None:
                program += [instruction(EQUAL, number, 0, 1), answer]
    # A call, the argument that says what for, and whether it is bits of it that are refused or their absence.
    looked_at = [(processor.open, 1, WRITES, True), (processor.openat, 2, WRITES, True)]
    looked_at += [(processor.clone, 0, THREAD, False)]
    for number, argument, bits, refuses in looked_at:
        if number is not None:
            skip = (0, 1) if refuses else (1, 0)
            program += [instruction(EQUAL, number, 0, 4), instruction(LOAD, ARGUMENTS + 8 * argument)]
            program += [instruction(ANY_BIT, bits, *skip), refused, instruction(ANSWER, ALLOW)]
    return b"".join([*program, instruction(ANSWER, ALLOW)])


def seal() -> bool:
    """Give up these system calls, for this thread and all that it starts, for good; whether the kernel agreed."""
    processor = PROCESSORS.get(platform.machine())
    if processor is None:
        return False
    instructions = filter_for(processor)
    program = Program(len(instructions) // 8, instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0) == 0)
