"""/user ID: what a user has in hand and in the queue, and a button by which an admin ends all of it.

Its buttons work after a restart. What they end is told to the user in their progress messages and noted in the log.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from doradura.chat.callback_data import TooOldError, decode_id, parse_id, spelled
from doradura.chat.commands import is_admin
from doradura.chat.figures import span_text
from doradura.chat.texts import Texts, size_text
from doradura.chat.turn import Turn
from doradura.storage import Connection, jobs, users
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

SHOWN = 10
TITLE_UNITS = 60
NAME_UNITS = 60

log = logging.getLogger(__name__)


Act = Literal["a", "y", "n"]
"""Ask whether it is meant, do it, show the list anew."""
ACTS: tuple[Act, ...] = get_args(Act)


@dataclass(frozen=True, slots=True)
class EndAll:
    """The end of all that a user has in hand and in the queue."""

    act: Act
    user_id: int

    def encode(self) -> str:
        """Return `u:ACT:USER`."""
        return spelled("u", self.act, self.user_id)

    @classmethod
    def decode(cls, data: str) -> EndAll:
        """Read it. Raises TooOldError."""
        act, _, number = data.partition(":")[2].partition(":")
        if act not in ACTS:
            raise TooOldError(data)
        return cls(act, decode_id(number))


class Seen(NamedTuple):
    """A user, and the downloads of theirs that have not ended."""

    user_id: int
    name: str
    unfinished: list[jobs.Job]


async def user(turn: Turn, rest: str) -> None:
    """Answer /user ID."""
    t = turn.texts
    user_id = parse_id(rest)
    if user_id is None:
        text, keyboard = t("user.which"), None
    else:
        text, keyboard = await _show(turn, user_id)
    await turn.mark_handled()  # a lost answer brings no second one
    await turn.reply(text, keyboard)


async def press(turn: Turn, data: EndAll) -> None:
    """Do what a button says."""
    if not is_admin(turn):
        await turn.answer(turn.texts.plain("user.not_admin"), alert=True)
    elif data.act == "y":
        await _end_all(turn, data.user_id)
    else:
        await turn.answer()
        await turn.edit_pressed(*await _show(turn, data.user_id, ask=data.act == "a"))


async def _end_all(turn: Turn, user_id: int) -> None:
    t, admin = turn.texts, turn.user
    assert admin is not None

    def change(db: Connection) -> tuple[list[jobs.Job], Seen | None]:
        return jobs.cancel(db, user_id, turn.parts.clock(), reason=jobs.BY_ADMIN), _read(db, user_id)

    ended, left = await turn.commit(change)
    log.warning("an admin ended a user's downloads", extra={"admin": admin.id, "user": user_id, "jobs": len(ended)})
    said = t.counted("user.ended", len(ended)) if ended else t("user.nothing_to_end")
    await turn.answer(t.plain("user.done") if ended else t.plain("user.nothing_to_end"))
    await turn.edit_pressed(f"{said}\n\n{_text(turn, left)}" if left else said)


async def _show(turn: Turn, user_id: int, *, ask: bool = False) -> tuple[str, Keyboard | None]:
    t = turn.texts
    seen = await turn.parts.storage.read(lambda db: _read(db, user_id))
    if seen is None:
        return t("user.unknown", id=user_id), None
    count = sum(job.state != "sending" for job in seen.unfinished)
    if not count:
        return _text(turn, seen), None
    if ask:
        buttons = (
            Button(text=t.plain("button.user.yes", count=count), callback_data=EndAll("y", user_id).encode()),
            Button(text=t.plain("button.user.no"), callback_data=EndAll("n", user_id).encode()),
        )
        return _text(turn, seen), (buttons,)
    return _text(turn, seen), ((Button(text=t.plain("button.user.end"), callback_data=EndAll("a", user_id).encode()),),)


def _read(db: Connection, user_id: int) -> Seen | None:
    name = users.name(db, user_id)
    if name is None:
        return None
    in_hand_first = sorted(jobs.of_user(db, user_id), key=lambda job: job.state == "waiting")
    return Seen(user_id, name, in_hand_first)


def _text(turn: Turn, seen: Seen) -> str:
    t = turn.texts
    lines = [t("user.title", name=shorten(" ".join(seen.name.split()), NAME_UNITS), id=seen.user_id)]
    if not seen.unfinished:
        return "\n".join([*lines, t("user.idle")])
    now = turn.parts.clock()
    lines += [
        _line(t, number, job, now, turn.parts.bytes_per_second(job.job_id))
        for number, job in enumerate(seen.unfinished[:SHOWN], 1)
    ]
    if len(seen.unfinished) > SHOWN:
        lines.append(t("queue.more", count=len(seen.unfinished) - SHOWN))
    return "\n".join(lines)


def _line(t: Texts, number: int, job: jobs.Job, now: int, bytes_per_second: float | None) -> str:
    state = t.plain("user.waiting") if job.state == "waiting" else t.plain(f"queue.{job.state}")
    if bytes_per_second:
        state += t.plain("progress.speed", rate=size_text(bytes_per_second))
    since = span_text(t, max(0, now - job.created_ms) / 1000)
    title = shorten(job.title or job.url, TITLE_UNITS)
    choice = job.variant.words
    return t("user.line", number=number, title=title, choice=choice, state=state, since=since)
