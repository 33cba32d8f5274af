from __future__ import annotations

import pytest
import trio
import trio.testing

from doradura.health import CheckResult, CheckStatus, Health, LoopLag, judge_space
from doradura.health_sentences import HealthText, Sentence

MIB = 1024**2


def finds(status: CheckStatus) -> CheckResult:
    """A result of this status."""
    return CheckResult(status, Sentence(HealthText.POLL_ANSWERED))


class Counted:
    """A check that counts how often it runs, and takes a second."""

    def __init__(self, status: CheckStatus = "ok") -> None:
        self.runs = 0
        self.status: CheckStatus = status

    async def __call__(self) -> CheckResult:
        self.runs += 1
        await trio.sleep(1)
        return finds(self.status)


def health(*statuses: CheckStatus) -> Health:
    """A running program with a check of each status."""
    made = Health("1.0", {f"check{number}": Counted(status) for number, status in enumerate(statuses)})
    made.mark_running()
    return made


@pytest.mark.parametrize(
    ("statuses", "worst", "code"),
    [
        ((), "ok", 200),
        (("ok", "ok"), "ok", 200),
        (("ok", "degraded"), "degraded", 200),
        (("degraded", "failing", "ok"), "failing", 503),
    ],
)
async def test_worst_check_is_the_status(
    autojump_clock: trio.testing.MockClock, statuses: tuple[CheckStatus, ...], worst: str, code: int
) -> None:
    """The report is as bad as its worst check; only failing is a 503."""
    report = await health(*statuses).report()
    assert (report.status, report.http_status) == (worst, code)


async def test_state_goes_before_the_checks(autojump_clock: trio.testing.MockClock) -> None:
    """Starting and draining are 503 however well the checks do; draining is shown at once and for good."""
    made = Health("1.0", {"poll": Counted()})
    assert ((await made.report()).status, (await made.report()).http_status) == ("starting", 503)
    made.mark_running()
    assert (await made.report()).status == "ok"
    made.mark_draining()
    report = await made.report()
    assert (report.status, report.http_status) == ("draining", 503)
    made.mark_running()
    assert made.state == "draining"
    assert report.checks["poll"].status == "ok"


async def test_json_shape(autojump_clock: trio.testing.MockClock) -> None:
    """The body has status, version, uptime and the checks with their facts, in this order."""

    async def disk() -> CheckResult:
        return CheckResult("degraded", Sentence(HealthText.DISK_LOW, {"left": "5 MB"}), {"free_bytes": 5})

    ticks = iter([100.0, 112.3456])
    made = Health("1.0", {"disk": disk}, clock=lambda: next(ticks))
    made.mark_running()
    body = (await made.report()).as_json()
    assert body == {
        "status": "degraded",
        "version": "1.0",
        "uptime_seconds": 12.346,
        "checks": {
            "disk": {
                "free_bytes": 5,
                "status": "degraded",
                "message": "5 MB free in the data directory: large downloads may fail",
            }
        },
    }
    assert list(body) == ["status", "version", "uptime_seconds", "checks"]
    assert type(body["checks"]["disk"]["message"]) is str


async def test_gauge_values(autojump_clock: trio.testing.MockClock) -> None:
    """ok, degraded and failing are 1, 0.5 and 0."""
    report = await health("ok", "degraded", "failing").report()
    assert report.gauge_values() == {"check0": 1.0, "check1": 0.5, "check2": 0.0}


async def test_what_is_not_open_yet_rings_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """A database that a starting or draining program has not open is no value; a running one's is 0."""

    async def closed() -> CheckResult:
        await trio.lowlevel.checkpoint()
        return CheckResult("failing", Sentence(HealthText.DATABASE_CLOSED), {"reason": "closed"})

    async def waits() -> CheckResult:
        await trio.lowlevel.checkpoint()
        return CheckResult("failing", Sentence(HealthText.WRITE_WAITS, {"seconds": "9"}), {"reason": "waits"})

    made = Health("1.0", {"storage": closed, "other": waits})
    assert (await made.report()).gauge_values() == {"other": 0.0}
    made.mark_running()
    assert (await made.report()).gauge_values() == {"storage": 0.0, "other": 0.0}
    made.mark_draining()
    assert (await made.report()).gauge_values() == {"other": 0.0}


async def test_silent_check_is_a_finding(autojump_clock: trio.testing.MockClock) -> None:
    """A check that hangs ends after two seconds: failing, or degraded where it looks outside this machine."""

    async def hangs() -> CheckResult:
        await trio.sleep_forever()
        raise AssertionError

    made = Health("1.0", {"storage": hangs, "sites": hangs, "poll": Counted()}, outside={"sites"})
    began = trio.current_time()
    report = await made.report()
    assert trio.current_time() - began == pytest.approx(2.0)
    assert {name: found.status for name, found in report.checks.items()} == {
        "storage": "failing",
        "sites": "degraded",
        "poll": "ok",
    }
    assert "no answer within" in str(report.checks["storage"].message)


async def test_broken_check_is_a_finding(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A check that raises is failing, logged and counted once; its neighbours' results stand."""

    async def breaks() -> CheckResult:
        raise ZeroDivisionError

    broke: list[None] = []
    made = Health("1.0", {"storage": breaks, "poll": Counted()}, broke=lambda: broke.append(None))
    report = await made.report()
    assert report.checks["storage"].status == "failing"
    assert "ZeroDivisionError" in str(report.checks["storage"].message)
    assert report.checks["poll"].status == "ok"
    assert [record.message for record in caplog.records] == ["a health check broke"]
    assert len(broke) == 1


async def test_calls_share_a_run_and_its_result(autojump_clock: trio.testing.MockClock) -> None:
    """Twenty probes at once run each check once; within a second the answer is given again, then made anew."""
    check = Counted()
    made = Health("1.0", {"poll": check})
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(made.report)
    assert check.runs == 1
    await trio.sleep(0.9)
    await made.report()
    assert check.runs == 1
    await trio.sleep(0.2)
    await made.report()
    assert check.runs == 2


async def test_cancelled_probe_leaves_the_run_to_the_next(autojump_clock: trio.testing.MockClock) -> None:
    """A client that hangs up in the middle doesn't leave the others without an answer."""
    check = Counted()
    made = Health("1.0", {"poll": check})
    made.mark_running()
    with trio.move_on_after(0.5) as scope:
        await made.report()
    assert scope.cancelled_caught
    assert (await made.report()).status == "ok"
    assert check.runs == 2


async def test_loop_lag_is_measured_and_remembered_for_a_minute(mock_clock: trio.testing.MockClock) -> None:
    """A timer that runs late is observed, the worst of a minute decides, and a minute later it is forgotten."""
    observed: list[float] = []
    lag = LoopLag(observed.append)

    async def tick(seconds: float) -> CheckResult:
        mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()
        return await lag.check()

    assert (await lag.check()).status == "failing"
    async with trio.open_nursery() as nursery:
        await nursery.start(lag.run)
        assert (await tick(0.1)).status == "ok"
        found = await tick(0.1 + 0.7)
        assert (found.status, found.facts) == ("degraded", {"worst_lag_seconds": 0.7})
        assert (await tick(0.1)).facts == {"worst_lag_seconds": 0.7}
        assert (await tick(0.1 + 6.0)).status == "failing"
        for _ in range(55):
            found = await tick(0.1 + 1.0)
        assert found.status == "degraded"
        assert found.facts == {"worst_lag_seconds": 1.0}
        for _ in range(601):
            found = await tick(0.1)
        assert found.status == "ok"
        nursery.cancel_scope.cancel()
    assert (await lag.check()).status == "failing"
    assert observed[:4] == [pytest.approx(late) for late in (0.0, 0.7, 0.0, 6.0)]


async def test_lag_that_lasts_counts_before_it_ends(mock_clock: trio.testing.MockClock) -> None:
    """A timer overdue right now is as bad as one that came late."""
    lag = LoopLag(lambda _lag: None)
    async with trio.open_nursery() as nursery:
        await nursery.start(lag.run)
        mock_clock.jump(0.1 + 2.0)
        found = await lag.check()
        nursery.cancel_scope.cancel()
    assert found.facts == {"worst_lag_seconds": 2.0}


async def test_a_pause_of_the_process_is_no_fault_of_the_loop(mock_clock: trio.testing.MockClock) -> None:
    """Lateness while the process did not run is observed, shown for a minute and not judged; the rest of it is."""
    observed: list[float] = []
    paused = 0.0
    lag = LoopLag(observed.append, paused=lambda: paused)
    async with trio.open_nursery() as nursery:
        await nursery.start(lag.run)
        paused += 30.0
        mock_clock.jump(0.1 + 30.0)
        early = await lag.check()  # before the loop's own timer ran
        await trio.testing.wait_all_tasks_blocked()
        found = await lag.check()
        paused += 4.0
        mock_clock.jump(0.1 + 10.0)
        await trio.testing.wait_all_tasks_blocked()
        blocked = await lag.check()
        for _ in range(601):
            mock_clock.jump(0.1)
            await trio.testing.wait_all_tasks_blocked()
        later = await lag.check()
        nursery.cancel_scope.cancel()
    assert early == found
    assert (found.status, found.facts) == ("ok", {"worst_lag_seconds": 0.0, "paused_seconds": 30.0})
    assert "stopped or the machine asleep" in str(found.message)
    assert (blocked.status, blocked.facts["worst_lag_seconds"]) == ("failing", 6.0)
    assert (later.status, later.facts) == ("ok", {"worst_lag_seconds": 0.0})
    assert observed[:2] == [pytest.approx(30.0), pytest.approx(10.0)]


@pytest.mark.parametrize(
    ("free", "status"),
    [
        (0, "failing"),
        (100 * MIB - 1, "failing"),
        (100 * MIB, "degraded"),
        (1024 * MIB - 1, "degraded"),
        (1024 * MIB, "ok"),
    ],
)
def test_free_space_is_judged(free: int, status: str) -> None:
    """Under 100 MiB nothing works any more, under 1 GiB large files don't."""
    found = judge_space(free, 5000 * MIB)
    assert found.status == status
    assert found.facts == {"free_bytes": free, "total_bytes": 5000 * MIB}
