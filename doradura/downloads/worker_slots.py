"""The worker slots: who holds them, who waits for one, and which download gives its slot up.

Owns every slot. A free slot goes to the waiting user who holds the fewest, then to whoever came first. One user may
hold all slots while nobody else waits. When somebody else has waited long enough, the user who holds more than their
share gives up the slot of their youngest download (`WorkerSlots.choose_to_give_up`), and the supervisor queues that
download again. Two rules keep slots from changing hands for ever: a download that gave its slot up may keep the next
one for longer, doubling each time, so every download finishes; and a slot never goes to a user who would then hold as
many as the one who gives it up. Times are of Trio's clock, since the wall clock may be set to anything.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import trio

PATIENCE_SECONDS = 15.0
"""How long somebody waits before a user who holds more than half of the slots gives one up."""
FAIR_SHARE_SECONDS = 60.0
"""How long somebody without a slot waits before a user who holds more than an equal share gives one up."""
SHORTEST_RUN_SECONDS = 15.0
ONLY_SLOT_RUN_SECONDS = 60.0
"""How long a download keeps its slot in any case. If there is only one slot, the download keeps it longer, as most
downloads are finished by then."""


class Slot:
    """Permission to run one child process. It is held or not; `acquire` and `release` are idempotent."""

    def __init__(self, worker_slots: WorkerSlots, user_id: int | None = None) -> None:
        """`user_id` is None for the queue's next job, whose user is not known yet, and for a self-test."""
        self.user_id = user_id
        self._worker_slots = worker_slots
        self._granted: trio.Event | None = None
        self._held_at: float | None = None
        self._used = 0.0

    @property
    def held_at(self) -> float | None:
        """When it was acquired, in Trio's time; None while it is not held."""
        return self._held_at

    @property
    def used_seconds(self) -> float:
        """For how many seconds it was held in total."""
        return self._used + (0.0 if self._held_at is None else trio.current_time() - self._held_at)

    async def acquire(self) -> None:
        """Wait until the slot is granted. If cancelled, it is not held."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._held_at is not None:
            return
        self._granted = trio.Event()
        self._worker_slots.join(self)
        try:
            await self._granted.wait()
        except trio.Cancelled:
            self.release()
            self._worker_slots.leave(self)
            raise

    def grant(self) -> None:
        """Mark the slot as held. Only WorkerSlots calls this."""
        assert self._granted is not None
        self._held_at = trio.current_time()
        self._granted.set()

    def release(self) -> None:
        """Release the slot. Idempotent."""
        if self._held_at is not None:
            self._used = self.used_seconds
            self._held_at = None
            self._worker_slots.leave(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A running download that could give its slot up."""

    job_id: int
    user_id: int
    held_at: float
    given_up: int
    """How often it gave a slot up before."""


class WorkerSlots:
    """A fixed number of slots, and the line of those who wait for one."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.next_user: int | None = None
        """The user whose job is next in the queue, if known."""
        self._held: dict[Slot, None] = {}
        self._line: dict[Slot, int] = {}
        self._numbers = itertools.count()
        self._gave_up: int | None = None
        """The user who gave up a slot that nobody has taken yet."""
        self._waiting_since: dict[int, float] = {}
        self._full = trio.Event()

    @property
    def free(self) -> int:
        """The number of free slots."""
        return self.total - len(self._held)

    @property
    def taken(self) -> int:
        """The number of held slots."""
        return len(self._held)

    def held_by_user(self) -> Counter[int]:
        """Return how many slots each user holds."""
        return Counter(slot.user_id for slot in self._held if slot.user_id is not None)

    def at_share(self) -> set[int]:
        """Return the users who must not get another slot while others wait."""
        most = max(1, self.total // 2)
        users = {user for user, held in self.held_by_user().items() if held >= most}
        return users if self._gave_up is None else users | {self._gave_up}

    def longest_wait(self) -> tuple[int, float]:
        """Return how many users wait without holding a slot, and for how many seconds the first of them has waited."""
        now, held = trio.current_time(), self.held_by_user()
        waits = [now - since for user, since in self._waiting_since.items() if not held[user]]
        return len(waits), max(waits, default=0.0)

    def join(self, slot: Slot) -> None:
        """Put a slot into the line; it is granted at once if one is free."""
        self._line[slot] = next(self._numbers)
        self._grant()

    def leave(self, slot: Slot) -> None:
        """Take a slot out of the line, or take it back from its holder."""
        self._line.pop(slot, None)
        self._held.pop(slot, None)
        self._grant()

    def _grant(self) -> None:
        while self._line and self.free > 0:
            held = self.held_by_user()
            slot = min(self._line, key=lambda slot: self._rank(slot, held))
            del self._line[slot]
            self._held[slot] = None
            if slot.user_id is not None:
                self.got_slot(slot.user_id)
            slot.grant()
        if self.free <= 0:
            self._full.set()
            return
        self._waiting_since.clear()  # a slot is free for whoever still waits
        if self._full.is_set():
            self._full = trio.Event()

    def _rank(self, slot: Slot, held: Counter[int]) -> tuple[bool, int, int]:
        user = self.next_user if slot.user_id is None else slot.user_id
        if user is None:
            return False, 0, self._line[slot]
        return user == self._gave_up, held[user], self._line[slot]

    async def until_full(self) -> None:
        """Wait until no slot is free."""
        await self._full.wait()

    def got_slot(self, user_id: int) -> None:
        """Record that a user got a slot: their wait is over, and a slot that was given up has been taken."""
        self._waiting_since.pop(user_id, None)
        self._gave_up = None

    def give_up(self, user_id: int) -> None:
        """Record that a user gives a slot up, so that the next free one goes to somebody else."""
        self._gave_up = user_id
        self._waiting_since.pop(user_id, None)

    def note_waiting(self, in_queue: Iterable[int]) -> None:
        """Record who waits: the users of the queue and those in line."""
        now = trio.current_time()
        waiting = {*in_queue, *(slot.user_id for slot in self._line if slot.user_id is not None)}
        self._waiting_since = {user: self._waiting_since.get(user, now) for user in waiting}

    @property
    def is_contended(self) -> bool:
        """Whether a user waits who does not hold all slots."""
        held = self.held_by_user()
        return any(held[user] < self.total for user in self._waiting_since)

    def choose_to_give_up(self, running: Iterable[Candidate]) -> Candidate | None:
        """Return the download that gives its slot up: the youngest one of the user who holds the most slots.

        `running` are the downloads that could start again later. Return None if nobody has waited long enough, and
        while a slot is free or about to be used.
        """
        if self.free > 0 or any(slot.user_id is None for slot in self._held):
            return None
        now, held = trio.current_time(), self.held_by_user()
        candidates = [
            download
            for download in running
            if now - download.held_at >= self.shortest_run_seconds(download.given_up)
            and any(
                self._is_due(held, download.user_id, user, now - since) for user, since in self._waiting_since.items()
            )
        ]
        return max(candidates, key=lambda each: (held[each.user_id], each.held_at, each.job_id), default=None)

    def shortest_run_seconds(self, given_up: int) -> float:
        """Return for how many seconds a download keeps its slot in any case: doubled from its fourth slot on."""
        first = ONLY_SLOT_RUN_SECONDS if self.total == 1 else SHORTEST_RUN_SECONDS
        return float(first * 2 ** min(max(0, given_up - 2), 16))

    def _is_due(self, held: Counter[int], holder: int, waiting: int, waited: float) -> bool:
        """Return whether a holder must give a slot up for a user who has waited for so many seconds."""
        if holder == waiting or waited < PATIENCE_SECONDS:
            return False
        if self.total > 1 and held[holder] <= held[waiting] + 1:
            return False  # otherwise the holder would be the next to wait for this slot
        share = self.total // 2
        if waited >= FAIR_SHARE_SECONDS and not held[waiting]:
            share = min(share, max(1, self.total // len({*held, *self._waiting_since})))
        return held[holder] > share
