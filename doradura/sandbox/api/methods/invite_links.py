"""Bot API methods about a group's invite links. Nobody can follow one: people join through the human side.

Owns a link's form and its possible terms. Links belong to the bot that made them; the primary one is the group's.
Source: td/telegram/DialogInviteLinkManager.cpp.
"""

from __future__ import annotations

import secrets

from doradura.sandbox.api.call import Call
from doradura.sandbox.api.methods.chats import group_of
from doradura.sandbox.state.members import is_admin
from doradura.sandbox.state.records import Group, Object
from doradura.sandbox.state.refusal import bad_request

NAME_LIMIT = 32
MEMBERS_LIMIT = 100_000


async def export_chat_invite_link(call: Call) -> str:
    """Answer exportChatInviteLink: a new primary link; the previous one no longer works."""
    group = _group(call)
    for link in group.links:
        if link["is_primary"] and not link["is_revoked"]:
            link["is_revoked"] = True
    made = _new(call, group, {"creates_join_request": False}, primary=True)
    address: str = made["invite_link"]
    return address


async def create_chat_invite_link(call: Call) -> Object:
    """Answer createChatInviteLink."""
    group = _group(call)
    return _new(call, group, _terms(call), primary=False)


async def edit_chat_invite_link(call: Call) -> Object:
    """Answer editChatInviteLink: terms that are not given are removed. Raises RefusalError."""
    group = _group(call)
    link, terms = _link(call, group), _terms(call)
    if link["is_primary"] or link["is_revoked"]:
        raise bad_request("INVITE_HASH_EXPIRED")
    kept = {key: link[key] for key in ("invite_link", "creator", "is_primary", "is_revoked")}
    link.clear()
    link.update({**kept, **terms})
    call.bot.keep_group(group.chat["id"])
    return link


async def revoke_chat_invite_link(call: Call) -> Object:
    """Answer revokeChatInviteLink; a revoked primary link is replaced by a new one. Raises RefusalError."""
    group = _group(call)
    link = _link(call, group)
    if link["is_revoked"]:
        raise bad_request("INVITE_HASH_EXPIRED")
    link["is_revoked"] = True
    if link["is_primary"]:
        _new(call, group, {"creates_join_request": False}, primary=True)
    call.bot.keep_group(group.chat["id"])
    return link


def _group(call: Call) -> Group:
    """Return the group whose links the bot may manage. Raises RefusalError."""
    group = group_of(call, "chat invite links can't be created for private chats")
    if not is_admin(call.bot, group):
        raise bad_request("not enough rights to manage chat invite link")
    return group


def _new(call: Call, group: Group, terms: Object, *, primary: bool) -> Object:
    link = {
        "invite_link": f"https://t.me/+{secrets.token_urlsafe(12)}",
        "creator": call.bot.user,
        "is_primary": primary,
        "is_revoked": False,
        **terms,
    }
    group.links.append(link)
    call.bot.keep_group(group.chat["id"])
    return link


def _link(call: Call, group: Group) -> Object:
    wanted = call.parameters.text("invite_link")
    found = [link for link in group.links if link["invite_link"] == wanted]
    if not found:
        raise bad_request("INVITE_HASH_EXPIRED" if wanted else "invite link must be non-empty")
    return found[0]


def _terms(call: Call) -> Object:
    """Return a link's terms: for whom, how many, how long. Raises RefusalError."""
    parameters = call.parameters
    expires = max(0, parameters.integer("expire_date"))
    most = min(max(0, parameters.integer("member_limit")), MEMBERS_LIMIT)
    asks = parameters.boolean("creates_join_request")
    if asks and most:
        raise bad_request("member limit can't be specified for links requiring administrator approval")
    if expires and expires <= call.bot.world.now():
        raise bad_request("EXPIRE_DATE_INVALID")
    terms: Object = {"creates_join_request": asks}
    if name := parameters.text("name").strip()[:NAME_LIMIT]:
        terms["name"] = name
    if expires:
        terms["expire_date"] = expires
    return terms | ({"member_limit": most} if most else {})
