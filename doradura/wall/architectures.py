"""The numbers of system calls, by architecture: data, taken from the kernel's headers (asm/unistd_64.h, asm-generic).

x86-64 was run; arm64 is by table alone. A call that an architecture does not have is None in its column. Calls newer
than 5.0 have one number on both.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, eq=False)
class Architecture:
    """What a filter has to know of a processor's system calls."""

    name: str
    audit_word: int
    """How seccomp names it (AUDIT_ARCH_*): a call by another convention has other numbers."""
    numbers: Mapping[str, int]
    foreign_from: int | None = None
    """Numbers from here on are another convention's under the same word (x32)."""


_NUMBERS: Final[tuple[tuple[str, int | None, int | None], ...]] = (
    # name, x86-64, arm64
    ("read", 0, 63),
    ("open", 2, None),
    ("openat", 257, 56),
    ("openat2", 437, 437),
    ("creat", 85, None),
    ("truncate", 76, 45),
    ("ioctl", 16, 29),
    ("fcntl", 72, 25),
    ("capget", 125, 90),
    ("capset", 126, 91),
    ("getppid", 110, 173),
    ("seccomp", 317, 277),
    ("landlock_create_ruleset", 444, 444),
    ("landlock_add_rule", 445, 445),
    ("landlock_restrict_self", 446, 446),
    # connections
    ("socket", 41, 198),
    ("socketpair", 53, 199),
    ("bind", 49, 200),
    ("listen", 50, 201),
    ("accept", 43, 202),
    ("accept4", 288, 242),
    ("connect", 42, 203),
    ("sendto", 44, 206),
    ("sendmsg", 46, 211),
    ("sendmmsg", 307, 269),
    # other processes
    ("clone", 56, 220),
    ("clone3", 435, 435),
    ("ptrace", 101, 117),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("process_madvise", 440, 440),
    ("process_mrelease", 448, 448),
    ("kcmp", 312, 272),
    ("pidfd_getfd", 438, 438),
    ("pidfd_open", 434, 434),
    ("pidfd_send_signal", 424, 424),
    ("kill", 62, 129),
    ("tkill", 200, 130),
    ("tgkill", 234, 131),
    ("rt_sigqueueinfo", 129, 138),
    ("rt_tgsigqueueinfo", 297, 240),
    ("setpriority", 141, 140),
    ("ioprio_set", 251, 30),
    ("prlimit64", 302, 261),
    ("sched_setparam", 142, 118),
    ("sched_setscheduler", 144, 119),
    ("sched_setattr", 314, 274),
    ("sched_setaffinity", 203, 122),
    ("move_pages", 279, 239),
    ("migrate_pages", 256, 238),
    # the kernel's other doors
    ("io_uring_setup", 425, 425),
    ("io_uring_enter", 426, 426),
    ("io_uring_register", 427, 427),
    ("bpf", 321, 280),
    ("perf_event_open", 298, 241),
    ("userfaultfd", 323, 282),
    ("keyctl", 250, 219),
    ("add_key", 248, 217),
    ("request_key", 249, 218),
    ("unshare", 272, 97),
    ("setns", 308, 268),
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("pivot_root", 155, 41),
    ("chroot", 161, 51),
    ("fsopen", 430, 430),
    ("fsconfig", 431, 431),
    ("fsmount", 432, 432),
    ("fspick", 433, 433),
    ("open_tree", 428, 428),
    ("open_tree_attr", 467, 467),
    ("move_mount", 429, 429),
    ("mount_setattr", 442, 442),
    ("name_to_handle_at", 303, 264),
    ("open_by_handle_at", 304, 265),
    ("swapon", 167, 224),
    ("swapoff", 168, 225),
    ("reboot", 169, 142),
    ("kexec_load", 246, 104),
    ("kexec_file_load", 320, 294),
    ("init_module", 175, 105),
    ("finit_module", 313, 273),
    ("delete_module", 176, 106),
    ("acct", 163, 89),
    ("quotactl", 179, 60),
    ("quotactl_fd", 443, 443),
    ("syslog", 103, 116),
    ("settimeofday", 164, 170),
    ("clock_settime", 227, 112),
    ("clock_adjtime", 305, 266),
    ("adjtimex", 159, 171),
    ("sethostname", 170, 161),
    ("setdomainname", 171, 162),
    ("iopl", 172, None),
    ("ioperm", 173, None),
    ("vhangup", 153, 58),
    # what Landlock does not govern of files
    ("chmod", 90, None),
    ("fchmod", 91, 52),
    ("fchmodat", 268, 53),
    ("fchmodat2", 452, 452),
    ("chown", 92, None),
    ("fchown", 93, 55),
    ("lchown", 94, None),
    ("fchownat", 260, 54),
    ("utime", 132, None),
    ("utimes", 235, None),
    ("futimesat", 261, None),
    ("utimensat", 280, 88),
    ("setxattr", 188, 5),
    ("lsetxattr", 189, 6),
    ("fsetxattr", 190, 7),
    ("setxattrat", 463, 463),
    ("removexattr", 197, 14),
    ("lremovexattr", 198, 15),
    ("fremovexattr", 199, 16),
    ("removexattrat", 466, 466),
    ("file_setattr", 469, 469),
    ("inotify_init", 253, None),
    ("inotify_init1", 294, 26),
    ("inotify_add_watch", 254, 27),
    ("fanotify_init", 300, 262),
    ("fanotify_mark", 301, 263),
    # what is shared by number and not by file
    ("shmget", 29, 194),
    ("shmat", 30, 196),
    ("shmctl", 31, 195),
    ("semget", 64, 190),
    ("semop", 65, 193),
    ("semtimedop", 220, 192),
    ("semctl", 66, 191),
    ("msgget", 68, 186),
    ("msgsnd", 69, 189),
    ("msgrcv", 70, 188),
    ("msgctl", 71, 187),
    ("mq_open", 240, 180),
    ("mq_unlink", 241, 181),
)

X86_64: Final = Architecture(
    "x86-64",
    0xC000003E,
    MappingProxyType({name: number for name, number, _ in _NUMBERS if number is not None}),
    foreign_from=0x40000000,
)
ARM64: Final = Architecture(
    "arm64",
    0xC00000B7,
    MappingProxyType({name: number for name, _, number in _NUMBERS if number is not None}),
)
_BY_MACHINE: Final = MappingProxyType({"x86_64": X86_64, "amd64": X86_64, "aarch64": ARM64, "arm64": ARM64})


def this_architecture() -> Architecture | None:
    """Return the running kernel's, where its numbers are known; a 32-bit process is of none of them."""
    known = _BY_MACHINE.get(platform.machine().lower())
    return known if platform.architecture()[0] == "64bit" else None
