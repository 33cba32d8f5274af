"""Queries on offers: a link that was sent without a command, and the card that shows its format buttons."""

from __future__ import annotations

from dataclasses import dataclass

from doradura.storage.bots import CURRENT
from doradura.storage.columns import Columns
from doradura.storage.seam import Connection
from doradura.storage.states import OfferEnd, OfferState
from doradura.storage.topics import Topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A link and the message that is its card."""

    offer_id: int
    user_id: int
    chat_id: int
    reply_to: int | None
    url: str
    message_id: int | None
    state: OfferState
    tries: int
    thread_id: int | None = None
    """The forum topic in which the link was sent."""
    site: str = "other"
    number: int = 0
    """The number of the link within its message; 0 if it is the only one."""
    guessed: int = 0
    """1 if the link came without a scheme."""


_OFFER = Columns(Offer)


def add(db: Connection, offer: Offer, now_ms: int) -> None:
    """Store a new offer."""
    db.execute(
        "INSERT INTO offers (offer_id, user_id, chat_id, reply_to, url, created_ms, thread_id, site, number, guessed,"  # noqa: S608 - own text
        f" bot_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {CURRENT})",
        (
            *(offer.offer_id, offer.user_id, offer.chat_id, offer.reply_to, offer.url, now_ms),
            *(offer.thread_id, offer.site, offer.number, offer.guessed),
        ),
    )
    db.touch(Topic.OFFERS)


def get(db: Connection, offer_id: int) -> Offer | None:
    """Return an offer by its id; None if there is none."""
    row = db.execute(f"SELECT {_OFFER.listed} FROM offers WHERE offer_id = ?", (offer_id,)).fetchone()  # noqa: S608 - own text
    return None if row is None else _OFFER.value(row)


_OPEN = "state IN ('new', 'shown') AND COALESCE(instance, 0) <> ?"
"""SQL for offers that are not probed yet and not taken by the given instance."""


def waiting(db: Connection, instance: int) -> list[Offer]:
    """Return the offers that are still to be probed and that this instance has not taken, the oldest first."""
    rows = db.execute(f"SELECT {_OFFER.listed} FROM offers WHERE {_OPEN} ORDER BY offer_id", (instance,))  # noqa: S608 - own text
    return [_OFFER.value(row) for row in rows]


def take(db: Connection, instance: int) -> list[Offer]:
    """Mark all waiting offers as taken by an instance, and return them, the oldest first.

    They include those of another instance: there is one instance at a time, so that one is gone.
    """
    found = waiting(db, instance)
    if found:
        db.execute(f"UPDATE offers SET instance = ? WHERE {_OPEN}", (instance, instance))  # noqa: S608 - own text
    return found


def shown(db: Connection, offer_id: int, message_id: int) -> None:
    """Store which message is the offer's card."""
    db.execute("UPDATE offers SET state = 'shown', message_id = ? WHERE offer_id = ?", (message_id, offer_id))


def finish(db: Connection, offer_id: int, state: OfferEnd, now_ms: int, reason: str | None = None) -> None:
    """Store that the link was probed: `known` or `failed`. `reason` says why the link was refused, if it was."""
    db.execute(
        "UPDATE offers SET state = ?, looked_ms = ?, reason = ?, worker_pid = NULL, worker_started = NULL"
        " WHERE offer_id = ?",
        (state, now_ms, reason, offer_id),
    )


def again(db: Connection, offer_id: int, message_id: int | None) -> bool:
    """Let the link of a failed offer be probed again from the start. Return False if the offer has not failed.

    `message_id` is the offer's card, if known.
    """
    cursor = db.execute(
        "UPDATE offers SET state = 'shown', tries = 0, looked_ms = NULL, reason = NULL, instance = NULL,"
        " message_id = COALESCE(?, message_id) WHERE offer_id = ? AND state = 'failed'",
        (message_id, offer_id),
    )
    db.touch(Topic.OFFERS)
    return cursor.rowcount > 0


def tried(db: Connection, offer_id: int) -> int:
    """Count a probe that begins. Return how many have begun."""
    row = db.execute("UPDATE offers SET tries = tries + 1 WHERE offer_id = ? RETURNING tries", (offer_id,)).fetchone()
    return 0 if row is None else int(row[0])


def set_worker(db: Connection, offer_id: int, pid: int, started: int) -> None:
    """Store the process that probes the link."""
    db.execute("UPDATE offers SET worker_pid = ?, worker_started = ? WHERE offer_id = ?", (pid, started, offer_id))


def forget_old(db: Connection, before_ms: int, limit: int = 1000) -> int:
    """Delete at most `limit` offers made before then. Return how many were deleted."""
    cursor = db.execute(
        "DELETE FROM offers WHERE offer_id IN (SELECT offer_id FROM offers WHERE created_ms < ? LIMIT ?)",
        (before_ms, limit),
    )
    return cursor.rowcount
