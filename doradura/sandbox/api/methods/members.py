"""Bot API methods for administrators of a group: banning and restricting members, permissions, titles.

A bot becomes one when a person promotes it on the human side. It never gets the right to promote others.
"""

from __future__ import annotations

from collections.abc import Mapping

from doradura.sandbox.api.call import Call
from doradura.sandbox.api.methods.chats import chat_of, group_of, user_id_of
from doradura.sandbox.api.permissions import read_permissions
from doradura.sandbox.state.members import change, is_admin, member
from doradura.sandbox.state.records import Group
from doradura.sandbox.state.refusal import bad_request

TITLE_LIMIT = 128
DESCRIPTION_LIMIT = 255
_SUPERGROUPS_ALONE = "method is available only for supergroups"
_LATER = frozenset({"can_react_to_messages", "can_edit_tag"})
"""Permissions that many clients do not know yet; they need not be named to lift a restriction."""


async def ban_chat_member(call: Call) -> bool:
    """Answer banChatMember: the member leaves, and can't return until unbanned."""
    _change_other(call, "kicked")
    return True


async def unban_chat_member(call: Call) -> bool:
    """Answer unbanChatMember; it removes a member unless only_if_banned is given, as with Telegram."""
    group = _supergroup(call)
    user_id = user_id_of(call)
    if user_id not in group.banned and call.parameters.boolean("only_if_banned"):
        return True
    if user_id in group.banned or user_id in group.members:
        _change_other(call, "left")
    return True


async def restrict_chat_member(call: Call) -> bool:
    """Answer restrictChatMember; all permissions together make an ordinary member again."""
    _supergroup(call, _SUPERGROUPS_ALONE)
    permissions = read_permissions(call)
    free = all(allowed for name, allowed in permissions.items() if name not in _LATER)
    _change_other(call, "member" if free else "restricted", permissions)
    return True


async def set_chat_permissions(call: Call) -> bool:
    """Answer setChatPermissions: what members may do who are neither restricted nor administrators.

    Raises RefusalError.
    """
    permissions = read_permissions(call)
    group = group_of(call, "can't change private chat permissions")
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to change chat permissions")
    group.permissions = permissions
    call.bot.keep_group(group.chat["id"])
    return True


async def set_chat_administrator_custom_title(call: Call) -> bool:
    """Answer setChatAdministratorCustomTitle: only for administrators whom the bot promoted, and there are none.

    Raises RefusalError.
    """
    group = _supergroup(call, _SUPERGROUPS_ALONE)
    status = member(call.bot, group, user_id_of(call))["status"]
    if status == "creator":
        raise bad_request("only creator can edit their custom title")
    if status != "administrator":
        raise bad_request("user is not an administrator")
    raise bad_request("not enough rights to change custom title of the user")


async def answer_join_request(call: Call) -> bool:
    """Answer approveChatJoinRequest and declineChatJoinRequest: nobody ever asks to join. Raises RefusalError."""
    group = group_of(call, "chat member status can't be changed in private chats")
    user_id_of(call)
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to manage chat join requests")
    raise bad_request("HIDE_REQUESTER_MISSING")


async def manage_topics(call: Call) -> bool:
    """Answer the methods about forum topics: no group here has any. Raises RefusalError."""
    group_of(call, "the chat is not a forum")
    raise bad_request("the chat is not a forum")


async def promote_chat_member(call: Call) -> bool:
    """Answer promoteChatMember: a bot never gets that right here. Raises RefusalError."""
    _supergroup(call)
    user_id_of(call)
    raise bad_request("not enough rights")


async def set_chat_title(call: Call) -> bool:
    """Answer setChatTitle, and tell the group. Raises RefusalError."""
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
    """Answer setChatDescription; getChat shows it. Raises RefusalError."""
    group = group_of(call, "can't change private chat description")
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to set chat description")
    description = call.parameters.text("description").strip()
    if description == group.description:
        raise bad_request("chat description is not modified")
    group.description = description[:DESCRIPTION_LIMIT]
    call.bot.keep_group(group.chat["id"])
    return True


def _supergroup(call: Call, trouble: str = "method is available for supergroup and channel chats only") -> Group:
    """Return the supergroup. Raises RefusalError with the trouble for any other chat."""
    group = group_of(call, trouble)
    if group.chat["type"] != "supergroup":
        raise bad_request(trouble)
    return group


def _until(call: Call) -> int:
    """Return until when; less than half a minute or more than 366 days means for ever, as with Telegram."""
    until = call.parameters.integer("until_date")
    return until if 30 <= until - call.bot.world.now() <= 366 * 86_400 else 0


def _change_other(call: Call, status: str, permissions: Mapping[str, bool] | None = None) -> None:
    """Change a member's status, if the bot may. Raises RefusalError."""
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
    until = _until(call) if status in {"kicked", "restricted"} else 0
    change(call.bot, chat_of(call)["id"], call.bot.user, user_id, status, permissions=permissions, until=until)
