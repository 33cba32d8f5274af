"""The wall around a child: prepared once in the fork server, set in each child before any code of its job runs.

Owns what a child of ours may read, run and write, and the order of the steps. What can be done before the fork is done
there: a filter and the rules that all children share cost a child a few system calls each. A ruleset itself can't be
shared, since one job's directory would be open to all later ones.

Nothing in a child needs /proc, /sys, /tmp or /dev, not even ffmpeg or deno, but for /dev/null.
"""

from __future__ import annotations

import os
import ssl
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from doradura.media.protocol import Order
from doradura.wall import bpf, landlock, program
from doradura.wall.architectures import Architecture, this_architecture
from doradura.wall.kernel import CAP_DAC_OVERRIDE, Filter, Kernel

_LIBRARIES: Final = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64")
_DATA: Final = (
    # Not the directories that they lie in, for those hold private keys as well, which root's children could read.
    *("/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/pki/ca-trust", "/etc/pki/tls/certs"),
    *("/etc/pki/tls/cert.pem", "/etc/pki/tls/openssl.cnf", "/etc/ca-certificates", "/usr/share/ca-certificates"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache"),
)
_PT_INTERP: Final = 3
_LOADER_BYTES: Final = 4096

HandOver = Callable[[int], None]
"""Gives the listener of a child's notifications to whoever answers them, before it is closed here."""


class WallError(Exception):
    """There is no wall, or it can't be set; the message says why."""


class Wall:
    """A wall that is ready to be set. It is made before the fork; `set` is for a child."""

    def __init__(self, of: Architecture, kernel: Kernel, abi: int, runs: Sequence[str]) -> None:
        self._of = of
        self._kernel = kernel
        self._landlock = landlock.Landlock(kernel, abi)
        self._rules = [*_rules(_readable(), landlock.READING, abi)]
        self._rules += _rules(["/dev/null"], landlock.READ_FILE | landlock.WRITE_FILE, abi)
        self._runs = frozenset(runs)
        for path in (deno(), *self._runs):
            self._rules += _runnable(path, abi)
        self._rests = {notify: program.rest(of, abi, notify=notify) for notify in (False, True)}
        self._filters = {notify: self._filter(0, notify=notify) for notify in (False, True)}

    @property
    def descriptors(self) -> frozenset[int]:
        """The descriptors that a child has to inherit."""
        return frozenset(rule.descriptor for rule in self._rules)

    def set(self, order: Order, hand_over: HandOver) -> None:
        """Set the order's wall around this process for good. Raises WallError: then the process must not go on."""
        notify = order.wall == "notify"
        abi = self._landlock.abi
        if not notify and abi < landlock.PORTS_ABI:
            raise WallError("this kernel's Landlock knows no ports (Linux 6.7), and no notification was asked for")
        if order.door is None:
            raise WallError("there is no gate to leave open")
        try:
            self._kernel.give_up_privileges()
            # Of a container's root, the data directory may be somebody else's; files are Landlock's to hold.
            self._kernel.keep_capabilities(CAP_DAC_OVERRIDE)
            runs = [] if order.ffmpeg in self._runs else _runnable(order.ffmpeg, abi)
            own = [*runs, landlock.PathRule(order.directory, landlock.OWN_DIRECTORY, abi)]
            self._landlock.restrict([*self._rules, *own], port=None if notify else order.door.port)
            for rule in own:
                rule.close()
            self.close()
            ready = self._filters[notify]
            if abi < landlock.SCOPES_ABI:
                ready = self._filter(os.getpid(), notify=notify)
            listener = self._kernel.set_filter(ready, listening=notify)
            if listener is not None:
                hand_over(listener)
                os.close(listener)
        except OSError as error:
            raise WallError(f"the wall can't be set: {error}") from error

    def close(self) -> None:
        """Close what was inherited; no wall can be set any more."""
        for rule in self._rules:
            rule.close()

    def _filter(self, own: int, *, notify: bool) -> Filter:
        signals = program.signals(self._of, self._landlock.abi, own)
        return Filter(bpf.encoded(program.head(self._of) + signals + self._rests[notify]))


def prepare(runs: Sequence[str] = ()) -> Wall:
    """Prepare a wall in the process that is going to fork, for jobs that run these programs, as far as is known.

    Raises WallError where this kernel or processor has none.
    """
    of = this_architecture()
    if of is None or sys.platform != "linux":
        raise WallError("the wall is for Linux on x86-64 and arm64")
    kernel = Kernel(of)
    try:
        abi = landlock.version(kernel)
    except OSError as error:
        raise WallError(f"this kernel has no Landlock, or it is off ({error.strerror})") from error
    return Wall(of, kernel, abi, runs)


def deno() -> str:
    """Return where the `youtube` extra puts the JavaScript runtime."""
    return str(Path(sysconfig.get_path("scripts")) / "deno")


def _readable() -> Iterator[str]:
    """Yield the places that a child loads code, libraries, certificates and time zones from."""
    libraries = [f"{prefix}/lib" for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)]
    paths = ssl.get_default_verify_paths()
    known = [*libraries, *_LIBRARIES, *_DATA, *(each for each in (paths.cafile, paths.capath) if each)]
    places = {os.path.realpath(each) for each in known}
    covered = {each for each in places if places.isdisjoint(map(str, Path(each).parents))}
    yield from covered
    # Our own package, and others that lie elsewhere, alone: what they lie in may be a checkout with the data in it.
    yield str(Path(__file__).resolve().parent.parent)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None or "." in module.__name__:
            continue
        place = Path(os.path.realpath(file))
        if covered.isdisjoint(map(str, place.parents)):
            yield str(place.parent if hasattr(module, "__path__") else place)


def _rules(paths: Iterable[str], rights: int, abi: int) -> Iterator[landlock.PathRule]:
    for path in dict.fromkeys(paths):
        with suppress(OSError):  # it is not there
            yield landlock.PathRule(path, rights, abi)


def _runnable(path: str, abi: int) -> list[landlock.PathRule]:
    """Return the rules for a program and for the loader that it asks for."""
    return list(_rules([path, *_loader(path)], landlock.RUNNING, abi))


def _loader(path: str) -> list[str]:
    """Return the interpreter that an ELF file names (elf(5), PT_INTERP); nothing for a static program."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - of two that do the same, the quicker one
            start = file.read(_LOADER_BYTES)
        if start[:5] != b"\x7fELF\x02":
            return []
        (offset,) = struct.unpack_from("=Q", start, 32)
        size, count = struct.unpack_from("=HH", start, 54)
        for number in range(count):
            at = offset + number * size
            kind, begins, length = *struct.unpack_from("=I4xQ", start, at), *struct.unpack_from("=Q", start, at + 32)
            if kind == _PT_INTERP:
                return [os.fsdecode(start[begins : begins + length].rstrip(b"\0"))]
    except (OSError, struct.error):
        return []
    return []
