"""The members of a group: creator, administrators, members, restricted, banned, gone.

Owns also how the bot learns of changes. Pure except for the bot that it works on. The creator is a group's first
member. As with Telegram, the bot gets updates about other people's changes (`chat_member`) only as an administrator,
about its own (`my_chat_member`) always, and service messages about joins and leaves.
"""

from __future__ import annotations

from collections.abc import Mapping

from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.records import Group, Object

PERMISSIONS = (
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
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)
RIGHTS = (
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)
_GRANTED = frozenset(RIGHTS[1:9]) - {"can_promote_members"}
_INSIDE = frozenset({"creator", "administrator", "member", "restricted"})


def member(bot: Bot, group: Group, user_id: int) -> Object:
    """Return the ChatMember of a known user."""
    user = bot.user if user_id == bot.user_id else bot.world.users[user_id]
    if user_id == bot.user_id:
        status = "kicked" if group.kicked else "left" if group.left else "member"
    elif user_id == group.members[0]:
        return {"user": user, "status": "creator", "is_anonymous": False}
    else:
        status = "member" if user_id in group.members else "left"
    until = group.until.get(str(user_id), 0)
    over = 0 < until <= bot.world.now()
    if user_id in group.banned and not over:
        status = "kicked"
    elif status == "member" and user_id in group.admins:
        rights = {name: name in _GRANTED for name in RIGHTS}
        return {"user": user, "status": "administrator", "can_be_edited": False, **rights}
    elif status == "member" and str(user_id) in group.restricted and not over:
        allowed = group.restricted[str(user_id)]
        permissions = {name: bool(allowed.get(name)) for name in PERMISSIONS}
        return {"user": user, "status": "restricted", "is_member": True, **permissions, "until_date": until}
    return {"user": user, "status": status, **({"until_date": until} if status == "kicked" else {})}


def listed(bot: Bot, group: Group) -> list[Object]:
    """Return who is or was in a group, its creator first, each with `user_id` and `status`."""
    known = dict.fromkeys([*group.members, bot.user_id, *group.admins, *group.banned])
    return [{"user_id": user_id, "status": member(bot, group, user_id)["status"]} for user_id in known]


def is_admin(bot: Bot, group: Group) -> bool:
    """Return whether the bot is an administrator of a group that it is in."""
    return bot.user_id in group.admins and group.refusal() is None


def permissions(group: Group) -> dict[str, bool]:
    """Return the ChatPermissions of a group's ordinary members."""
    return {name: group.permissions.get(name, True) for name in PERMISSIONS}


def may_write(bot: Bot, group: Group, user_id: int) -> bool:
    """Return whether a person in a group may write there."""
    who = member(bot, group, user_id)
    if who["status"] in {"creator", "administrator"}:
        return True
    return bool(who.get("can_send_messages", True)) and permissions(group)["can_send_messages"]


def change(
    bot: Bot,
    chat_id: int,
    actor: Object,
    user_id: int,
    status: str,
    *,
    permissions: Mapping[str, bool] | None = None,
    until: int = 0,
) -> None:
    """Make somebody an administrator, a member, restricted, gone ("left") or banned ("kicked"), perhaps for a time.

    The bot gets the updates that Telegram would send; none if nothing changes.
    """
    group = bot.groups[chat_id]
    old = member(bot, group, user_id)
    _put(bot, group, user_id, status, permissions)
    if until:
        group.until[str(user_id)] = until
    new = member(bot, group, user_id)
    if new == old:
        return
    bot.keep_group(chat_id)
    was_in, is_in = old["status"] in _INSIDE, new["status"] in _INSIDE
    if was_in != is_in and user_id != bot.user_id:
        said: Object = {"new_chat_members": [new["user"]]} if is_in else {"left_chat_member": new["user"]}
        bot.add_message(chat_id, said, sender=actor, fixed=True)
    kind = "my_chat_member" if user_id == bot.user_id else "chat_member"
    if kind == "my_chat_member" or is_admin(bot, group):
        head = {"chat": group.chat, "from": actor, "date": bot.world.now()}
        bot.queue(kind, {**head, "old_chat_member": old, "new_chat_member": new})


def _put(bot: Bot, group: Group, user_id: int, status: str, permissions: Mapping[str, bool] | None) -> None:
    """Store somebody's new status."""
    group.until.pop(str(user_id), None)
    group.restricted.pop(str(user_id), None)
    group.admins = [each for each in group.admins if each != user_id]
    group.banned = [each for each in group.banned if each != user_id]
    if user_id == bot.user_id:
        group.left, group.kicked = status == "left", status == "kicked"
    elif status in _INSIDE and user_id not in group.members:
        group.members.append(user_id)
    elif status not in _INSIDE and user_id in group.members:
        group.members.remove(user_id)
    if status == "administrator":
        group.admins.append(user_id)
    elif status == "kicked" and user_id != bot.user_id:
        group.banned.append(user_id)
    elif status == "restricted":
        group.restricted[str(user_id)] = dict(permissions or {})
