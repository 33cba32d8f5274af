"""Bot API methods for administrators of a group: banning and restricting members, titles, invite links.

A bot becomes one when a person makes it so on the human side. It never gets the right to promote others.
"""

from __future__ import annotations

import secrets

import msgspec

from doradura.sandbox.call import Call
from doradura.sandbox.members import change, is_admin, member
from doradura.sandbox.methods_chats import chat_of, group_of, user_id_of
from doradura.sandbox.records import Group, Object
from doradura.sandbox.refusal import bad_request

TITLE_LIMIT = 128
DESCRIPTION_LIMIT = 255


async def ban_chat_member(call: Call) -> bool:
    """Answer banChatMember: out, and not back in until unbanned."""
    _change_other(call, "kicked")
    return True


async def unban_chat_member(call: Call) -> bool:
    """Answer unbanChatMember; a member is thrown out by it unless only_if_banned is given, as in Telegram."""
    group = _supergroup(call)
    user_id = user_id_of(call)
    if user_id not in group.banned and call.parameters.boolean("only_if_banned"):
        return True
    if user_id in group.banned or user_id in group.members:
        _change_other(call, "left")
    return True


async def restrict_chat_member(call: Call) -> bool:
    """Answer restrictChatMember; all permissions at once make a mere member again."""
    group_of(call, "method is available only for supergroups")
    if chat_of(call)["type"] != "supergroup":
        raise bad_request("method is available only for supergroups")
    try:
        permissions = call.parameters.json("permissions") if call.parameters.text("permissions") else None
    except msgspec.DecodeError:
        raise bad_request("can't parse permissions JSON object") from None
    if not isinstance(permissions, dict):
        raise bad_request("permissions is empty" if permissions is None else "object expected as permissions")
    free = permissions.get("can_send_messages") is True and permissions.get("can_send_other_messages") is True
    _change_other(call, "member" if free else "restricted", permissions)
    return True


async def promote_chat_member(call: Call) -> bool:
    """Answer promoteChatMember: nobody gives a bot that right here."""
    _supergroup(call)
    user_id_of(call)
    raise bad_request("not enough rights")


async def set_chat_title(call: Call) -> bool:
    """Answer setChatTitle, and tell the group."""
    group = group_of(call, "can't change private chat title")
    title = call.parameters.text("title").strip()
    if not title or len(title) > TITLE_LIMIT:
        raise bad_request("title must be non-empty" if not title else "title is too long")
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to change chat title")
    if title != group.chat["title"]:
        group.chat["title"] = title
        call.bot.keep_group(group.chat["id"])
        call.bot.add_message(group.chat["id"], {"new_chat_title": title}, sender=call.bot.user, fixed=True)
    return True


async def set_chat_description(call: Call) -> bool:
    """Answer setChatDescription; getChat shows it."""
    group = group_of(call, "can't change private chat description")
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to set chat description")
    description = call.parameters.text("description").strip()
    if description == group.description:
        raise bad_request("chat description is not modified")
    group.description = description[:DESCRIPTION_LIMIT]
    call.bot.keep_group(group.chat["id"])
    return True


async def export_chat_invite_link(call: Call) -> str:
    """Answer exportChatInviteLink: the primary one."""
    link: str = _invite_link(call, primary=True)["invite_link"]
    return link


async def create_chat_invite_link(call: Call) -> Object:
    """Answer createChatInviteLink. Nobody can follow it: people come in by the human side."""
    return _invite_link(call, primary=False)


def _supergroup(call: Call) -> Group:
    """Give the supergroup that is meant. Raises RefusalError."""
    trouble = "method is available for supergroup and channel chats only"
    group = group_of(call, trouble)
    if group.chat["type"] != "supergroup":
        raise bad_request(trouble)
    return group


def _invite_link(call: Call, *, primary: bool) -> Object:
    group = group_of(call, "chat invite links can't be created for private chats")
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to manage chat invite link")
    named = {"name": call.parameters.text("name")} if call.parameters.text("name") else {}
    return {
        "invite_link": f"https://t.me/+{secrets.token_urlsafe(12)}",
        **named,
        "creator": call.bot.user,
        "creates_join_request": call.parameters.boolean("creates_join_request"),
        "is_primary": primary,
        "is_revoked": False,
    }


def _change_other(call: Call, status: str, permissions: Object | None = None) -> None:
    """Change what somebody is, if the bot may. Raises RefusalError."""
    group = group_of(call, "can't change members of a private chat")
    user_id = user_id_of(call)
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to restrict/unrestrict chat member")
    if user_id == call.bot.user_id:
        raise bad_request("can't restrict self")
    other = member(call.bot, group, user_id)["status"]
    if other == "creator":
        raise bad_request("can't remove chat owner")
    if other == "administrator":
        raise bad_request("user is an administrator of the chat")
    change(call.bot, chat_of(call)["id"], call.bot.user, user_id, status, permissions=permissions)
