"""The Bot API's objects, as far as the bot reads them, and the keyboards it sends.

Unknown keys are ignored and everything optional may be absent: Telegram adds fields at any time. Source:
https://core.telegram.org/bots/api#available-types.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from doradura.telegram.errors import MalformedUpdateError

Id = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
"""The number of a user, chat, message, topic or update. The Bot API promises at most 52 bits; a larger one could not be
stored, so an update that has one is malformed."""

CALLBACK_BYTES = 64
"""The longest callback data (https://core.telegram.org/bots/api#inlinekeyboardbutton); with more, Telegram refuses the
whole message."""


class User(msgspec.Struct, frozen=True):
    """A person or a bot."""

    id: Id
    first_name: str
    is_bot: bool = False
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None


class Chat(msgspec.Struct, frozen=True):
    """A private chat, a group or a channel; a private chat's id is the user's."""

    id: Id
    type: str
    title: str | None = None
    username: str | None = None
    first_name: str | None = None


class MessageEntity(msgspec.Struct, frozen=True):
    """A formatted part of a text; offset and length count UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    user: User | None = None
    """The user that a `text_mention` names."""


class PhotoSize(msgspec.Struct, frozen=True):
    """One size of a photo."""

    file_id: str
    file_unique_id: str
    width: int = 0
    height: int = 0


class Audio(msgspec.Struct, frozen=True):
    """An audio file that Telegram keeps."""

    file_id: str
    file_unique_id: str
    duration: int = 0
    file_size: int | None = None


class Video(msgspec.Struct, frozen=True):
    """A video file that Telegram keeps."""

    file_id: str
    file_unique_id: str
    duration: int = 0
    width: int = 0
    height: int = 0
    file_size: int | None = None


class Document(msgspec.Struct, frozen=True):
    """Any other file that Telegram keeps."""

    file_id: str
    file_unique_id: str
    file_name: str | None = None
    mime_type: str | None = None
    file_size: int | None = None


class SuccessfulPayment(msgspec.Struct, frozen=True):
    """A payment in Stars; each charge id occurs once."""

    currency: str
    total_amount: int
    invoice_payload: str
    telegram_payment_charge_id: str
    subscription_expiration_date: int | None = None
    is_recurring: bool = False
    is_first_recurring: bool = False


class RefundedPayment(msgspec.Struct, frozen=True):
    """A refunded payment in Stars."""

    currency: str
    total_amount: int
    invoice_payload: str
    telegram_payment_charge_id: str


class Content(msgspec.Struct, frozen=True):
    """Content of which the bot only needs to know that it is there."""


class Message(msgspec.Struct, frozen=True):
    """A message. If the bot cannot see it any more, only chat, message_id and date (0) are there."""

    message_id: Id
    chat: Chat
    date: int = 0
    from_user: User | None = msgspec.field(name="from", default=None)
    sender_chat: Chat | None = None
    """The chat in whose name it was sent: an anonymous admin's group or a channel. `from` is a stand-in then."""
    is_automatic_forward: bool = False
    edit_date: int | None = None
    message_thread_id: Id | None = None
    is_topic_message: bool = False
    reply_to_message: Message | None = None
    text: str | None = None
    caption: str | None = None
    entities: tuple[MessageEntity, ...] = ()
    caption_entities: tuple[MessageEntity, ...] = ()
    audio: Audio | None = None
    video: Video | None = None
    document: Document | None = None
    photo: tuple[PhotoSize, ...] = ()
    animation: Content | None = None
    voice: Content | None = None
    video_note: Content | None = None
    sticker: Content | None = None
    location: Content | None = None
    venue: Content | None = None
    contact: Content | None = None
    poll: Content | None = None
    checklist: Content | None = None
    dice: Content | None = None
    game: Content | None = None
    story: Content | None = None
    paid_media: Content | None = None
    migrate_to_chat_id: Id | None = None
    migrate_from_chat_id: Id | None = None
    successful_payment: SuccessfulPayment | None = None
    refunded_payment: RefundedPayment | None = None

    @property
    def topic_id(self) -> int | None:
        """The forum topic of the message. A plain reply has a thread id too, but nothing can be sent to that."""
        return self.message_thread_id if self.is_topic_message else None

    @property
    def file_id(self) -> str | None:
        """The id with which this message's file can be sent again; None if it has no file."""
        file = self.audio or self.video or self.document or (self.photo[-1] if self.photo else None)
        return file.file_id if file else None

    @property
    def is_content(self) -> bool:
        """Whether somebody sent something other than a plain text: a file, a sticker, a location, a poll ...

        What Telegram itself reports in a chat (a new member, a pinned message, a payment) is not content.
        """
        return bool(self.photo) or any(getattr(self, name) is not None for name in _CONTENT)


_CONTENT = (
    "audio",
    "video",
    "document",
    *(field.name for field in msgspec.structs.fields(Message) if field.type == Content | None),
)


class CallbackQuery(msgspec.Struct, frozen=True):
    """What a pressed inline button sends."""

    id: str
    from_user: User = msgspec.field(name="from")
    message: Message | None = None
    data: str | None = None


class ChatMember(msgspec.Struct, frozen=True):
    """Somebody's status in a chat: member, kicked, left, administrator ..."""

    status: str
    user: User


class ChatMemberUpdated(msgspec.Struct, frozen=True):
    """The bot was added, removed, blocked or unblocked."""

    chat: Chat
    from_user: User = msgspec.field(name="from")
    date: int
    old_chat_member: ChatMember
    new_chat_member: ChatMember


class PreCheckoutQuery(msgspec.Struct, frozen=True):
    """The question before a payment; it must be answered within 10 s."""

    id: str
    from_user: User = msgspec.field(name="from")
    currency: str
    total_amount: int
    invoice_payload: str


class BotSubscriptionUpdated(msgspec.Struct, frozen=True):
    """A user's paid subscription changed: canceled, active or failed (Bot API 10.2)."""

    user: User
    invoice_payload: str
    state: str


class Update(msgspec.Struct, frozen=True):
    """One update; exactly one of the optional fields is set, none for a kind that we do not read."""

    update_id: Id
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None
    my_chat_member: ChatMemberUpdated | None = None
    pre_checkout_query: PreCheckoutQuery | None = None
    subscription: BotSubscriptionUpdated | None = None


class BotCommand(msgspec.Struct, frozen=True):
    """One entry of the bot's menu: `[a-z0-9_]{1,32}` without the slash, and its description."""

    command: str
    description: str


class Button(msgspec.Struct, frozen=True, omit_defaults=True):
    """An inline button that either sends `callback_data` to the bot or opens `url`.

    Raises ValueError unless it has exactly one of them, and at most 64 bytes of data: Telegram would refuse the whole
    message, while here the stack still shows who made the button.
    """

    text: str
    callback_data: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if (self.callback_data is None) == (self.url is None):
            raise ValueError("a button has either callback_data or url")
        if self.callback_data is not None and not 1 <= len(self.callback_data.encode()) <= CALLBACK_BYTES:
            raise ValueError(f"callback_data of 1 to {CALLBACK_BYTES} bytes, not {self.callback_data!r}")


Keyboard = tuple[tuple[Button, ...], ...]
"""Rows of buttons under a message."""


def decode_update(raw: bytes | str) -> Update:
    """Decode one stored update. Raises MalformedUpdateError if it does not have the Bot API's shape."""
    try:
        return msgspec.json.decode(raw, type=Update)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedUpdateError(str(exc)) from exc
