"""What the kernel's files say of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from doradura.metrics.memory import Memory, measure

MEMINFO = "MemTotal:       8000000 kB\nMemFree: 1 kB\nMemAvailable:   6000000 kB\n"
MACHINE = Memory(8_000_000 * 1024, 6_000_000 * 1024)
GB = 10**9


def put(root: Path, files: dict[str, str]) -> None:
    """Write files, directories included."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def group(where: str, limit: str, used: int, cache: int = 0) -> dict[str, str]:
    """The files of a group of version 2."""
    return {
        f"cgroup/{where}memory.max": f"{limit}\n",
        f"cgroup/{where}memory.current": f"{used}\n",
        f"cgroup/{where}memory.stat": f"anon 1\ninactive_file {cache}\n",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/meminfo": MEMINFO}, MACHINE),
        ({"proc/meminfo": "MemTotal: many kB\n"}, None),
        ({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n", **group("", "max", GB)}, MACHINE),
        (
            {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n", **group("", str(GB), 9 * GB // 10, GB // 10)},
            Memory(GB, GB // 5),
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "0::/system.slice/bot.service\n",
                **group("system.slice/bot.service/", "max", GB),
                **group("system.slice/", str(2 * GB), 2 * GB + 1),
            },
            Memory(2 * GB, 0),
        ),
        (
            {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/docker/of-the-host\n", **group("", str(GB), GB // 2)},
            Memory(GB, GB // 2),
        ),
        (
            {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/../../..\n", **group("", "max", 5)},
            MACHINE,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/x\n0::/\n",
                "cgroup/memory/memory.limit_in_bytes": str(GB),
                "cgroup/memory/memory.usage_in_bytes": str(GB),
                "cgroup/memory/memory.stat": f"total_inactive_file {GB // 4}\n",
            },
            Memory(GB, GB // 4),
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "4:memory:/\n",
                "cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "cgroup/memory/memory.usage_in_bytes": "5",
            },
            MACHINE,
        ),
    ],
    ids=[
        *("nothing", "the machine", "nonsense", "no limit", "a container", "a slice around the service"),
        *("the host's path", "a path upwards", "version 1", "no limit in version 1"),
    ],
)
def test_the_tightest_limit_counts(files: dict[str, str], expected: Memory | None, tmp_path: Path) -> None:
    """The machine, or the group that has the least left of its limit; caches of files count as left."""
    put(tmp_path, files)
    assert measure(tmp_path / "proc", tmp_path / "cgroup") == expected
