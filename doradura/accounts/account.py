"""A user's account: one value, which is read with each update and passed to the update's handling.

No other part finds out who a user is. When a further fact about users is stored (a default variant, a ban, a paid
plan), it becomes a field of this value.
"""

from __future__ import annotations

from dataclasses import dataclass

from doradura.accounts.plans import FREE, Plan
from doradura.storage import Connection, users
from doradura.telegram.types import User

DEFAULT_LANGUAGE = "en"
"""The language of users for whose own language there are no texts."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who uses the bot, as of one update."""

    user: User
    """The user as in the update."""
    language: str
    """The language code that the user chose, or else the one from Telegram."""
    is_admin: bool
    plan: Plan = FREE
    """No other plan can be bought yet."""


def read_account(db: Connection, user: User, admin_ids: frozenset[int]) -> Account:
    """Return the account of an update's sender, who may be new to the bot."""
    return account_of(user, admin_ids, chosen_language=users.chosen_language(db, user.id))


def account_of(user: User, admin_ids: frozenset[int], *, chosen_language: str | None = None) -> Account:
    """Return the account from an update's user and the language that the user chose, if any."""
    return Account(user, chosen_language or user.language_code or DEFAULT_LANGUAGE, user.id in admin_ids)
