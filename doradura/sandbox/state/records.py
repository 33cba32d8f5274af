"""The sandbox's records, in the form in which they are kept. Plain data."""

from __future__ import annotations

from typing import Any

import msgspec

from doradura.sandbox.state.refusal import RefusalError, forbidden

Object = dict[str, Any]
"""A Bot API object, in the form that a bot gets."""


class Message(msgspec.Struct):
    """A message of one bot, with what the bot cannot see of it."""

    chat_id: int
    body: Object
    """The Bot API's Message, without reply_to_message, which is looked up when it is shown."""
    own: bool
    """Whether the bot sent it."""
    reply_to: int = 0
    fixed: bool = False
    """Whether it has a keyboard that is not inline, or is a service message: it can't be edited then."""
    keyboard: Object | None = None
    """A keyboard that is not inline: a person sees it; the bot does not get it back."""
    invoice_id: str = ""
    """The invoice by which it can be paid."""

    @property
    def message_id(self) -> int:
        """The message's number in its bot."""
        number: int = self.body["message_id"]
        return number


class StoredFile(msgspec.Struct):
    """A file as one bot knows it."""

    file_id: str
    kind: str
    """A Bot API kind, such as video_note, or thumbnail: a file_id can only be sent as what it is."""
    blob: str
    size: int
    mime_type: str
    shown: Object
    """The Audio, Video, ... or PhotoSize in messages."""
    path: str = ""
    """The file_path from getFile, once it was requested."""
    sizes: list[Object] = []
    """For a photo: all of its PhotoSizes, the smallest first."""


class CallbackQuery(msgspec.Struct):
    """A pressed button."""

    query_id: str
    created: float
    chat_id: int
    answer: Object | None = None
    """The bot's answer: text, show_alert, url."""


class Group(msgspec.Struct):
    """A group or supergroup that a bot was added to."""

    chat: Object
    members: list[int]
    kicked: bool = False
    left: bool = False
    migrated_to: int = 0
    """The supergroup that it became."""
    admins: list[int] = []
    """Besides the creator; the bot may be one."""
    banned: list[int] = []
    restricted: dict[str, Object] = {}
    """Permissions of restricted members, by user."""
    description: str = ""
    links: list[Object] = []
    """ChatInviteLink objects, also revoked ones."""
    until: dict[str, int] = {}
    """When a ban or a restriction ends by itself, by user; without an entry it lasts for ever."""
    permissions: dict[str, bool] = {}
    """What members may do, if it was changed."""

    @property
    def primary_link(self) -> str:
        """The invite link of the group itself; empty if no bot has requested one."""
        found = [link["invite_link"] for link in self.links if link["is_primary"] and not link["is_revoked"]]
        return str(found[-1]) if found else ""

    def refusal(self) -> RefusalError | None:
        """Return why the bot can do nothing here, if so."""
        if self.migrated_to:
            moved = {"migrate_to_chat_id": self.migrated_to}
            return RefusalError(400, "Bad Request: group chat was upgraded to a supergroup chat", parameters=moved)
        kind = self.chat["type"]
        if self.left:
            return forbidden(f"bot is not a member of the {kind} chat")
        return forbidden(f"bot was kicked from the {kind} chat") if self.kicked else None


class Invoice(msgspec.Struct, frozen=True):
    """Something that can be paid, in Stars."""

    invoice_id: str
    title: str
    description: str
    payload: str
    amount: int
    start_parameter: str
    subscription_period: int = 0
    """Seconds; 0 for a single payment."""


class Charge(msgspec.Struct):
    """A completed payment."""

    charge_id: str
    number: int
    user_id: int
    chat_id: int
    invoice: Invoice
    date: int
    first_charge_id: str = ""
    """The subscription that it belongs to; empty for a single payment."""
    refunded: int = 0
    """When the Stars were refunded; 0 if they were not."""
    refund_number: int = 0


class Subscription(msgspec.Struct):
    """What is charged again each period until it is cancelled."""

    first_charge_id: str
    user_id: int
    chat_id: int
    invoice: Invoice
    expires: int = 0
    canceled: bool = False


class BotRecord(msgspec.Struct):
    """What is known of a bot besides its messages, files, updates and queries."""

    token: str
    next_message_id: int = 1
    next_update_id: int = 0
    next_file_number: int = 0
    kinds: tuple[str, ...] = ()
    commands: dict[str, list[Object]] = {}
    """Lists by scope and language."""
    pinned: dict[str, list[int]] = {}
    """Message ids by chat, in the order they were pinned."""
    texts: dict[str, str] = {}
    """The bot's descriptions: name, description, short_description, each with a language."""
    menu_buttons: dict[str, Object] = {}
    """By chat; "" is for everybody."""
    rights: dict[str, Object] = {}
    """The rights that it requests as an administrator, in groups and in channels."""
