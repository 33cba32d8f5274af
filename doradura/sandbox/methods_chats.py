"""Bot API methods about chats and who is in them.

There are no administrators but a group's creator, its first member: what needs rights is refused as to a mere member.
"""

from __future__ import annotations

from doradura.sandbox.call import Call
from doradura.sandbox.records import Group, Object
from doradura.sandbox.refusal import bad_request

_GIFTS = {
    "unlimited_gifts": True,
    "limited_gifts": True,
    "unique_gifts": True,
    "premium_subscription": True,
    "gifts_from_channels": True,
}
_MEMBERS_MAY = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
)
_REACTIONS = 11


async def get_chat(call: Call) -> Object:
    """Answer getChat."""
    chat = _chat(call)
    full: Object = {
        **chat,
        "accent_color_id": abs(chat["id"]) % 7,
        "max_reaction_count": _REACTIONS,
        "accepted_gift_types": _GIFTS,
    }
    group = call.bot.groups.get(chat["id"])
    if group is not None:
        full["permissions"] = dict.fromkeys(_MEMBERS_MAY, True)
    pinned = call.bot.record.pinned.get(str(chat["id"]), [])
    messages = [call.bot.message(chat["id"], number) for number in reversed(pinned)]
    shown = next((message for message in messages if message is not None), None)
    if shown is not None:
        full["pinned_message"] = shown.body
    return full


async def get_chat_member_count(call: Call) -> int:
    """Answer getChatMemberCount, the bot included."""
    chat = _chat(call)
    group = call.bot.groups.get(chat["id"])
    return 2 if group is None else len(group.members) + 1


async def get_chat_administrators(call: Call) -> list[Object]:
    """Answer getChatAdministrators: the creator."""
    group = _group(call, "there are no administrators in the private chat")
    return [_member(call, group, group.members[0])]


async def get_chat_member(call: Call) -> Object:
    """Answer getChatMember."""
    chat = _chat(call)
    user_id = _user_id(call)
    group = call.bot.groups.get(chat["id"])
    if group is not None:
        return _member(call, group, user_id)
    user = call.bot.user if user_id == call.bot.user_id else call.bot.world.users[user_id]
    if user_id not in {chat["id"], call.bot.user_id}:
        raise bad_request("member not found")
    return {"user": user, "status": "member"}


async def leave_chat(call: Call) -> bool:
    """Answer leaveChat."""
    chat_id = _chat(call)["id"]
    _group(call, "chat member status can't be changed in private chats")
    call.bot.leave_group(chat_id)
    return True


async def change_member(call: Call) -> bool:
    """Answer what changes a member: the bot is no administrator."""
    _group(call, "can't change members of a private chat")
    _user_id(call)
    raise bad_request("not enough rights to restrict/unrestrict chat member")


async def set_chat_title(call: Call) -> bool:
    """Answer setChatTitle and setChatDescription: the bot is no administrator."""
    _group(call, "method is available only for supergroups and channels")
    raise bad_request("not enough rights to change chat title")


async def pin_chat_message(call: Call) -> bool:
    """Answer pinChatMessage."""
    chat_id = call.writable_chat_id()
    message_id = call.parameters.integer("message_id")
    if call.bot.message(chat_id, message_id) is None:
        raise bad_request("message to pin not found")
    pinned = [number for number in call.bot.record.pinned.get(str(chat_id), []) if number != message_id]
    call.bot.record.pinned[str(chat_id)] = [*pinned, message_id]
    call.bot.keep()
    return True


async def unpin_chat_message(call: Call) -> bool:
    """Answer unpinChatMessage: the one named, else the newest."""
    chat_id = call.writable_chat_id()
    pinned = list(call.bot.record.pinned.get(str(chat_id), []))
    message_id = call.parameters.integer("message_id") or (pinned[-1] if pinned else 0)
    if message_id not in pinned:
        raise bad_request("message to unpin not found")
    call.bot.record.pinned[str(chat_id)] = [number for number in pinned if number != message_id]
    call.bot.keep()
    return True


async def unpin_all_chat_messages(call: Call) -> bool:
    """Answer unpinAllChatMessages."""
    call.bot.record.pinned.pop(str(call.writable_chat_id()), None)
    call.bot.keep()
    return True


def _chat(call: Call) -> Object:
    """Give the chat that is meant. Raises RefusalError."""
    chat_id = call.chat_id()
    chat = call.bot.chat(chat_id)
    if chat is None or (chat_id > 0 and chat_id not in call.bot.started):
        raise bad_request("chat not found")
    group = call.bot.groups.get(chat_id)
    refusal = group.refusal() if group is not None else None
    if refusal is not None:
        raise refusal
    return chat


def _group(call: Call, private: str) -> Group:
    chat = _chat(call)
    if chat["id"] not in call.bot.groups:
        raise bad_request(private)
    return call.bot.groups[chat["id"]]


def _user_id(call: Call) -> int:
    user_id = call.parameters.integer("user_id")
    if user_id != call.bot.user_id and user_id not in call.bot.world.users:
        raise bad_request("invalid user_id specified")
    return user_id


def _member(call: Call, group: Group, user_id: int) -> Object:
    if user_id == call.bot.user_id:
        return {"user": call.bot.user, "status": "member"}
    user = call.bot.world.users[user_id]
    if user_id == group.members[0]:
        return {"user": user, "status": "creator", "is_anonymous": False}
    return {"user": user, "status": "member" if user_id in group.members else "left"}
