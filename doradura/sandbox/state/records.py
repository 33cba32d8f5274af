"""What the sandbox keeps, in the form it is kept in. Pure data."""

from __future__ import annotations

from typing import Any

import msgspec

from doradura.sandbox.state.refusal import RefusalError, forbidden

Object = dict[str, Any]
"""An object of the Bot API, in the shape a bot gets it."""


class Message(msgspec.Struct):
    """A message of one bot's, and what about it the bot cannot see."""

    chat_id: int
    body: Object
    """The Bot API's Message, without reply_to_message, which is looked up when it is shown."""
    own: bool
    """Sent by the bot."""
    reply_to: int = 0
    fixed: bool = False
    """Sent with a keyboard that is not inline, or a service message: such a message can't be edited."""
    keyboard: Object | None = None
    """A keyboard that is not inline: a person sees it, the bot does not get it back."""
    invoice_id: str = ""
    """The invoice it can be paid by."""

    @property
    def message_id(self) -> int:
        """The message's number in its bot."""
        number: int = self.body["message_id"]
        return number


class StoredFile(msgspec.Struct):
    """A file as one bot knows it."""

    file_id: str
    kind: str
    """As in the Bot API, such as video_note, or thumbnail: a file_id can be sent only as what it is."""
    blob: str
    size: int
    mime_type: str
    shown: Object
    """The Audio, Video, ... or PhotoSize that stands in messages."""
    path: str = ""
    """The file_path given by getFile, once it was asked for."""
    sizes: list[Object] = []
    """Of a photo: every PhotoSize of it, the smallest first."""


class CallbackQuery(msgspec.Struct):
    """A pressed button."""

    query_id: str
    created: float
    chat_id: int
    answer: Object | None = None
    """What the bot answered: text, show_alert, url."""


class Group(msgspec.Struct):
    """A group or supergroup a bot was added to."""

    chat: Object
    members: list[int]
    kicked: bool = False
    left: bool = False
    migrated_to: int = 0
    """The supergroup it became."""
    admins: list[int] = []
    """Besides the creator; the bot may be one."""
    banned: list[int] = []
    restricted: dict[str, Object] = {}
    """Permissions of restricted members, by user."""
    description: str = ""
    links: list[Object] = []
    """ChatInviteLink objects, also those revoked."""
    until: dict[str, int] = {}
    """When a ban or a restriction ends by itself, by user; who is not in it stays so for good."""
    permissions: dict[str, bool] = {}
    """What members may do, where it was changed."""

    @property
    def primary_link(self) -> str:
        """The invite link that is the group's own; empty while no bot has asked for one."""
        found = [link["invite_link"] for link in self.links if link["is_primary"] and not link["is_revoked"]]
        return str(found[-1]) if found else ""

    def refusal(self) -> RefusalError | None:
        """Return why the bot can do nothing here, if it is so."""
        if self.migrated_to:
            moved = {"migrate_to_chat_id": self.migrated_to}
            return RefusalError(400, "Bad Request: group chat was upgraded to a supergroup chat", parameters=moved)
        kind = self.chat["type"]
        if self.left:
            return forbidden(f"bot is not a member of the {kind} chat")
        return forbidden(f"bot was kicked from the {kind} chat") if self.kicked else None


class Invoice(msgspec.Struct, frozen=True):
    """What can be paid, in Stars."""

    invoice_id: str
    title: str
    description: str
    payload: str
    amount: int
    start_parameter: str
    subscription_period: int = 0
    """Seconds; 0 for what is paid once."""


class Charge(msgspec.Struct):
    """A payment that was made."""

    charge_id: str
    number: int
    user_id: int
    chat_id: int
    invoice: Invoice
    date: int
    first_charge_id: str = ""
    """The subscription it belongs to; empty for a single payment."""
    refunded: int = 0
    """When the Stars were given back; 0 if they were not."""
    refund_number: int = 0


class Subscription(msgspec.Struct):
    """What is charged anew each period until it is cancelled."""

    first_charge_id: str
    user_id: int
    chat_id: int
    invoice: Invoice
    expires: int = 0
    canceled: bool = False


class BotRecord(msgspec.Struct):
    """What there is to know of a bot besides its messages, files, updates and queries."""

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
    """What the bot says of itself: name, description, short_description, each with a language."""
    menu_buttons: dict[str, Object] = {}
    """By chat; "" is everybody's."""
    rights: dict[str, Object] = {}
    """What it asks for when it is made an administrator, in groups and in channels."""
