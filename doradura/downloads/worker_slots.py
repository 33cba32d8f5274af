"""The places for child processes: who holds them, who waits for one, and who gives one up.

Owns every place. A place that gets free goes to the one in line whose user holds the fewest, then to who came first.
One user may fill all places while nobody else waits. Once another has waited, whoever holds more than their share is
to give the place of their youngest download up (`Places.who_gives_up`); the supervisor then queues it again. What keeps
this from going in circles: a download that gave its place up may keep the next one for longer, each time twice as
long, so that every download comes to its end; and a place never goes from one user to another who would hold as many.
Times are those of trio's clock: the wall clock may be set to anything.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import trio

PATIENCE_SECONDS = 15.0
"""How long one waits before a user who holds more than half of the places gives one up."""
FAIR_SHARE_SECONDS = 60.0
"""How long one who holds no place waits before a user gives up what is more than an equal share."""
SHORTEST_RUN_SECONDS = 15.0
ONLY_PLACE_RUN_SECONDS = 60.0
"""How long a download keeps its place in any case. The only place is kept longer: most downloads are done by then."""


class Slot:
    """A place for one child process. Held or not; taking twice or giving back twice changes nothing."""

    def __init__(self, places: Places, user_id: int | None = None) -> None:
        """`user_id`: whom it is for; None for the queue, whose next user is not known yet, and for no user at all."""
        self.user_id = user_id
        self._places = places
        self._granted: trio.Event | None = None
        self._held_at: float | None = None
        self._used = 0.0

    @property
    def held_at(self) -> float | None:
        """Since when it is held, by trio's clock; None while it is not."""
        return self._held_at

    @property
    def used_seconds(self) -> float:
        """How long it was held in all."""
        return self._used + (0.0 if self._held_at is None else trio.current_time() - self._held_at)

    async def acquire(self) -> None:
        """Wait for a place. Cancelled, it holds none."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._held_at is not None:
            return
        self._granted = trio.Event()
        self._places.join(self)
        try:
            await self._granted.wait()
        except trio.Cancelled:
            self.release()
            self._places.leave(self)
            raise

    def grant(self) -> None:
        """The place is this one's; called by Places alone."""
        assert self._granted is not None
        self._held_at = trio.current_time()
        self._granted.set()

    def release(self) -> None:
        """Give the place back."""
        if self._held_at is not None:
            self._used = self.used_seconds
            self._held_at = None
            self._places.leave(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A download that could give its place up."""

    job_id: int
    user_id: int
    held_at: float
    given_up: int
    """How often it did already."""


class Places:
    """So many places, and the line for them."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.next_user: int | None = None
        """Whose job is the next one of the queue, as far as known."""
        self._held: dict[Slot, None] = {}
        self._line: dict[Slot, int] = {}
        self._numbers = itertools.count()
        self._gave_up: int | None = None
        """Who gave a place up that nobody has taken yet."""
        self._waiting_since: dict[int, float] = {}
        self._full = trio.Event()

    @property
    def free(self) -> int:
        """How many are free."""
        return self.total - len(self._held)

    @property
    def taken(self) -> int:
        """How many are held."""
        return len(self._held)

    def held_by_user(self) -> Counter[int]:
        """Count the places that each user holds."""
        return Counter(slot.user_id for slot in self._held if slot.user_id is not None)

    def at_share(self) -> set[int]:
        """Return the users who are not to have one more while others wait."""
        most = max(1, self.total // 2)
        users = {user for user, held in self.held_by_user().items() if held >= most}
        return users if self._gave_up is None else users | {self._gave_up}

    def longest_wait(self) -> tuple[int, float]:
        """Count the users who wait and hold no place, and give for how many seconds the first of them has."""
        now, held = trio.current_time(), self.held_by_user()
        waits = [now - since for user, since in self._waiting_since.items() if not held[user]]
        return len(waits), max(waits, default=0.0)

    def join(self, slot: Slot) -> None:
        """Stand in line, or have a place at once."""
        self._line[slot] = next(self._numbers)
        self._grant()

    def leave(self, slot: Slot) -> None:
        """Leave the line, or give the place back."""
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
                self.got_place(slot.user_id)
            slot.grant()
        if self.free <= 0:
            self._full.set()
            return
        self._waiting_since.clear()  # whoever still waits can have one
        if self._full.is_set():
            self._full = trio.Event()

    def _rank(self, slot: Slot, held: Counter[int]) -> tuple[bool, int, int]:
        user = self.next_user if slot.user_id is None else slot.user_id
        if user is None:
            return False, 0, self._line[slot]
        return user == self._gave_up, held[user], self._line[slot]

    async def until_full(self) -> None:
        """Wait until no place is free."""
        await self._full.wait()

    def got_place(self, user_id: int) -> None:
        """A user has a place now: their waiting begins anew, and what was given up for others is taken."""
        self._waiting_since.pop(user_id, None)
        self._gave_up = None

    def give_up(self, user_id: int) -> None:
        """A user gives a place up: the next free one is for somebody else."""
        self._gave_up = user_id
        self._waiting_since.pop(user_id, None)

    def note_waiting(self, in_queue: Iterable[int]) -> None:
        """Note who waits: the users in the queue, and those in line."""
        now = trio.current_time()
        waiting = {*in_queue, *(slot.user_id for slot in self._line if slot.user_id is not None)}
        self._waiting_since = {user: self._waiting_since.get(user, now) for user in waiting}

    @property
    def is_contended(self) -> bool:
        """Whether somebody waits who does not hold all places."""
        held = self.held_by_user()
        return any(held[user] < self.total for user in self._waiting_since)

    def who_gives_up(self, runs: Iterable[Run]) -> Run | None:
        """Return the run whose place somebody else has waited for long enough, the youngest of the user who holds most.

        `runs`: those whose work could begin anew. None also while a place is on its way to somebody.
        """
        if self.free > 0 or any(slot.user_id is None for slot in self._held):
            return None
        now, held = trio.current_time(), self.held_by_user()
        candidates = [
            run
            for run in runs
            if now - run.held_at >= self.shortest_run_seconds(run.given_up)
            and any(self._is_due(held, run.user_id, user, now - since) for user, since in self._waiting_since.items())
        ]
        return max(candidates, key=lambda run: (held[run.user_id], run.held_at, run.job_id), default=None)

    def shortest_run_seconds(self, given_up: int) -> float:
        """How long a download keeps a place that gave one up so often: from the third time on twice as long."""
        first = ONLY_PLACE_RUN_SECONDS if self.total == 1 else SHORTEST_RUN_SECONDS
        return float(first * 2 ** min(max(0, given_up - 2), 16))

    def _is_due(self, held: Counter[int], holder: int, waiting: int, waited: float) -> bool:
        """Whether a holder is to give a place up for one who has waited so long."""
        if holder == waiting or waited < PATIENCE_SECONDS:
            return False
        if self.total > 1 and held[holder] <= held[waiting] + 1:
            return False  # it would be the other's turn next
        share = self.total // 2
        if waited >= FAIR_SHARE_SECONDS and not held[waiting]:
            share = min(share, max(1, self.total // len({*held, *self._waiting_since})))
        return held[holder] > share
