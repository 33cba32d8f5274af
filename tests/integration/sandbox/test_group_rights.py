"""What an administrator sets in a group: permissions, invite links, how long a ban lasts; what no bot may set here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from doradura.sandbox import SANDBOX_TOKEN
from doradura.sandbox.state.blobs import Blobs
from doradura.sandbox.state.bots import Bots
from doradura.sandbox.state.journal import Journal
from doradura.sandbox.state.members import change, may_write, member
from doradura.sandbox.state.world import World
from tests.integration.sandbox.conftest import Client, Opener
from tests.integration.sandbox.test_members import BOT_ID, group

SEND = "can_send_messages"


async def say(client: Client, chat_id: int, from_id: int) -> int:
    """Write to a group as a person and give the status."""
    body = {"from_id": from_id, "text": "x"}
    path = f"/sandbox/chats/{chat_id}/messages"
    return (await client.http.post(path, params={"token": SANDBOX_TOKEN}, json=body)).status_code


async def test_what_members_may(client: Client) -> None:
    """Mere members are held to the group's permissions, its creator is not; getChat shows them."""
    chat_id = await group(client)
    assert await client.result("setChatPermissions", chat_id=chat_id, permissions={"can_pin_messages": True}) is True
    shown = (await client.result("getChat", chat_id=chat_id))["permissions"]
    assert (shown[SEND], shown["can_pin_messages"], shown["can_manage_topics"]) == (False, True, True)
    assert (await say(client, chat_id, 1000), await say(client, chat_id, 2000)) == (200, 400)
    assert await client.result("setChatPermissions", chat_id=chat_id, permissions={SEND: True}) is True
    assert await say(client, chat_id, 2000) == 200


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({}, set()),
        ({"can_send_polls": True}, {"can_send_polls", SEND}),
        ({"can_send_polls": True, "independent": True}, {"can_send_polls"}),
        (
            {"can_send_media_messages": True},
            {
                SEND,
                *(f"can_send_{kind}s" for kind in ("audio", "document", "photo", "video", "video_note", "voice_note")),
            },
        ),
        ({"can_pin_messages": True}, {"can_pin_messages", "can_manage_topics"}),
        ({"can_pin_messages": True, "can_manage_topics": False}, {"can_pin_messages"}),
    ],
)
async def test_permissions_bring_along_others(client: Client, given: dict[str, bool], allowed: set[str]) -> None:
    """What is allowed brings along what it needs, also by the names of old, unless each is to stand for itself."""
    chat_id = await group(client)
    alone = given.pop("independent", False)
    await client.result(
        "setChatPermissions", chat_id=chat_id, permissions=given, use_independent_chat_permissions=alone
    )
    shown = (await client.result("getChat", chat_id=chat_id))["permissions"]
    assert {name for name, value in shown.items() if value} == allowed


async def test_invite_links(client: Client) -> None:
    """A link has its terms, can be edited and revoked, once; the primary one is the group's and never missing."""
    chat_id = await group(client)
    expires = int(time.time()) + 3600
    terms: dict[str, Any] = {"name": "n", "expire_date": expires, "member_limit": 5}
    made = await client.result("createChatInviteLink", chat_id=chat_id, **terms)
    assert {key: made[key] for key in terms} == terms
    assert (made["is_primary"], made["is_revoked"], made["creates_join_request"]) == (False, False, False)
    link = made["invite_link"]
    edited = await client.result("editChatInviteLink", chat_id=chat_id, invite_link=link, creates_join_request=True)
    assert edited == {**{key: made[key] for key in made if key not in terms}, "creates_join_request": True}
    revoked = await client.result("revokeChatInviteLink", chat_id=chat_id, invite_link=link)
    assert revoked == {**edited, "is_revoked": True}
    for method in ("editChatInviteLink", "revokeChatInviteLink"):
        assert await client.refusal(method, chat_id=chat_id, invite_link=link) == "INVITE_HASH_EXPIRED"
    first = await client.result("exportChatInviteLink", chat_id=chat_id)
    assert (await client.result("getChat", chat_id=chat_id))["invite_link"] == first
    second = await client.result("exportChatInviteLink", chat_id=chat_id)
    assert await client.refusal("revokeChatInviteLink", chat_id=chat_id, invite_link=first) == "INVITE_HASH_EXPIRED"
    assert (await client.result("revokeChatInviteLink", chat_id=chat_id, invite_link=second))["is_primary"] is True
    third = (await client.result("getChat", chat_id=chat_id))["invite_link"]
    assert third not in {first, second}


@pytest.mark.parametrize(
    ("method", "given", "why"),
    [
        (
            "createChatInviteLink",
            {"member_limit": 1, "creates_join_request": True},
            "member limit can't be specified for links requiring administrator approval",
        ),
        ("createChatInviteLink", {"expire_date": 1}, "EXPIRE_DATE_INVALID"),
        ("revokeChatInviteLink", {}, "invite link must be non-empty"),
        ("revokeChatInviteLink", {"invite_link": "https://t.me/+x"}, "INVITE_HASH_EXPIRED"),
        ("setChatAdministratorCustomTitle", {"user_id": 1000}, "only creator can edit their custom title"),
        ("setChatAdministratorCustomTitle", {"user_id": 2000}, "user is not an administrator"),
        (
            "setChatAdministratorCustomTitle",
            {"user_id": BOT_ID},
            "not enough rights to change custom title of the user",
        ),
        ("approveChatJoinRequest", {"user_id": 2000}, "HIDE_REQUESTER_MISSING"),
        ("declineChatJoinRequest", {"user_id": 2000}, "HIDE_REQUESTER_MISSING"),
        ("createForumTopic", {"name": "x"}, "the chat is not a forum"),
        ("unpinAllGeneralForumTopicMessages", {}, "the chat is not a forum"),
        ("setChatPermissions", {"permissions": "["}, "can't parse permissions JSON object"),
        ("setChatPermissions", {"permissions": []}, "object expected as permissions"),
        (
            "setChatPermissions",
            {"permissions": {SEND: 1}},
            f'can\'t parse chat permissions: Field "{SEND}" must be of type Boolean',
        ),
    ],
)
async def test_what_an_administrator_is_refused(client: Client, method: str, given: dict[str, Any], why: str) -> None:
    """In the server's words."""
    assert await client.refusal(method, chat_id=await group(client), **given) == why


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("setChatPermissions", "not enough rights to change chat permissions"),
        ("createChatInviteLink", "not enough rights to manage chat invite link"),
        ("approveChatJoinRequest", "not enough rights to manage chat join requests"),
    ],
)
async def test_a_mere_member_may_set_nothing(client: Client, method: str, why: str) -> None:
    """A bot that is no administrator is told which right it lacks."""
    assert await client.refusal(method, chat_id=await group(client, admin=False), user_id=2000) == why


async def test_links_and_bans_are_kept(open_sandbox: Opener, tmp_path: Path) -> None:
    """After a restart the group has its link, its permissions and the end of a ban."""
    until = int(time.time()) + 3600
    async with open_sandbox(tmp_path) as client:
        chat_id = await group(client)
        link = await client.result("exportChatInviteLink", chat_id=chat_id)
        await client.result("setChatPermissions", chat_id=chat_id, permissions={})
        await client.result("banChatMember", chat_id=chat_id, user_id=2000, until_date=until)
    async with open_sandbox(tmp_path) as client:
        shown = await client.result("getChat", chat_id=chat_id)
        assert (shown["invite_link"], shown["permissions"][SEND]) == (link, False)
        banned = await client.result("getChatMember", chat_id=chat_id, user_id=2000)
        assert (banned["status"], banned["until_date"]) == ("kicked", until)


@pytest.mark.parametrize(("seconds", "kept"), [(10, False), (3600, True), (367 * 86_400, False)])
async def test_how_long_a_ban_lasts(client: Client, seconds: int, *, kept: bool) -> None:
    """Less than half a minute or more than 366 days is for good."""
    chat_id = await group(client)
    until = int(time.time()) + seconds
    await client.result("banChatMember", chat_id=chat_id, user_id=2000, until_date=until)
    shown = await client.result("getChatMember", chat_id=chat_id, user_id=2000)
    assert shown["until_date"] == (until if kept else 0)


async def test_a_restriction_ends_by_itself(tmp_path: Path) -> None:
    """When its time is over a restricted member is one like others, and who was banned is out but may come back."""
    now = 1000.0
    bots = Bots(World(Journal(None), Blobs(tmp_path), clock=lambda: now))
    await bots.load()
    bot = bots.bot(SANDBOX_TOKEN)
    chat_id = bot.add_group("G", "supergroup", [1000, 2000])["id"]
    there = bot.groups[chat_id]
    change(bot, chat_id, bot.user, 2000, "restricted", until=1060)
    assert (member(bot, there, 2000)["until_date"], may_write(bot, there, 2000)) == (1060, False)
    now = 1060.0
    assert (member(bot, there, 2000)["status"], may_write(bot, there, 2000)) == ("member", True)
    change(bot, chat_id, bot.user, 2000, "kicked", until=1120)
    assert member(bot, there, 2000)["status"] == "kicked"
    now = 1120.0
    assert member(bot, there, 2000)["status"] == "left"
