"""Splits a poll's answer into single raw updates.

This is done one by one, so that one malformed update is skipped alone: decoding the whole batch would lose it all and
fetch it again for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from doradura.telegram.nesting import without_depths
from doradura.telegram.types import Id

_LARGEST_UPDATE_ID = 2**62
_LARGEST_CONFIRMED = 10**30
"""A number that the database cannot store can still be confirmed; one longer than this is not even read."""


@dataclass(frozen=True, slots=True)
class RawUpdate:
    """A raw update, with the few facts needed to store and to order it.

    `kind` is the Bot API's name of its content (`message`, `callback_query` ...; `unknown` if there is none), `raw` its
    JSON. `chat_id` and `user_id` are None if the update has none, or none that can be read.
    """

    update_id: int
    kind: str
    chat_id: int | None
    user_id: int | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of one poll: the updates that can be stored, and how many could not be read.

    `oversized` is the largest update_id that is too large to be stored.
    """

    updates: tuple[RawUpdate, ...]
    malformed: int
    oversized: int | None = None

    @property
    def next_offset(self) -> int | None:
        """The offset that confirms this batch, computed from its own ids only; None if it has none."""
        return max(update.update_id for update in self.updates) + 1 if self.updates else None


class _Numbered(msgspec.Struct):
    id: Id


class _InChat(msgspec.Struct):
    chat: _Numbered | None = None


class _Inside(msgspec.Struct):
    """The parts of any kind of update that name its chat and its user."""

    chat: _Numbered | None = None
    message: _InChat | None = None
    from_user: _Numbered | None = msgspec.field(name="from", default=None)
    user: _Numbered | None = None


def read_batch(items: Iterable[msgspec.Raw]) -> Batch:
    """Read a poll's result item by item; anything that is not an object with an update_id is counted as malformed."""
    updates = []
    malformed = 0
    oversized: int | None = None
    for item in items:
        update = _read_update(item)
        if isinstance(update, RawUpdate):
            updates.append(update)
        else:
            malformed += 1
            oversized = max((number for number in (oversized, update) if number is not None), default=None)
    return Batch(tuple(updates), malformed, oversized)


def _read_update(item: msgspec.Raw) -> RawUpdate | int | None:
    """Read one update. Return only its number if that is too large, and None if it has none."""
    try:
        return _read_parts(item)
    except RecursionError:
        # The update is kept without its deeply nested parts: otherwise nobody would know the id that confirms it.
        return _read_parts(msgspec.Raw(without_depths(bytes(item))))


def _read_parts(item: msgspec.Raw) -> RawUpdate | int | None:
    try:
        parts = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
        update_id = msgspec.json.decode(parts.pop("update_id"), type=int)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError):
        return None
    if not 0 <= update_id <= _LARGEST_UPDATE_ID:
        return update_id if 0 < update_id < _LARGEST_CONFIRMED else None
    if not parts:
        return RawUpdate(update_id, "unknown", None, None, bytes(item))
    kind, content = next(iter(parts.items()))
    try:
        inside = msgspec.json.decode(content, type=_Inside)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # It has an id, so it can be stored and confirmed; its handling finds out what is wrong with it.
        return RawUpdate(update_id, kind, None, None, bytes(item))
    chat = inside.chat or (inside.message.chat if inside.message else None)
    user = inside.from_user or inside.user
    return RawUpdate(update_id, kind, chat.id if chat else None, user.id if user else None, bytes(item))
