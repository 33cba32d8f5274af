"""Albums, other kinds of files, copies, chats and their members, what a bot says of itself, flood limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doradura.sandbox import SANDBOX_TOKEN
from tests.integration.sandbox.conftest import Client

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000a0000000a080200000002505"
    "8ea0000000d49444154789c63f8cfc0f01f00050001ff6a2f5c1e0000000049454e44ae426082"
)


async def upload(client: Client, method: str, files: dict[str, Any], **fields: str) -> Any:
    """Call a method with files and give the envelope."""
    answer = await client.http.post(f"/bot{SANDBOX_TOKEN}/{method}", data=fields, files=files)
    return answer.json()


async def error(client: Client, method: str, **parameters: Any) -> tuple[int, str]:
    """Call a method that is refused."""
    envelope = await client.call(method, **parameters)
    assert not envelope["ok"], envelope
    return envelope["error_code"], envelope["description"]


async def group(client: Client, kind: str = "group") -> int:
    """Make a group of both people."""
    await client.result("getMe")
    chat = await client.act("chats", title="Friends", type=kind, member_ids=[1000, 2000])
    number: int = chat["id"]
    return number


async def test_an_album_is_a_message_for_each_file(client: Client) -> None:
    """By upload and by file_id, with a caption each; all have one group id."""
    photo = (await upload(client, "sendPhoto", {"photo": ("a.png", PNG)}, chat_id="1000"))["result"]["photo"][-1]
    media = [
        {"type": "photo", "media": "attach://one", "caption": "<b>one</b>", "parse_mode": "HTML"},
        {"type": "photo", "media": photo["file_id"]},
    ]
    fields = {"chat_id": "1000", "media": json.dumps(media)}
    sent = (await upload(client, "sendMediaGroup", {"one": ("b.png", PNG)}, **fields))["result"]
    assert [message["photo"][0]["width"] for message in sent] == [10, 10]
    assert sent[0]["caption_entities"] == [{"type": "bold", "offset": 0, "length": 3}]
    assert sent[0]["media_group_id"] == sent[1]["media_group_id"]
    assert sent[1]["photo"][0]["file_id"] == photo["file_id"]
    assert [each["message_id"] for each in await client.messages(after=1)] == [2, 3]


@pytest.mark.parametrize(
    ("media", "why"),
    [
        (None, 'parameter "media" is required'),
        ("{", "can't parse media JSON object"),
        ({}, "expected an Array of InputMedia"),
        ([], "there are no messages to send"),
        (["x"], "can't parse InputMedia: expected an Object"),
        ([{"type": "photo", "media": "x"}] * 11, "too many messages to send as an album"),
        (
            [{"type": "photo", "media": "x"}, {"type": "audio", "media": "x"}],
            "audio can't be mixed with other media types",
        ),
        ([{"type": "voice", "media": "x"}], 'can\'t parse InputMedia: type "voice" is unsupported'),
        (
            [{"type": "animation", "media": "x"}],
            "can't parse InputMedia: type \"animation\" can't be used in sendMediaGroup",
        ),
        ([{"media": "x"}], "can't parse InputMedia: Can't find field \"type\""),
        ([{"type": "photo"}], "can't parse InputMedia: media not found"),
        ([{"type": "photo", "media": "attach://none"}], "can't parse InputMedia: media not found"),
        (
            [{"type": "photo", "media": "x", "caption": "<b>", "parse_mode": "HTML"}],
            "can't parse InputMedia: Can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
        ([{"type": "photo", "media": "x", "caption": "c" * 1025}], "message caption is too long"),
        (
            [{"type": "photo", "media": "http://example.org/a.png"}],
            'failed to send message #1 with the error message "WEBPAGE_CURL_FAILED"',
        ),
    ],
)
async def test_albums_that_are_refused(client: Client, media: object, why: str) -> None:
    """Nothing of a refused album is sent."""
    given = {} if media is None else {"media": media}
    assert await error(client, "sendMediaGroup", chat_id=1000, **given) == (400, f"Bad Request: {why}")
    assert await client.messages() == []


async def test_every_kind_of_file(client: Client) -> None:
    """Each comes back as what it was sent as, and can be sent again and downloaded."""
    clip = (await client.http.get("/media/sample.mp4")).content
    for method, kind in (("sendAnimation", "animation"), ("sendVoice", "voice"), ("sendVideoNote", "video_note")):
        sent = (await upload(client, method, {kind: ("clip.mp4", clip)}, chat_id="1000"))["result"]
        assert sent[kind]["duration"] == 10
        again = await client.result(method, chat_id=1000, **{kind: sent[kind]["file_id"]})
        assert again[kind]["file_unique_id"] == sent[kind]["file_unique_id"]
        path = (await client.result("getFile", file_id=sent[kind]["file_id"]))["file_path"]
        assert (await client.http.get(f"/file/bot{SANDBOX_TOKEN}/{path}")).content == clip
    assert "document" in (await client.messages())[0]
    assert (await client.messages())[-1]["video_note"]["length"] == 360


async def test_places_contacts_and_dice(client: Client) -> None:
    """Messages that are neither text nor file."""
    place: dict[str, Any] = {"latitude": 52.5, "longitude": 13.25}
    assert (await client.result("sendLocation", chat_id=1000, **place))["location"] == place
    venue = await client.result("sendVenue", chat_id=1000, title="Tower", address="Square 1", **place)
    assert venue["venue"] == {"location": place, "title": "Tower", "address": "Square 1"}
    contact = await client.result("sendContact", chat_id=1000, phone_number="+49", first_name="Ann")
    assert contact["contact"] == {"phone_number": "+49", "first_name": "Ann"}
    assert 1 <= (await client.result("sendDice", chat_id=1000))["dice"]["value"] <= 6
    assert await error(client, "sendLocation", chat_id=1000, latitude=95, longitude=0) == (
        400,
        "Bad Request: wrong location specified",
    )


async def test_forwards_and_copies(client: Client) -> None:
    """A forward says whose it was, a copy does not; neither has the buttons; several go at once."""
    said = await client.act("chats/2000/messages", text="hello /go", from_id=2000)
    buttons = {"inline_keyboard": [[{"text": "b", "callback_data": "d"}]]}
    own = await client.result("sendMessage", chat_id=2000, text="own", reply_markup=buttons)
    forward = await client.result("forwardMessage", chat_id=1000, from_chat_id=2000, message_id=said["message_id"])
    assert forward["text"] == "hello /go"
    assert forward["forward_origin"] == {"type": "user", "sender_user": said["from"], "date": said["date"]}
    copied = await client.result("copyMessage", chat_id=1000, from_chat_id=2000, message_id=own["message_id"])
    shown = (await client.messages(after=copied["message_id"] - 1))[0]
    assert shown["text"] == "own"
    assert not {"reply_markup", "forward_origin"} & shown.keys()
    ids = [said["message_id"], own["message_id"], 999]
    assert len(await client.result("forwardMessages", chat_id=1000, from_chat_id=2000, message_ids=ids)) == 2
    assert len(await client.result("copyMessages", chat_id=1000, from_chat_id=2000, message_ids=ids)) == 2
    assert await error(client, "forwardMessage", chat_id=1000, from_chat_id=2000, message_id=999) == (
        400,
        "Bad Request: message to forward not found",
    )
    assert await client.result("deleteMessages", chat_id=2000, message_ids=ids) is True
    assert await client.messages(2000) == []


async def test_a_group_and_its_members(client: Client) -> None:
    """Its creator is its only administrator; the bot is a member without rights, and can leave."""
    chat_id = await group(client)
    full = await client.result("getChat", chat_id=chat_id)
    assert (full["title"], full["type"], full["permissions"]["can_send_messages"]) == ("Friends", "group", True)
    assert await client.result("getChatMemberCount", chat_id=chat_id) == 3
    (creator,) = await client.result("getChatAdministrators", chat_id=chat_id)
    assert (creator["status"], creator["user"]["id"]) == ("creator", 1000)
    statuses = [
        (await client.result("getChatMember", chat_id=chat_id, user_id=user))["status"]
        for user in (1000, 2000, 1000000001)
    ]
    assert statuses == ["creator", "member", "member"]
    assert await error(client, "banChatMember", chat_id=chat_id, user_id=2000) == (
        400,
        "Bad Request: not enough rights to restrict/unrestrict chat member",
    )
    sent = await client.result("sendMessage", chat_id=chat_id, text="pin me")
    assert await client.result("pinChatMessage", chat_id=chat_id, message_id=sent["message_id"])
    assert (await client.result("getChat", chat_id=chat_id))["pinned_message"]["text"] == "pin me"
    assert await client.result("unpinAllChatMessages", chat_id=chat_id)
    assert "pinned_message" not in await client.result("getChat", chat_id=chat_id)
    assert await client.result("leaveChat", chat_id=chat_id)
    gone = (403, "Forbidden: bot is not a member of the group chat")
    assert await error(client, "sendMessage", chat_id=chat_id, text="x") == gone
    assert await error(client, "getChat", chat_id=chat_id) == gone
    updates = await client.result("getUpdates")
    assert [list(each)[1] for each in updates] == ["my_chat_member", "message", "my_chat_member"]
    assert updates[1]["message"]["pinned_message"]["text"] == "pin me"
    assert [each["my_chat_member"]["new_chat_member"]["status"] for each in updates[::2]] == ["member", "left"]


async def test_a_private_chat(client: Client) -> None:
    """It has two members and no administrators."""
    full = await client.result("getChat", chat_id=1000)
    assert (full["first_name"], full["type"]) == ("Admin", "private")
    assert await client.result("getChatMemberCount", chat_id=1000) == 2
    assert (await client.result("getChatMember", chat_id=1000, user_id=1000))["status"] == "member"
    assert await error(client, "getChatAdministrators", chat_id=1000) == (
        400,
        "Bad Request: there are no administrators in the private chat",
    )
    assert await error(client, "getChat", chat_id=77) == (400, "Bad Request: chat not found")


async def test_a_group_becomes_a_supergroup(client: Client) -> None:
    """Whoever writes to the old id is told the new one; both chats say so; it happens once."""
    chat_id = await group(client)
    chat = await client.act(f"chats/{chat_id}/upgrade", from_id=1000)
    assert (chat["type"], chat["title"]) == ("supergroup", "Friends")
    envelope = await client.call("sendMessage", chat_id=chat_id, text="x")
    assert envelope == {
        "ok": False,
        "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": chat["id"]},
    }
    assert (await client.result("sendMessage", chat_id=chat["id"], text="x"))["chat"]["id"] == chat["id"]
    told = [each.get("message", {}) for each in await client.result("getUpdates")]
    assert [each.get("migrate_to_chat_id") or each.get("migrate_from_chat_id") for each in told] == [
        *(None, chat["id"], chat_id)
    ]
    again = await client.http.post(f"/sandbox/chats/{chat_id}/upgrade", json={})
    assert again.status_code == 409


async def test_webhooks_are_refused(client: Client) -> None:
    """In the server's words; without a URL it is the taking away."""
    assert await error(client, "setWebhook", url="http://x.org") == (
        400,
        "Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
    )
    assert await error(client, "setWebhook", url="https://x.org/hook") == (
        400,
        "Bad Request: bad webhook: Failed to resolve host: Name or service not known",
    )
    assert await client.call("setWebhook", url="") == {
        "ok": True,
        "result": True,
        "description": "Webhook is already deleted",
    }


async def test_what_a_bot_says_of_itself(client: Client) -> None:
    """In each language, else in none; an empty text takes it back."""
    assert await client.result("getMyName") == {"name": "Doradura"}
    await client.result("setMyDescription", description="All")
    await client.result("setMyDescription", description="Alle", language_code="de")
    assert [(await client.result("getMyDescription", language_code=code))["description"] for code in ("de", "fr")] == [
        *("Alle", "All")
    ]
    await client.result("setMyDescription", description="")
    assert await client.result("getMyDescription") == {"description": ""}
    assert await client.result("getChatMenuButton") == {"type": "commands"}
    assert await client.result("getUserProfilePhotos", user_id=1000) == {"total_count": 0, "photos": []}


async def test_a_person_sees_a_reply_keyboard_and_the_bot_does_not(client: Client) -> None:
    """It stands in what the person reads; the bot's own answer has none, as in Telegram."""
    keyboard = {"keyboard": [["Yes", {"text": "No"}]], "resize_keyboard": True}
    sent = await client.result("sendMessage", chat_id=1000, text="?", reply_markup=keyboard)
    assert "reply_markup" not in sent
    (seen,) = await client.messages()
    assert seen["reply_markup"] == {"keyboard": [[{"text": "Yes"}, {"text": "No"}]], "resize_keyboard": True}
    bad = {"keyboard": [[{"no": "text"}]]}
    assert await error(client, "sendMessage", chat_id=1000, text="?", reply_markup=bad) == (
        400,
        "Bad Request: can't parse keyboard button: Can't find field \"text\"",
    )


async def test_flood_limits_can_be_switched_on(client: Client) -> None:
    """Off at first; on, the burst goes through and the next is told how long to wait; actions are free."""
    shown = {"enabled": False, "bot_per_second": 30, "chat_per_second": 1, "chat_burst": 20, "group_per_minute": 20}
    assert (await client.http.get("/sandbox/flood-limits")).json() == shown
    assert await client.act("flood-limits", enabled=True, chat_burst=3) == {**shown, "enabled": True, "chat_burst": 3}
    for _ in range(3):
        await client.result("sendMessage", chat_id=1000, text="x")
    envelope = await client.http.post(f"/bot{SANDBOX_TOKEN}/sendMessage", json={"chat_id": 1000, "text": "x"})
    assert envelope.status_code == 429
    after = envelope.json()["parameters"]["retry_after"]
    assert envelope.json()["description"] == f"Too Many Requests: retry after {after}"
    assert envelope.headers["retry-after"] == str(after)
    assert 1 <= after <= 3
    await client.result("sendMessage", chat_id=2000, text="x")
    await client.result("sendChatAction", chat_id=1000, action="typing")
    chat_id = await group(client)
    await client.act("flood-limits", chat_burst=100, group_per_minute=2)
    for _ in range(2):
        await client.result("sendMessage", chat_id=chat_id, text="x")
    assert (await client.call("sendMessage", chat_id=chat_id, text="x"))["parameters"]["retry_after"] >= 59
    await client.act("flood-limits", enabled=False)
    await client.result("sendMessage", chat_id=chat_id, text="x")
    refused = await client.http.post("/sandbox/flood-limits", json={"chat_burst": 0})
    assert (refused.status_code, refused.json()) == (400, {"error": "a limit is 1 or more"})


async def test_mentions_by_id_name_a_person(client: Client) -> None:
    """A link to a user becomes a mention with that user; one nobody knows is plain text."""
    markup = '<a href="tg://user?id=2000">U</a> <a href="tg://user?id=77">?</a>'
    sent = await client.result("sendMessage", chat_id=1000, text=markup, parse_mode="HTML")
    (mention,) = sent["entities"]
    assert (mention["type"], mention["offset"], mention["length"], mention["user"]["id"]) == (
        "text_mention",
        0,
        1,
        2000,
    )
