"""Bot API methods about chats and their members.

Owns the lookups: `chat_of`, `group_of` and `user_id_of` refuse unknown ones with the server's texts.
"""

from __future__ import annotations

from doradura.sandbox.api.call import Call
from doradura.sandbox.state.members import member, permissions
from doradura.sandbox.state.records import Group, Object
from doradura.sandbox.state.refusal import bad_request

_GIFTS = {
    "unlimited_gifts": True,
    "limited_gifts": True,
    "unique_gifts": True,
    "premium_subscription": True,
    "gifts_from_channels": True,
}
_REACTIONS = 11


async def get_chat(call: Call) -> Object:
    """Answer getChat."""
    chat = chat_of(call)
    full: Object = {
        **chat,
        "accent_color_id": abs(chat["id"]) % 7,
        "max_reaction_count": _REACTIONS,
        "accepted_gift_types": _GIFTS,
    }
    group = call.bot.groups.get(chat["id"])
    if group is not None:
        full["permissions"] = permissions(group)
        if group.primary_link:
            full["invite_link"] = group.primary_link
        if group.description:
            full["description"] = group.description
    pinned = call.bot.record.pinned.get(str(chat["id"]), [])
    messages = [call.bot.message(chat["id"], number) for number in reversed(pinned)]
    shown = next((message for message in messages if message is not None), None)
    if shown is not None:
        full["pinned_message"] = shown.body
    return full


async def get_chat_member_count(call: Call) -> int:
    """Answer getChatMemberCount, the bot included."""
    chat = chat_of(call)
    group = call.bot.groups.get(chat["id"])
    return 2 if group is None else len(group.members) + 1


async def get_chat_administrators(call: Call) -> list[Object]:
    """Answer getChatAdministrators: the creator and those whom a person promoted."""
    group = group_of(call, "there are no administrators in the private chat")
    return [member(call.bot, group, user_id) for user_id in (group.members[0], *group.admins)]


async def get_chat_member(call: Call) -> Object:
    """Answer getChatMember. Raises RefusalError."""
    chat = chat_of(call)
    user_id = user_id_of(call)
    group = call.bot.groups.get(chat["id"])
    if group is not None:
        return member(call.bot, group, user_id)
    user = call.bot.user if user_id == call.bot.user_id else call.bot.world.users[user_id]
    if user_id not in {chat["id"], call.bot.user_id}:
        raise bad_request("member not found")
    return {"user": user, "status": "member"}


async def leave_chat(call: Call) -> bool:
    """Answer leaveChat."""
    chat_id = chat_of(call)["id"]
    group_of(call, "chat member status can't be changed in private chats")
    call.bot.leave_group(chat_id)
    return True


async def pin_chat_message(call: Call) -> bool:
    """Answer pinChatMessage. Raises RefusalError."""
    chat_id = call.writable_chat_id()
    message_id = call.parameters.integer("message_id")
    message = call.bot.message(chat_id, message_id)
    if message is None:
        raise bad_request("message to pin not found")
    pinned = [number for number in call.bot.record.pinned.get(str(chat_id), []) if number != message_id]
    call.bot.record.pinned[str(chat_id)] = [*pinned, message_id]
    call.bot.keep()
    # A bot does receive its own service messages.
    call.bot.add_message(chat_id, {"pinned_message": message.body}, sender=call.bot.user, fixed=True)
    return True


async def unpin_chat_message(call: Call) -> bool:
    """Answer unpinChatMessage: the named message, else the newest. Raises RefusalError."""
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


def chat_of(call: Call) -> Object:
    """Return the chat. Raises RefusalError."""
    chat_id = call.group_or_private_id()
    chat = call.bot.chat(chat_id)
    if chat is None or (chat_id > 0 and chat_id not in call.bot.started):
        raise bad_request("chat not found")
    return chat


def group_of(call: Call, private: str) -> Group:
    """Return the group; `private` is the error text for another chat. Raises RefusalError."""
    chat = chat_of(call)
    if chat["id"] not in call.bot.groups:
        raise bad_request(private)
    return call.bot.groups[chat["id"]]


def user_id_of(call: Call) -> int:
    """Return the user's id. Raises RefusalError."""
    user_id = call.parameters.integer("user_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    if user_id != call.bot.user_id and user_id not in call.bot.world.users:
        raise bad_request("PARTICIPANT_ID_INVALID")
    return user_id
