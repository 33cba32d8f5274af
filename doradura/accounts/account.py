"""Who somebody is to the bot: one value, read with each update and handed to whatever handles it.

Nothing else asks who writes or presses. What a person chose or was given joins the value together with what stores it:
a default variant, whether they are banned, a plan that was paid for.
"""

from __future__ import annotations

from dataclasses import dataclass

from doradura.accounts.plans import FREE, Plan
from doradura.storage import Connection, users
from doradura.telegram.types import User

DEFAULT_LANGUAGE = "en"
"""It serves whoever speaks none of those there are texts in."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who uses the bot, as of one update."""

    user: User
    """As the update has them."""
    language: str
    """The language code they chose, else the one Telegram tells."""
    is_admin: bool
    plan: Plan = FREE
    """Nothing sells another one yet."""


def read_account(db: Connection, user: User, admin_ids: frozenset[int]) -> Account:
    """Return the account of whom an update is from; of somebody who was never seen too."""
    return account_of(user, admin_ids, chosen_language=users.chosen_language(db, user.id))


def account_of(user: User, admin_ids: frozenset[int], *, chosen_language: str | None = None) -> Account:
    """Return the account as far as the update itself tells it, and a choice that is known."""
    return Account(user, chosen_language or user.language_code or DEFAULT_LANGUAGE, user.id in admin_ids)
