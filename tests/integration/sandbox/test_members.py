"""A group's members: who comes, goes, is banned or restricted, what administrators may, what a bot hears of it."""

from __future__ import annotations

from typing import Any

from doradura.sandbox import SANDBOX_TOKEN
from tests.integration.sandbox.conftest import Client

BOT_ID = 1000000001
FREE = (
    "can_send_other_messages",
    "can_send_polls",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
)
"""What lifts a restriction: these bring along the rest."""


async def group(client: Client, kind: str = "supergroup", *, admin: bool = True) -> int:
    """Make a group of both people, with the bot as an administrator, and take the updates of that."""
    await client.result("getUpdates", allowed_updates=["message", "my_chat_member", "chat_member"])
    chat_id: int = (await client.act("chats", title="Friends", type=kind, member_ids=[1000, 2000]))["id"]
    if admin:
        await client.act(f"chats/{chat_id}/members", user_id=BOT_ID, status="administrator")
    return chat_id


async def status(client: Client, chat_id: int, user_id: int) -> str:
    """Ask what somebody is."""
    return str((await client.result("getChatMember", chat_id=chat_id, user_id=user_id))["status"])


async def heard(client: Client) -> list[tuple[str, Any]]:
    """Return what the bot heard, in order: kind and old and new status, or the message's service part.

    Another offset than before, so that the poll is not taken for a hasty repetition and given one update.
    """
    told: list[tuple[str, Any]] = []
    for update in await client.result("getUpdates", offset=-100):
        if "message" in update:
            keys = ("new_chat_members", "left_chat_member", "new_chat_title")
            told += [(key, update["message"][key]) for key in keys if key in update["message"]]
        else:
            kind = list(update)[1]
            told.append((kind, [update[kind][f"{age}_chat_member"]["status"] for age in ("old", "new")]))
    return told


async def test_people_come_and_go(client: Client) -> None:
    """A bot that is an administrator hears of it twice, by a service message and by chat_member."""
    chat_id = await group(client)
    await client.act("users", first_name="Zoe", id=3000)
    await client.act(f"chats/{chat_id}/members", user_id=3000, status="member", from_id=1000)
    assert await client.result("getChatMemberCount", chat_id=chat_id) == 4
    await client.act(f"chats/{chat_id}/members", user_id=3000, status="left")
    told = await heard(client)
    assert [kind for kind, _ in told] == [
        "my_chat_member",
        "my_chat_member",
        "new_chat_members",
        "chat_member",
        "left_chat_member",
        "chat_member",
    ]
    assert told[1][1] == ["member", "administrator"]
    assert (told[2][1][0]["id"], told[3][1]) == (3000, ["left", "member"])
    assert (told[4][1]["id"], told[5][1]) == (3000, ["member", "left"])


async def test_a_mere_member_hears_only_the_service_message(client: Client) -> None:
    """Without rights there is no chat_member."""
    chat_id = await group(client, admin=False)
    await client.act(f"chats/{chat_id}/members", user_id=2000, status="left")
    assert [kind for kind, _ in await heard(client)] == ["my_chat_member", "left_chat_member"]


async def test_the_state_names_who_is_who(client: Client) -> None:
    """Each of a group, its creator first, with what they are; who left is not listed, who is banned is."""

    async def listed() -> list[tuple[int, str]]:
        members = (await client.http.get("/sandbox/state")).json()["members"]
        assert list(members) == [str(chat_id)]
        return [(each["user_id"], each["status"]) for each in members[str(chat_id)]]

    chat_id = await group(client, admin=False)
    assert await listed() == [(1000, "creator"), (2000, "member"), (BOT_ID, "member")]
    await client.act(f"chats/{chat_id}/members", user_id=BOT_ID, status="administrator")
    await client.act(f"chats/{chat_id}/members", user_id=2000, status="left")
    assert await listed() == [(1000, "creator"), (BOT_ID, "administrator")]
    await client.act(f"chats/{chat_id}/members", user_id=2000, status="kicked")
    await client.act(f"chats/{chat_id}/members", user_id=BOT_ID, status="left")
    assert await listed() == [(1000, "creator"), (BOT_ID, "left"), (2000, "kicked")]


async def test_an_administrator_bans_and_restricts(client: Client) -> None:
    """Who is banned can't write until unbanned; who is restricted can't either, but stays a member."""
    chat_id = await group(client)
    admins = await client.result("getChatAdministrators", chat_id=chat_id)
    assert [each["user"]["id"] for each in admins] == [1000, BOT_ID]
    said = await client.act(f"chats/{chat_id}/messages", from_id=2000, text="spam")
    assert await client.result("deleteMessage", chat_id=chat_id, message_id=said["message_id"])
    assert await client.result("restrictChatMember", chat_id=chat_id, user_id=2000, permissions={})
    assert await status(client, chat_id, 2000) == "restricted"
    await writing_fails(client, chat_id, "this user may not write to the group")
    some = {"can_send_messages": True, "can_send_other_messages": True}
    assert await client.result("restrictChatMember", chat_id=chat_id, user_id=2000, permissions=some)
    assert await status(client, chat_id, 2000) == "restricted"
    free = dict.fromkeys(FREE, True)
    assert await client.result("restrictChatMember", chat_id=chat_id, user_id=2000, permissions=free)
    assert await status(client, chat_id, 2000) == "member"
    assert await client.result("banChatMember", chat_id=chat_id, user_id=2000)
    assert await status(client, chat_id, 2000) == "kicked"
    await writing_fails(client, chat_id, "this user is banned from the group")
    assert await client.result("unbanChatMember", chat_id=chat_id, user_id=2000, only_if_banned=True)
    assert await status(client, chat_id, 2000) == "left"
    await client.act(f"chats/{chat_id}/messages", from_id=2000, text="back")
    assert await status(client, chat_id, 2000) == "member"


async def writing_fails(client: Client, chat_id: int, why: str) -> None:
    """See that the second person can't write."""
    body = {"from_id": 2000, "text": "x"}
    answer = await client.http.post(f"/sandbox/chats/{chat_id}/messages", params={"token": SANDBOX_TOKEN}, json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": why})


async def test_titles_and_links(client: Client) -> None:
    """An administrator renames a group, describes it and makes links to it."""
    chat_id = await group(client)
    assert await client.result("setChatTitle", chat_id=chat_id, title="Foes")
    assert await client.result("setChatDescription", chat_id=chat_id, description="Of old")
    full = await client.result("getChat", chat_id=chat_id)
    assert (full["title"], full["description"]) == ("Foes", "Of old")
    assert (await heard(client))[-1] == ("new_chat_title", "Foes")
    link = await client.result("createChatInviteLink", chat_id=chat_id, name="door")
    assert (link["name"], link["is_primary"], link["creator"]["id"]) == ("door", False, BOT_ID)
    assert (await client.result("exportChatInviteLink", chat_id=chat_id)).startswith("https://t.me/+")


async def test_what_is_refused(client: Client) -> None:
    """Without rights, of the creator, in a private chat and in a basic group, in the server's words."""
    chat_id = await group(client, "group", admin=False)
    right = "not enough rights"
    assert await client.refusal("setChatTitle", chat_id=chat_id, title="x") == f"{right} to change chat title"
    assert await client.refusal("createChatInviteLink", chat_id=chat_id) == f"{right} to manage chat invite link"
    await client.act(f"chats/{chat_id}/members", user_id=BOT_ID, status="administrator")
    assert await client.refusal("banChatMember", chat_id=chat_id, user_id=1000) == "can't remove chat owner"
    assert await client.refusal("banChatMember", chat_id=chat_id, user_id=5) == "PARTICIPANT_ID_INVALID"
    large = await group(client, "supergroup", admin=False)
    assert await client.refusal("promoteChatMember", chat_id=large, user_id=2000) == right
    only = "method is available only for supergroups"
    assert await client.refusal("restrictChatMember", chat_id=chat_id, user_id=2000, permissions={}) == only
    private = "can't change private chat title"
    assert await client.refusal("setChatTitle", chat_id=1000, title="x") == private
    body = {"user_id": 1000, "status": "left"}
    answer = await client.http.post(f"/sandbox/chats/{chat_id}/members", params={"token": SANDBOX_TOKEN}, json=body)
    assert answer.status_code == 409
