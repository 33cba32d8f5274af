"""/user ID: a user's unfinished downloads, with a button that cancels all of them.

The button works after a restart too. The user sees the cancellation in the progress messages, and it is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from doradura.chat.callback_data import TooOldError, decode_id, parse_id, spelled
from doradura.chat.conversation import Command, Conversation, buttons
from doradura.chat.figures import span_text
from doradura.chat.handling import Handling
from doradura.chat.texts import Texts, size_text
from doradura.clock import Clock
from doradura.storage import Connection, Storage, jobs, users
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

SHOWN = 10
TITLE_UNITS = 60
NAME_UNITS = 60

log = logging.getLogger(__name__)


Act = Literal["a", "y", "n"]
"""Ask for confirmation, cancel the downloads, show the list again."""
ACTS: tuple[Act, ...] = get_args(Act)


@dataclass(frozen=True, slots=True)
class EndAll:
    """Cancels all unfinished downloads of a user, after a confirmation."""

    act: Act
    user_id: int

    def encode(self) -> str:
        """Return `u:ACT:USER`."""
        return spelled("u", self.act, self.user_id)

    @classmethod
    def decode(cls, data: str) -> EndAll:
        """Return the value of callback data. Raises TooOldError."""
        act, _, number = data.partition(":")[2].partition(":")
        if act not in ACTS:
            raise TooOldError(data)
        return cls(act, decode_id(number))


class Seen(NamedTuple):
    """A user and their unfinished downloads."""

    user_id: int
    name: str
    unfinished: list[jobs.Job]


class AdminUser(Conversation):
    """Shows a user's unfinished downloads to an admin, and cancels them."""

    def __init__(self, storage: Storage, clock: Clock, bytes_per_second: Callable[[int], float | None]) -> None:
        self._storage = storage
        self._clock = clock
        self._bytes_per_second = bytes_per_second
        """Returns the download speed of a running job; None if it is unknown."""

    async def user(self, handling: Handling, rest: str) -> None:
        """Answer /user ID. Raises TelegramError and StorageError."""
        t = handling.texts
        user_id = parse_id(rest)
        if user_id is None:
            text, keyboard = t("user.which"), None
        else:
            text, keyboard = await self._show(handling, user_id)
        await handling.mark_handled()  # first, so that a lost answer causes no second one
        await handling.reply(text, keyboard)

    async def answer_button(self, handling: Handling, data: EndAll) -> None:
        """Do what a button is for, if an admin pressed it in private. Raises TelegramError and StorageError."""
        if not handling.is_among_admins:
            await handling.answer(handling.texts.plain("user.not_admin"), alert=True)
        elif data.act == "y":
            await self._end_all(handling, data.user_id)
        else:
            await handling.answer()
            await handling.edit_pressed(*await self._show(handling, data.user_id, ask=data.act == "a"))

    async def _end_all(self, handling: Handling, user_id: int) -> None:
        t, admin = handling.texts, handling.user
        assert admin is not None

        def change(db: Connection) -> tuple[list[jobs.Job], Seen | None]:
            return jobs.cancel(db, user_id, self._clock(), reason=jobs.BY_ADMIN), _read(db, user_id)

        ended, left = await handling.commit(change)
        log.warning("an admin ended a user's downloads", extra={"admin": admin.id, "user": user_id, "jobs": len(ended)})
        said = t.counted("user.ended", len(ended)) if ended else t("user.nothing_to_end")
        await handling.answer(t.plain("user.done") if ended else t.plain("user.nothing_to_end"))
        await handling.edit_pressed(f"{said}\n\n{self._text(handling, left)}" if left else said)

    async def _show(self, handling: Handling, user_id: int, *, ask: bool = False) -> tuple[str, Keyboard | None]:
        t = handling.texts
        seen = await self._storage.read(lambda db: _read(db, user_id))
        if seen is None:
            return t("user.unknown", id=user_id), None
        count = sum(job.state != "sending" for job in seen.unfinished)
        if not count:
            return self._text(handling, seen), None
        if ask:
            buttons = (
                Button(text=t.plain("button.user.yes", count=count), callback_data=EndAll("y", user_id).encode()),
                Button(text=t.plain("button.user.no"), callback_data=EndAll("n", user_id).encode()),
            )
            return self._text(handling, seen), (buttons,)
        return self._text(handling, seen), (
            (Button(text=t.plain("button.user.end"), callback_data=EndAll("a", user_id).encode()),),
        )

    def _text(self, handling: Handling, seen: Seen) -> str:
        t = handling.texts
        lines = [t("user.title", name=shorten(" ".join(seen.name.split()), NAME_UNITS), id=seen.user_id)]
        if not seen.unfinished:
            return "\n".join([*lines, t("user.idle")])
        now = self._clock()
        lines += [
            _line(t, number, job, now, self._bytes_per_second(job.job_id))
            for number, job in enumerate(seen.unfinished[:SHOWN], 1)
        ]
        if len(seen.unfinished) > SHOWN:
            lines.append(t("queue.more", count=len(seen.unfinished) - SHOWN))
        return "\n".join(lines)

    COMMANDS = (Command("user", user, admin=True),)
    BUTTONS = (buttons("u", EndAll.decode, answer_button),)


def _read(db: Connection, user_id: int) -> Seen | None:
    name = users.name(db, user_id)
    if name is None:
        return None
    in_hand_first = sorted(jobs.of_user(db, user_id), key=lambda job: job.state == "waiting")
    return Seen(user_id, name, in_hand_first)


def _line(t: Texts, number: int, job: jobs.Job, now: int, bytes_per_second: float | None) -> str:
    state = t.plain("user.waiting") if job.state == "waiting" else t.plain(f"queue.{job.state}")
    if bytes_per_second:
        state += t.plain("progress.speed", rate=size_text(t, bytes_per_second))
    since = span_text(t, max(0, now - job.created_ms) / 1000)
    title = shorten(job.title or job.url, TITLE_UNITS)
    choice = job.variant.words
    return t("user.line", number=number, title=title, choice=choice, state=state, since=since)
