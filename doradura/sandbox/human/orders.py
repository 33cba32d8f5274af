"""The bodies of the human side's calls. Pure data; msgspec checks them."""

from __future__ import annotations

from typing import Literal

import msgspec


class UserOrder(msgspec.Struct):
    """POST /sandbox/users."""

    first_name: str
    language_code: str = "en"
    username: str | None = None
    id: int | None = None


class ChatOrder(msgspec.Struct):
    """POST /sandbox/chats."""

    title: str
    type: Literal["group", "supergroup"]
    member_ids: list[int]


class MessageOrder(msgspec.Struct):
    """POST /sandbox/chats/ID/messages."""

    text: str
    from_id: int | None = None
    reply_to_message_id: int | None = None
    edit_message_id: int | None = None


class FileOrder(msgspec.Struct):
    """POST /sandbox/chats/ID/files."""

    kind: Literal["document", "audio", "video", "photo", "voice"]
    content_base64: str
    file_name: str = "file"
    mime_type: str = ""
    from_id: int | None = None
    caption: str = ""


class PressOrder(msgspec.Struct):
    """POST /sandbox/chats/ID/press."""

    message_id: int
    data: str
    from_id: int | None = None


class MemberOrder(msgspec.Struct):
    """POST /sandbox/chats/ID/members."""

    user_id: int
    status: Literal["member", "administrator", "left", "kicked"]
    from_id: int | None = None


class UpgradeOrder(msgspec.Struct):
    """POST /sandbox/chats/ID/upgrade."""

    from_id: int | None = None


class PayOrder(msgspec.Struct):
    """POST /sandbox/chats/ID/pay."""

    from_id: int | None = None
    message_id: int | None = None
    invoice_link: str | None = None


class SubscriptionOrder(msgspec.Struct):
    """POST /sandbox/payments/CHARGE/subscription."""

    canceled: bool


class BlockOrder(msgspec.Struct):
    """POST /sandbox/chats/ID/block."""

    blocked: bool
    from_id: int | None = None
