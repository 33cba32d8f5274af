"""The checks of /health that ask other parts: the poll, the alerts, the workers. Each judges what its part reports.

Knows the parts' public state and `health.CheckResult`; checks that need no part of ours (disk, loop) are in `health`,
the database's is `storage_check`. "Failing" is what a restart or a person on this machine can fix; "degraded" is a
fault outside. Nothing here is a constant: a check that measured nothing says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec
import trio

from doradura.alerts import AlertDelivery
from doradura.alerts.delivery import Trouble
from doradura.clock import Clock
from doradura.descriptors import NO_DESCRIPTORS, out_of_descriptors
from doradura.downloads.worker_slots import Slot, WorkerSlots
from doradura.downloads.workspace import Workspace
from doradura.health import CheckResult, CheckStatus, Fact
from doradura.health_sentences import HealthText, Listed, Sentence, Value
from doradura.media.protocol import Failure, SelfTest, WorkerLostError
from doradura.settings import AlertChat
from doradura.storage import Connection, Storage, StorageError, alerts, outbox
from doradura.storage.ids import IdMaker
from doradura.telegram.holds import ActiveHold
from doradura.telegram.pacing import EVERY_CHAT, Pacer
from doradura.telegram.poller import Poller
from doradura.workers.gate import Gate
from doradura.workers.interface import Workers
from doradura.workers.wall import Standing

POLL_SILENCE_SECONDS = 120.0
UNDELIVERED_SECONDS = 300.0
"""The same as in the alert AlertDeliveryStalled."""
GIVEN_UP_MS = 24 * 3600 * 1000
"""How long a message that was given up is shown: it was our fault, or that of an alert's texts, and is over."""
YTDLP_OLD_DAYS = 45
"""The same as in the alert YtDlpOld."""
HELD_UP_SECONDS = 600.0
"""How long a user without a worker slot may wait for one before that is shown as a fault."""
SELF_TEST_SECONDS = 300.0
SELF_TEST_RETRY_SECONDS = 15.0
SELF_TEST_TIMEOUT_SECONDS = 30.0
OVERSLEPT_SECONDS = 10.0
"""A timeout that fires later than this shows that the process was stopped meanwhile."""

_POLL_FAULTS: Mapping[str, HealthText] = {
    "unreachable": HealthText.POLL_UNREACHABLE,
    "conflict": HealthText.POLL_CONFLICT,
    "rate_limited": HealthText.POLL_RATE_LIMITED,
    "store_failing": HealthText.POLL_STORE_FAILING,
}

log = logging.getLogger(__name__)


async def poll_check(poller: Callable[[], Poller | None], pacer: Pacer) -> CheckResult:
    """Report when Telegram last answered a poll, and which calls it told the bot to wait with."""
    part = poller()
    ago = None if part is None or part.last_poll_at is None else trio.current_time() - part.last_poll_at
    held = _holds(part, pacer)
    facts: dict[str, Fact] = {
        "last_poll_seconds_ago": None if ago is None else round(ago, 1),
        "state": "starting" if part is None else part.state,
        "held": ", ".join(hold.what for hold in held) or None,
        "held_seconds_left": round(max(hold.seconds_left for hold in held), 1) if held else None,
        "chats_told_to_wait": len(pacer.held_chats()),
    }
    if held:
        holds = Listed(HealthText.AND, tuple(map(_hold_sentence, held)))
        return CheckResult("degraded", Sentence(HealthText.TELEGRAM_HOLDS, {"holds": holds}), facts)
    if part is None or ago is None:
        return CheckResult("degraded", Sentence(HealthText.NOT_POLLED), facts)
    if part.state == "unreachable" and out_of_descriptors():
        said = Sentence(HealthText.NO_DESCRIPTORS_FOR_TELEGRAM, {"reason": NO_DESCRIPTORS})
        return CheckResult("degraded", said, facts)
    if part.state in _POLL_FAULTS:
        return CheckResult("degraded", Sentence(_POLL_FAULTS[part.state]), facts)
    if ago > POLL_SILENCE_SECONDS:
        return CheckResult("degraded", Sentence(HealthText.POLL_SILENT, {"seconds": f"{ago:.0f}"}), facts)
    return CheckResult("ok", Sentence(HealthText.POLL_ANSWERED), facts)


def _hold_sentence(hold: ActiveHold) -> Sentence:
    seconds = f"{hold.seconds_left:.0f}"
    if hold.what == EVERY_CHAT:
        return Sentence(HealthText.CHATS_HELD, {"seconds": seconds})
    return Sentence(HealthText.METHOD_HELD, {"method": hold.what, "seconds": seconds})


def _holds(part: Poller | None, pacer: Pacer) -> list[ActiveHold]:
    """Return the holds beyond single chats; a wait of one chat concerns only that chat."""
    held = {hold.what: hold for hold in pacer.holds()}
    poll = None if part is None else part.hold()
    if poll is not None:
        held[poll.what] = poll
    return list(held.values())


class AlertsCheck:
    """Checks whom alerts reach, and what waits to be sent."""

    def __init__(
        self,
        chats: Collection[AlertChat],
        storage: Storage,
        delivery: Callable[[], AlertDelivery | None],
        *,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._chats = tuple(chats)
        self._storage = storage
        self._delivery = delivery

    async def check(self) -> CheckResult:
        """Report whether accepted alerts are sent, and to everybody."""
        facts: dict[str, Fact] = {"chats": len(self._chats)}
        if not self._chats:
            return CheckResult("degraded", Sentence(HealthText.NO_ADMIN), facts)
        delivery = self._delivery()
        if delivery is None or not self._storage.is_open:
            return CheckResult("degraded", Sentence(HealthText.ALERTS_NOT_TOLD), facts)
        try:
            found = await self._storage.read(lambda db: _undelivered(db, self._clock()))
        except StorageError as error:
            return CheckResult("degraded", Sentence(HealthText.WAITING_UNKNOWN, {"error": str(error)}), facts)
        facts |= {
            "waiting": found.waiting,
            "oldest_seconds": round(found.oldest_seconds, 1),
            "given_up": found.given_up,
            "unreachable": ", ".join(target.place for target in found.refused) or None,
        }
        status, message = _judge_delivery(found, delivery.trouble)
        advice = None if found.monitored else Sentence(HealthText.UNMONITORED)
        return CheckResult(status, _with_given_up(message, found), facts, advice)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Undelivered:
    targets: Sequence[outbox.Target]
    waiting: int
    oldest_seconds: float
    given_up: int
    last_error: str
    monitored: bool
    """Whether a watchdog has ever arrived."""

    @property
    def refused(self) -> list[outbox.Target]:
        return [target for target in self.targets if target.fault is not None]


def _undelivered(db: Connection, now_ms: int) -> _Undelivered:
    oldest = outbox.oldest_ms(db)
    age_seconds = 0.0 if oldest is None else max(0.0, (now_ms - oldest) / 1000)
    given_up, last_error = outbox.given_up_since(db, now_ms - GIVEN_UP_MS)
    monitored = alerts.watchdog_seen_ms(db) is not None
    return _Undelivered(
        targets=outbox.targets(db),
        waiting=outbox.depth(db),
        oldest_seconds=age_seconds,
        given_up=given_up,
        last_error=last_error,
        monitored=monitored,
    )


def _judge_delivery(found: _Undelivered, trouble: Trouble | None) -> tuple[CheckStatus, Sentence]:
    if found.oldest_seconds > UNDELIVERED_SECONDS:
        # If Telegram does not answer, or no chat lets us write, this machine is not at fault and no restart helps.
        nobody = len(found.refused) == len(found.targets) and trouble is None
        values = {"seconds": f"{found.oldest_seconds:.0f}"}
        if trouble == "telegram" or nobody:
            return "degraded", Sentence(HealthText.ALERT_NOT_ACCEPTED, values)
        return "failing", Sentence(HealthText.ALERT_NOT_SENT, values)
    if found.refused:
        return "degraded", Sentence(HealthText.CHATS_REFUSED, {"chats": _refusals(found.refused)})
    return "ok", Sentence(HealthText.CHATS_REACHED)


def _with_given_up(delivery: Sentence, found: _Undelivered) -> Sentence:
    """Say after the state of the delivery what was given up.

    It is over, and AlertsGivenUp has reported it. If it kept the check degraded for a day, the status could not change
    when an admin blocks the bot.
    """
    if not found.given_up:
        return delivery
    values: dict[str, Value] = {"delivery": delivery, "error": found.last_error}
    return Sentence(HealthText.NOTICE_GIVEN_UP, values, count=found.given_up)


def _refusals(refused: Sequence[outbox.Target]) -> Listed:
    """Name the chats that can't be reached, each kind with what helps."""
    kinds: dict[tuple[bool, HealthText], list[str]] = {}
    for target in refused:
        is_admin = target.chat_id > 0
        kinds.setdefault((is_admin, _remedy(target)), []).append(f"{target.place}: {target.fault}")
    said = []
    for (is_admin, remedy), who in kinds.items():
        values: dict[str, Value] = {"who": Listed(HealthText.AND, tuple(who)), "remedy": remedy}
        said.append(Sentence(HealthText.ADMIN_REFUSED if is_admin else HealthText.CHAT_REFUSED, values))
    return Listed(HealthText.AND_TO, tuple(said))


def _remedy(target: outbox.Target) -> HealthText:
    """Say what makes a chat reachable again."""
    if target.topic_id and "thread" in (target.fault or "").lower():
        return HealthText.TOPIC_GONE
    if target.chat_id > 0:
        return HealthText.ADMIN_MUST_START
    return HealthText.CHAT_MUST_ADMIT


class WorkerSelfTest:
    """Makes a worker run a job that needs no network, at the start and every few minutes.

    Also reports whether the gate runs, without which no worker can fetch anything; None where there is no gate.
    """

    def __init__(
        self,
        workers: Workers,
        worker_slots: WorkerSlots,
        workspace: Workspace,
        ids: IdMaker,
        *,
        gate: Gate | None = None,
    ) -> None:
        self._gate = gate
        self._workers = workers
        self._worker_slots = worker_slots
        self._workspace = workspace
        self._ids = ids
        self._fault: Value | None = None
        self._answer: SelfTest | None = None
        self._tested_at: float | None = None
        self._seconds = 0.0
        self._suspected = trio.Event()
        self.standing: Standing | None = None
        """The wall around workers, once that is proven."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Test until cancelled; `started()` after the first test, whatever its result."""
        while True:
            # If every slot is taken, workers are working: that is test enough, and their number must not be exceeded.
            suspected, self._suspected = self._suspected.is_set(), trio.Event()
            if self._worker_slots.free > 0 or self._tested_at is None or suspected:
                while not await self._test():
                    log.info("the process was paused during the worker self-test; repeating it")
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            with trio.move_on_after(SELF_TEST_SECONDS if self._fault is None else SELF_TEST_RETRY_SECONDS):
                await self._suspected.wait()

    def suspect(self) -> None:
        """Test soon: a job failed in a way that may be this machine's fault."""
        self._suspected.set()

    async def _test(self) -> bool:
        """Test once; return False if the process was paused meanwhile, which says nothing about workers."""
        started = trio.current_time()
        number = self._ids.new()
        slot = Slot(self._worker_slots)
        fault: Value | None = Sentence(HealthText.NO_ANSWER, {"seconds": f"{SELF_TEST_TIMEOUT_SECONDS:.0f}"})
        try:
            with trio.move_on_after(SELF_TEST_TIMEOUT_SECONDS):
                # If every slot is taken the test uses none: a suspicion must not wait for hours, and the test is short.
                if self._worker_slots.free > 0:
                    await slot.acquire()
                fault = await self._ask(number)
        except WorkerLostError as error:
            fault = str(error)
        except OSError as error:
            values = {"error": str(error.strerror or error), "path": str(error.filename or self._workspace.root)}
            fault = Sentence(HealthText.SELF_TEST_UNPLACED, values)
        finally:
            slot.release()
            await self._workspace.remove(number)
        self._seconds = trio.current_time() - started
        if fault is not None and self._seconds > SELF_TEST_TIMEOUT_SECONDS + OVERSLEPT_SECONDS:
            return False
        self._fault, self._tested_at = fault, trio.current_time()
        if fault is not None:
            log.error("worker self-test failed", extra={"fault": str(fault)})
        return True

    async def _ask(self, number: int) -> Value | None:
        order = self._workspace.selftest(number, await self._workspace.fresh(number))
        async with self._workers.work(order) as conversation:
            async for message in conversation:
                if isinstance(message, SelfTest):
                    self._answer = message
                    return None if message.guarded else HealthText.SELF_TEST_UNGUARDED
                if isinstance(message, Failure):
                    return f"{message.reason}: {message.detail}"
        return HealthText.SELF_TEST_UNANSWERED

    async def check(self) -> CheckResult:
        """Report the result of the last test."""
        if self._tested_at is None:
            return CheckResult("degraded", Sentence(HealthText.SELF_TEST_RUNS), {})
        users, waited = self._worker_slots.longest_wait()
        facts: dict[str, Fact] = {
            "tested_seconds_ago": round(trio.current_time() - self._tested_at, 1),
            "test_seconds": round(self._seconds, 3),
            "busy": self._worker_slots.taken,
            "places": self._worker_slots.total,
            "users_waiting": users,
            "longest_wait_seconds": round(waited, 1),
        }
        if self._answer is not None:
            facts |= {key: value for key, value in msgspec.to_builtins(self._answer).items() if key != "type"}
        if self._gate is not None:
            facts["gate_starts"] = self._gate.starts
            if self._gate.fault is not None:
                return CheckResult("failing", Sentence(HealthText.GATE_DOWN, {"fault": self._gate.fault}), facts)
        if self._fault is not None:
            return CheckResult("failing", Sentence(HealthText.SELF_TEST_FAILED, {"fault": self._fault}), facts)
        if waited >= HELD_UP_SECONDS:
            said = Sentence(HealthText.USER_WAITS, {"minutes": f"{waited / 60:.0f}"}, count=users)
            return CheckResult("degraded", said, facts)
        passed = Sentence(HealthText.SELF_TEST_PASSED)
        if self._answer is not None and self._answer.wall != "hook":
            passed = Sentence(HealthText.SELF_TEST_PASSED_WALLED, {"kind": self._answer.wall})
        return CheckResult("ok", passed, facts, self._advice())

    def _advice(self) -> Sentence | None:
        advice: list[Sentence | None] = []
        if self._answer is not None:
            advice.append(old_ytdlp(self._answer.yt_dlp, datetime.now(UTC).date()))
        if self.standing is not None and self.standing.kind == "hook":
            advice.append(Sentence(HealthText.NO_WALL, {"reason": self.standing.why}))
        elif self._answer is not None and self._answer.wall != "hook" and not self._answer.impersonation:
            advice.append(Sentence(HealthText.NO_IMPERSONATION))
        given = [sentence for sentence in advice if sentence is not None]
        if len(given) > 1:
            return Sentence(HealthText.AND, {"first": given[0], "next": given[1]})
        return given[0] if given else None


def old_ytdlp(version: str, today: date) -> Sentence | None:
    """Return what to do about a yt-dlp of this version, which is its date; None if it is recent or has no date."""
    found = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(?:\.|$)", version)
    try:
        days = (today - date(*map(int, found.groups()))).days if found else 0
    except ValueError:
        return None
    if days <= YTDLP_OLD_DAYS:
        return None
    return Sentence(HealthText.YTDLP_A_DAY_OLD, count=days)
