"""The seccomp program of a child: what it refuses, as data and rules. All else is allowed.

Landlock knows files and, from its fourth version on, the ports of plain TCP connections. What it leaves open is closed
here: other kinds of sockets, data in a TCP handshake (MSG_FASTOPEN is a connect that Landlock does not see), listening,
what changes a file without opening it, other processes' affairs, and the kernel's other doors. docs/security.md has the
table of what was tried against it.

`connect` is answered by the gate where the program notifies, and allowed where Landlock holds it.
"""

from __future__ import annotations

import errno
from typing import Final

from doradura.wall import bpf, landlock
from doradura.wall.architectures import Architecture

_NO: Final = bpf.errno_of(errno.EPERM)
_NO_CONNECTION: Final = bpf.errno_of(errno.EACCES)
_NO_SUCH_CALL: Final = bpf.errno_of(errno.ENOSYS)
"""libc falls back to a call whose arguments can be seen."""

_AF_UNIX: Final = 1
_AF_INET: Final = 2
_AF_INET6: Final = 10
"""Linux's numbers; other systems have others."""
_TYPE_BITS: Final = 0xF
"""Beside them a socket's type carries SOCK_CLOEXEC and SOCK_NONBLOCK."""
_IPPROTO_TCP: Final = 6
_STREAM, _SEQPACKET = 1, 5
_MSG_FASTOPEN: Final = 0x20000000
_NAMESPACES: Final = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
"""CLONE_NEW* of clone(2): mount, cgroup, UTS, IPC, user, PID, network."""
_SET_FILE_FLAGS: Final = (0x40086602, 0x40046602, 0x401C5820)
"""FS_IOC_SETFLAGS in both widths, FS_IOC_FSSETXATTR: they ask for no file that is open for writing."""
_SET_OWNER: Final = (0x8901, 0x8902)
"""FIOSETOWN, SIOCSPGRP; with the next, they have the kernel send any signal to any process when data comes."""
_SET_OWNER_BY_FCNTL: Final = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX of fcntl(2)."""
_EVERYBODY: Final = 0xFFFFFFFF
"""-1, of kill(2)."""
_O_TRUNC: Final = 0o1000
_O_ACCMODE: Final = 0o3

REFUSED: Final = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp", "pidfd_getfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd"),
    *("keyctl", "add_key", "request_key", "unshare", "setns", "name_to_handle_at", "open_by_handle_at"),
    *("mount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick", "open_tree"),
    *("open_tree_attr", "move_mount", "mount_setattr", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd"),
    *("reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "syslog"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"),
    *("iopl", "ioperm", "vhangup"),
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "file_setattr"),
    *("utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat"),
    *("removexattr", "lremovexattr", "fremovexattr", "removexattrat"),
    *("inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_init", "fanotify_mark"),
    *("setpriority", "ioprio_set", "sched_setparam", "sched_setscheduler", "sched_setattr", "sched_setaffinity"),
    *("shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink"),
)
REFUSED_CONNECTIONS: Final = ("bind", "listen", "accept", "accept4")
OF_ITSELF_ALONE: Final = ("prlimit64", "move_pages", "migrate_pages")
"""Calls whose first argument is a process; 0 is the caller."""


def head(of: Architecture) -> bpf.Block:
    """Refuse calls of every other convention, whose numbers mean something else, and load the call's number."""
    foreign = () if of.foreign_from is None else bpf.below(of.foreign_from, _NO)
    return bpf.one_of(bpf.load(bpf.ARCHITECTURE_AT), [of.audit_word], _NO) + bpf.load(bpf.NUMBER_AT) + foreign


def signals(of: Architecture, abi: int, own: int) -> bpf.Block:
    """Refuse signals to all at once, and where Landlock does not hold them (ABI 6), to all but the child itself.

    There, `own` is the child's pid; its group may be signalled too. To spare the bot, the fork server and the gate by
    their numbers would not do, for kill(2) takes the number of any of their threads as well. The price is that a child
    can't end its own ffmpeg there, which the fork server does.
    """
    if abi >= landlock.SCOPES_ABI:
        body = bpf.none_of(bpf.argument(0), [_EVERYBODY], _NO) + bpf.ends_with(bpf.ALLOW)
        return _row(of, {"kill": body})
    group = -own & 0xFFFFFFFF
    bodies = {
        "kill": bpf.one_of(bpf.argument(0), [0, own, group], _NO) + bpf.ends_with(bpf.ALLOW),
        "tgkill": bpf.one_of(bpf.argument(0), [own], _NO) + bpf.ends_with(bpf.ALLOW),
    }
    others = ("tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal")
    return _row(of, bodies | dict.fromkeys(others, bpf.ends_with(_NO)))


def rest(of: Architecture, abi: int, *, notify: bool) -> bpf.Block:
    """Return all that does not depend on the moment, down to the end of the program."""
    stream = bpf.one_of(bpf.argument(1, _TYPE_BITS), [_STREAM], _NO_CONNECTION)
    plain_tcp = bpf.one_of(bpf.argument(2), [0, _IPPROTO_TCP], _NO_CONNECTION)
    families = [_AF_INET, _AF_INET6]
    allow = bpf.ends_with(bpf.ALLOW)
    bodies = {
        "connect": bpf.ends_with(bpf.NOTIFY if notify else bpf.ALLOW),
        "socket": bpf.one_of(bpf.argument(0), families, _NO_CONNECTION) + stream + plain_tcp + allow,
        # A pair of datagram sockets can be sent elsewhere; a raw one is a datagram one (unix(7)).
        "socketpair": bpf.one_of(bpf.argument(0), [_AF_UNIX], _NO_CONNECTION)
        + bpf.one_of(bpf.argument(1, _TYPE_BITS), [_STREAM, _SEQPACKET], _NO_CONNECTION)
        + allow,
        "clone3": bpf.ends_with(_NO_SUCH_CALL),
        "clone": bpf.without(bpf.argument(0), _NAMESPACES, _NO) + allow,
        "ioctl": bpf.none_of(bpf.argument(1), (*_SET_FILE_FLAGS, *_SET_OWNER), _NO) + allow,
        "fcntl": bpf.none_of(bpf.argument(1), _SET_OWNER_BY_FCNTL, _NO) + allow,
    }
    for name, flags in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        bodies[name] = bpf.without(bpf.argument(flags), _MSG_FASTOPEN, _NO_CONNECTION) + allow
    for name in OF_ITSELF_ALONE:
        bodies[name] = bpf.one_of(bpf.argument(0), [0], _NO) + allow
    if abi < landlock.TRUNCATE_ABI:
        bodies["truncate"] = bpf.ends_with(_NO)
        bodies["openat2"] = bpf.ends_with(_NO_SUCH_CALL)
        for name, flags in (("open", 1), ("openat", 2)):
            # Opened to be read alone, a file is truncated all the same.
            bodies[name] = bpf.none_of(bpf.argument(flags, _O_TRUNC | _O_ACCMODE), [_O_TRUNC], _NO) + allow
    bodies |= dict.fromkeys(REFUSED_CONNECTIONS, bpf.ends_with(_NO_CONNECTION))
    bodies |= dict.fromkeys(REFUSED, bpf.ends_with(_NO))
    return bpf.chosen({of.numbers[name]: body for name, body in bodies.items() if name in of.numbers}, allow)


def _row(of: Architecture, bodies: dict[str, bpf.Block]) -> bpf.Block:
    """Return rules for a few calls; others go on."""
    return sum((bpf.when(of.numbers[name], body) for name, body in bodies.items()), ())
