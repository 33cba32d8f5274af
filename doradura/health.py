"""What /health reports: named checks, each measured when asked, and the worst of them.

Knows nothing else of ours but the sentences: the checks are passed in. "Failing" is what a restart or a person on this
machine can fix; "degraded" is a fault outside. A check that doesn't answer in time is a result too.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import trio

from doradura.health_sentences import HealthText, Sentence

log = logging.getLogger(__name__)

CheckStatus = Literal["ok", "degraded", "failing"]
State = Literal["starting", "running", "draining"]
ReportStatus = Literal[CheckStatus, "starting", "draining"]
CheckName = Literal["poll", "storage", "worker", "disk", "alerts", "loop"]
CHECKS: Final[tuple[CheckName, ...]] = get_args(CheckName)
"""Every check of /health; each has a series of the gauge, a rule, and a text that says what to do."""

GAUGE: Mapping[CheckStatus, float] = {"ok": 1.0, "degraded": 0.5, "failing": 0.0}

CHECK_SECONDS = 2.0
KEEP_SECONDS = 1.0
"""How long the results are reused: probes and scrapes often come together."""

TICK_SECONDS = 0.1
LAG_WINDOW_SECONDS = 60.0
LAG_DEGRADED_SECONDS = 0.5
LAG_FAILING_SECONDS = 5.0

DISK_FAILING_BYTES = 100 * 1024 * 1024
DISK_DEGRADED_BYTES = 1024 * 1024 * 1024


Fact = int | float | str | bool | None
"""A value that a check measured; /health shows it under its name beside the status."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: a status, a sentence for people, and numbers for machines."""

    status: CheckStatus
    message: Sentence
    facts: Mapping[str, Fact] = field(default_factory=dict)
    advice: Sentence | None = None
    """A recommendation, for a check that may well be ok. It is shown and does not affect the status."""


Check = Callable[[], Awaitable[CheckResult]]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The content of /health."""

    status: ReportStatus
    version: str
    uptime_seconds: float
    checks: Mapping[str, CheckResult]

    @property
    def http_status(self) -> int:
        """200 if requests and work are welcome, else 503."""
        return 200 if self.status in ("ok", "degraded") else 503

    def as_json(self) -> dict[str, Any]:
        """Return the report as the body of /health: plain types, each check's facts beside its status and message.

        A check with a recommendation has it under `advice`.
        """
        return {
            "status": self.status,
            "version": self.version,
            "uptime_seconds": round(self.uptime_seconds, 3),
            "checks": {name: _as_json(found) for name, found in self.checks.items()},
        }

    def gauge_values(self) -> dict[str, float]:
        """Return check -> 1, 0.5 or 0, for doradura_health_status.

        A part that is closed while the program starts or drains has no value: that is not a fault, and a restarting bot
        would fire an alert about its database.
        """
        closed = self.status in ("starting", "draining")
        return {
            name: GAUGE[found.status]
            for name, found in self.checks.items()
            if not (closed and found.facts.get("reason") == "closed")
        }


def _as_json(found: CheckResult) -> dict[str, Any]:
    said = {**found.facts, "status": found.status, "message": str(found.message)}
    return said if found.advice is None else {**said, "advice": str(found.advice)}


class Health:
    """The program's state and its checks.

    A check in `outside` concerns something beyond this machine: if it does not answer, it is degraded; any other is
    failing. `broke` is called once for each check that raised, which none should.
    """

    def __init__(
        self,
        version: str,
        checks: Mapping[str, Check],
        *,
        outside: Collection[str] = (),
        broke: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._version = version
        self._checks = checks
        self._outside = frozenset(outside)
        self._broke = broke
        self._clock = clock
        self._began = clock()
        self._state: State = "starting"
        self._lock = trio.Lock()
        self._kept: dict[str, CheckResult] = {}
        self._checked_at: float | None = None

    @property
    def state(self) -> State:
        """Whether the program is starting, running or draining."""
        return self._state

    @property
    def uptime_seconds(self) -> float:
        """Seconds since this object was made."""
        return self._clock() - self._began

    def mark_running(self) -> None:
        """Record that everything has started. A program that is already draining stays so."""
        if self._state == "starting":
            self._state = "running"

    def mark_draining(self) -> None:
        """Record that no new work is accepted; this is final."""
        self._state = "draining"

    async def report(self) -> HealthReport:
        """Run the checks, or return the last results while they are fresh. Simultaneous callers share one run.

        The program's state is always the present one.
        """
        async with self._lock:
            if self._checked_at is None or trio.current_time() - self._checked_at >= KEEP_SECONDS:
                self._kept = await self._run_checks()
                self._checked_at = trio.current_time()
            found = self._kept
        worst: CheckStatus = min((item.status for item in found.values()), key=GAUGE.__getitem__, default="ok")
        status: ReportStatus = worst if self._state == "running" else self._state
        return HealthReport(status, self._version, self.uptime_seconds, found)

    async def _run_checks(self) -> dict[str, CheckResult]:
        found: dict[str, CheckResult] = {}
        async with trio.open_nursery() as nursery:
            for name, check in self._checks.items():
                nursery.start_soon(self._run_check, name, check, found)
        return {name: found[name] for name in self._checks}

    async def _run_check(self, name: str, check: Check, found: dict[str, CheckResult]) -> None:
        """Run one check within its time. A barrier: a check that raises is a result, not the end of the program."""
        silent: CheckStatus = "degraded" if name in self._outside else "failing"
        found[name] = CheckResult(silent, Sentence(HealthText.NO_ANSWER, {"seconds": f"{CHECK_SECONDS:g}"}))
        try:
            with trio.move_on_after(CHECK_SECONDS):
                found[name] = await check()
        except Exception as error:
            log.exception("a health check broke", extra={"check": name})
            self._broke()
            found[name] = CheckResult(silent, Sentence(HealthText.CHECK_BROKE, {"error": type(error).__name__}))


class _Worst:
    """The largest value of the last minute."""

    def __init__(self) -> None:
        # (time, value), each smaller than the ones before it: the first is the largest that is still recent enough.
        self._kept: deque[tuple[float, float]] = deque()

    def note(self, now: float, figure: float) -> None:
        while self._kept and self._kept[-1][1] <= figure:
            self._kept.pop()
        self._kept.append((now, figure))

    def at(self, now: float) -> float:
        while self._kept and self._kept[0][0] < now - LAG_WINDOW_SECONDS:
            self._kept.popleft()
        return self._kept[0][1] if self._kept else 0.0


class LoopLag:
    """Measures how late the event loop runs a timer: all other timers, polls and requests are late by the same.

    `paused` returns the seconds so far in which this process did not run at all. They are observed, as users wait for
    them too, but not judged: a stopped process or a sleeping machine is not the loop's fault, and no restart helps.
    """

    def __init__(self, observe: Callable[[float], None], *, paused: Callable[[], float] = lambda: 0.0) -> None:
        self._observe = observe
        self._paused = paused
        self._paused_before = 0.0
        self._due: float | None = None
        self._lags = _Worst()
        self._pauses = _Worst()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Measure until cancelled."""
        self._due, self._paused_before = trio.current_time() + TICK_SECONDS, self._paused()
        task_status.started()
        try:
            while True:
                await trio.sleep_until(self._due)
                now = trio.current_time()
                self._observe(max(0.0, now - self._due))
                lag, pause = self._late(now)
                self._lags.note(now, lag)
                self._pauses.note(now, pause)
                self._due, self._paused_before = now + TICK_SECONDS, self._paused_before + pause
        finally:
            self._due = None

    def _late(self, now: float) -> tuple[float, float]:
        """Return how late the timer is through the loop's fault, and how long the process was paused meanwhile."""
        assert self._due is not None
        pause = self._paused() - self._paused_before
        return max(0.0, now - self._due - pause), pause

    async def check(self) -> CheckResult:
        """Judge the worst lag of the last minute, including one that lasts right now."""
        await trio.lowlevel.checkpoint()
        if self._due is None:
            return CheckResult("failing", Sentence(HealthText.LOOP_UNMEASURED))
        now = trio.current_time()
        lag, pause = self._late(now)
        worst, pause = max(self._lags.at(now), lag), max(self._pauses.at(now), pause)
        facts = {"worst_lag_seconds": round(worst, 4)} | ({"paused_seconds": round(pause, 1)} if pause else {})
        if worst >= LAG_FAILING_SECONDS:
            return CheckResult("failing", Sentence(HealthText.LOOP_BLOCKED, {"seconds": f"{worst:.1f}"}), facts)
        if worst >= LAG_DEGRADED_SECONDS:
            return CheckResult("degraded", Sentence(HealthText.LOOP_LATE, {"seconds": f"{worst:.2f}"}), facts)
        if pause:
            return CheckResult("ok", Sentence(HealthText.LOOP_PAUSED, {"seconds": f"{pause:.1f}"}), facts)
        return CheckResult("ok", Sentence(HealthText.LOOP_ON_TIME), facts)


class DiskSpace:
    """Measures the free space at a directory, and reports each value to `measured`."""

    def __init__(self, path: Path, *, measured: Callable[[int], None] = lambda _free_bytes: None) -> None:
        self._path = path
        self._measured = measured
        # One thread at most: a dead network disk occupies it, and must not take another one with every check.
        self._limiter = trio.CapacityLimiter(1)

    async def check(self) -> CheckResult:
        """Judge the free space. If cancelled, the thread is abandoned: statvfs can't be interrupted."""
        try:
            found = await trio.to_thread.run_sync(os.statvfs, self._path, abandon_on_cancel=True, limiter=self._limiter)
        except OSError as error:
            return CheckResult("failing", Sentence(HealthText.DISK_UNREADABLE, {"error": str(error.strerror)}))
        free = found.f_bavail * found.f_frsize
        self._measured(free)
        return judge_space(free, found.f_blocks * found.f_frsize)


def _space_text(size_bytes: int) -> str:
    """Return a size in MB or GB (powers of ten). This module must not import the chat's texts."""
    if size_bytes < 999_500_000:
        return f"{size_bytes / 1000**2:.0f} MB"
    return f"{size_bytes / 1000**3:,.1f} GB"


def judge_space(free_bytes: int, total_bytes: int) -> CheckResult:
    """Judge free space in bytes, as available to an unprivileged user."""
    facts = {"free_bytes": free_bytes, "total_bytes": total_bytes}
    values = {"left": _space_text(free_bytes)}
    if free_bytes < DISK_FAILING_BYTES:
        return CheckResult("failing", Sentence(HealthText.DISK_FULL, values), facts)
    if free_bytes < DISK_DEGRADED_BYTES:
        return CheckResult("degraded", Sentence(HealthText.DISK_LOW, values), facts)
    return CheckResult("ok", Sentence(HealthText.DISK_FREE, values), facts)
