"""How much memory the bot and its workers may use together, and how much of it is left, according to Linux.

It is the tightest limit of the machine and of the control groups that the process is in (a container's or a service's,
version 1 or 2). Memory that the kernel can free at once, the caches of files that are not in use, counts as left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_FAMILIES = {
    "process_memory_limit_bytes": "Memory for the bot and its workers.",
    "process_memory_available_bytes": "How much of that is left, caches of files counted as left.",
}


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes."""

    limit_bytes: int
    available_bytes: int


def measure(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Memory | None:
    """Return the limit and what is left; None if the system does not say (not Linux, nothing mounted there).

    It reads a few files of the kernel's, none of which lies on a disk.
    """
    found = [*_machine(proc), *_groups(proc, cgroups)]
    if not found:
        return None
    # The smallest rest in percent: that limit will be reached first.
    return min(found, key=lambda one: one.available_bytes / one.limit_bytes)


def _machine(proc: Path) -> Iterator[Memory]:
    sizes = _fields(proc / "meminfo")
    total, left = sizes.get("MemTotal:"), sizes.get("MemAvailable:")
    if total and left is not None:
        yield Memory(total * 1024, min(left, total) * 1024)


def _groups(proc: Path, cgroups: Path) -> Iterator[Memory]:
    """Yield each group that sets a limit: the process's own, and those around it."""
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            yield from _limited(cgroups, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _limited(cgroups / "memory", path, *names)


def _limited(root: Path, path: str, limit_name: str, used_name: str, cache: str) -> Iterator[Memory]:
    directory = root / path.lstrip("/")
    # In a container the path may be the host's, which does not exist there: its own group is then the root.
    for group in (directory, *directory.parents):
        if not group.is_relative_to(root):
            return
        limit, used = _text(group / limit_name).strip(), _text(group / used_name).strip()
        # "max", and in version 1 a number beyond all machines, means that there is no limit.
        if limit.isdecimal() and used.isdecimal() and 0 < int(limit) < 2**60:
            left = int(limit) - int(used) + _fields(group / "memory.stat").get(cache, 0)
            yield Memory(int(limit), max(0, min(left, int(limit))))


def _fields(path: Path) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


class MemoryCollector(Collector):
    """Measures at each scrape; there is no sample if nothing can be measured."""

    def __init__(self, registry: CollectorRegistry) -> None:
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Name the families, so that the registry refuses a second one of the same name."""
        return [GaugeMetricFamily(name, documentation) for name, documentation in _FAMILIES.items()]

    def collect(self) -> Iterable[Metric]:
        """Measure, and return the families."""
        found = measure()
        values = (None, None) if found is None else (found.limit_bytes, found.available_bytes)
        return [
            GaugeMetricFamily(name, documentation, value=value)
            for (name, documentation), value in zip(_FAMILIES.items(), values, strict=True)
        ]
