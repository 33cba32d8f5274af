from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from doradura.sandbox import SANDBOX_TOKEN
from tests.integration.sandbox.conftest import Client, Opener


async def test_without_a_bot_there_are_no_chats(client: Client) -> None:
    """Until a bot has called, a chat's path says 409; then the first that called is meant."""
    path = "/sandbox/chats/1000/messages"
    assert (await client.http.get(path)).status_code == 409
    state = (await client.http.get("/sandbox/state")).json()
    assert [user["id"] for user in state["users"]] == [1000, 2000]
    assert state["bots"] == []
    await client.result("getMe")
    assert (await client.http.get(path)).json() == {"messages": []}
    state = (await client.http.get("/sandbox/state")).json()
    assert [bot["id"] for bot in state["bots"]] == [1000000001]
    assert [chat["id"] for chat in state["chats"]] == [1000, 2000]


async def test_the_default_bot_is_named_first(open_sandbox: Opener, tmp_path: Path) -> None:
    """After a restart with the same state the first of the bots is the one that called first since then."""
    other = f"4:{'B' * 35}"
    async with open_sandbox(tmp_path) as client:
        await client.result("getMe", other)
        await client.result("getMe")
    for first, second in (((SANDBOX_TOKEN, other)), (other, SANDBOX_TOKEN)):
        async with open_sandbox(tmp_path) as client:
            await client.result("getMe", first)
            await client.result("getMe", second)
            state = (await client.http.get("/sandbox/state")).json()
            assert [bot["id"] for bot in state["bots"]] == [int(token.partition(":")[0]) for token in (first, second)]


async def test_who_blocked_the_bot_is_kept(open_sandbox: Opener, tmp_path: Path) -> None:
    """The state names who blocked the bot, after a restart too, until it is taken back."""

    async def blocked_by(client: Client) -> object:
        return (await client.http.get("/sandbox/state")).json()["blocked_by"]

    async with open_sandbox(tmp_path) as client:
        assert await blocked_by(client) == []
        await client.result("getMe")
        await client.act("chats/2000/block", blocked=True)
        assert await blocked_by(client) == [2000]
    async with open_sandbox(tmp_path) as client:
        await client.result("getMe")
        assert await blocked_by(client) == [2000]
        await client.act("chats/2000/block", blocked=False)
        assert await blocked_by(client) == []


async def test_messages_replies_and_edits_reach_the_bot(client: Client) -> None:
    """What a person writes comes as message and edited_message, with entities and the message replied to."""
    await client.result("sendMessage", chat_id=1000, text="hello")
    said = await client.act("chats/1000/messages", from_id=1000, text="/start x", reply_to_message_id=1)
    assert said["message_id"] == 2
    assert said["reply_to_message"]["text"] == "hello"
    assert said["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    edited = await client.act("chats/1000/messages", from_id=1000, text="y", edit_message_id=2)
    updates = await client.result("getUpdates")
    assert [update.get("message", {}).get("text") for update in updates] == ["/start x", None]
    assert updates[1]["edited_message"] == edited
    assert [message["message_id"] for message in await client.messages(after=1)] == [2]


async def test_an_unknown_person_gets_a_name(client: Client) -> None:
    """A from_id never seen becomes "User ID", in private and in a group."""
    said = await client.act("chats/4711/messages", from_id=4711, text="x")
    assert said["from"] == {"id": 4711, "is_bot": False, "first_name": "User 4711", "language_code": "en"}
    group = await client.act("chats", title="G", type="supergroup", member_ids=[1000])
    assert group["id"] < -1_000_000_000_000
    assert (await client.act(f"chats/{group['id']}/messages", from_id=4712, text="x"))["chat"] == group
    updates = await client.result("getUpdates")
    assert [next(key for key in update if key != "update_id") for update in updates] == [
        "message",
        "my_chat_member",
        "message",
    ]


async def test_files_of_people(client: Client) -> None:
    """A person's file reaches the bot, which can download it; what a browser could run is only ever saved."""
    content = b"<script>alert(1)</script>"
    said = await client.act(
        "chats/1000/files",
        from_id=1000,
        kind="document",
        file_name="x.html",
        mime_type="text/html",
        content_base64=base64.b64encode(content).decode(),
        caption="see",
    )
    assert said["caption"] == "see"
    seen = await client.http.get(said["document"]["file_url"])
    assert seen.content == content
    assert seen.headers["content-disposition"] == "attachment"
    [update] = await client.result("getUpdates")
    assert "file_url" not in update["message"]["document"]
    path = (await client.result("getFile", file_id=said["document"]["file_id"]))["file_path"]
    assert (await client.http.get(f"/file/bot{SANDBOX_TOKEN}/{path}")).content == content


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("chats/1000/messages", {"from_id": 1000}, 400),
        ("chats/1000/messages", {"from_id": 2000, "text": "x"}, 400),
        ("chats/-7/messages", {"from_id": 1000, "text": "x"}, 404),
        ("chats/1000/messages", {"from_id": 1000, "text": "x", "edit_message_id": 9}, 404),
        ("chats/1000/press", {"from_id": 1000, "message_id": 9, "data": "x"}, 400),
        ("chats/1000/pay", {}, 400),
        ("payments/x/renew", {}, 404),
        ("nothing", {}, 404),
    ],
)
async def test_mistakes_say_why(client: Client, path: str, body: dict[str, object], status: int) -> None:
    """What cannot be done is answered with a reason."""
    answer = await client.http.post(f"/sandbox/{path}", params={"token": SANDBOX_TOKEN}, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_depths_are_a_mistake_like_any_other(client: Client) -> None:
    """20,000 brackets, wherever they are put, are refused or ignored, and what they were a part of goes on."""
    deep = "[" * 20_000 + "]" * 20_000
    for path in ("chats/1000/messages", "faults"):
        answer = await client.http.post(f"/sandbox/{path}?token={SANDBOX_TOKEN}", content=f'{{"x": {deep}}}')
        assert answer.status_code == 400
        assert answer.json()["error"]

    for markup in (deep, '{"inline_keyboard": ' + "[" * 101 + "]" * 101 + "}"):
        sent = await client.call("sendMessage", chat_id=1000, text="x", reply_markup=markup)
        assert (sent["error_code"], sent["description"]) == (
            400,
            "Bad Request: can't parse reply keyboard markup JSON object",
        )
    body = f'{{"chat_id": 1000, "text": "x", "reply_markup": {deep}}}'
    headers = {"content-type": "application/json"}
    answer = await client.http.post(f"/bot{SANDBOX_TOKEN}/sendMessage", content=body, headers=headers)
    assert answer.json()["error_code"] == 400

    for ordered in (deep, f'{{"ok": true, "result": {deep}}}'):
        await client.act("faults", method="getMe", body=ordered)
        answer = await client.http.post(f"/bot{SANDBOX_TOKEN}/getMe")
        assert (answer.status_code, answer.text) == (200, ordered)
    lines = (await client.http.get("/sandbox/requests")).text.splitlines()
    assert "response" not in json.loads(lines[-1])


async def test_the_record_of_calls(client: Client) -> None:
    """Each call has a line with its parameters as they came and its envelope; a poll that brought nothing has none."""
    await client.result("getUpdates")
    await client.result("sendMessage", chat_id=1000, text="x", reply_markup={"inline_keyboard": []})
    await client.act("chats/1000/messages", from_id=1000, text="y")
    await client.result("getUpdates")
    answer = await client.http.get("/sandbox/requests", params={"after": 0})
    assert answer.headers["content-type"] == "application/x-ndjson"
    first, second = (json.loads(line) for line in answer.text.splitlines())
    assert (first["n"], first["method"], first["status"], first["fault"]) == (1, "sendMessage", 200, None)
    assert first["params"] == {"chat_id": "1000", "text": "x", "reply_markup": '{"inline_keyboard":[]}'}
    assert first["response"]["result"]["text"] == "x"
    assert (second["n"], second["method"]) == (2, "getUpdates")
    assert len((await client.http.get("/sandbox/requests", params={"after": 1})).text.splitlines()) == 1


async def test_the_record_says_how_long_a_call_took(client: Client) -> None:
    """From its arrival to its answer, in seconds, the delay of a fault included."""
    await client.act("faults", method="getMe", times=1, delay_seconds=0.3)
    await client.result("getMe")
    await client.result("getMe")
    lines = (await client.http.get("/sandbox/requests")).text.splitlines()
    slow, quick = (json.loads(line)["took_seconds"] for line in lines)
    assert 0.3 <= slow < 5
    assert 0 <= quick < 0.3


async def test_faults(client: Client) -> None:
    """A flood wait has its header; a drop closes before or after the deed; a body is sent as it stands."""
    call: dict[str, Any] = {"chat_id": 1000, "text": "x"}
    await client.act("faults", method="sendMessage", times=1, retry_after=3)
    flood = await client.http.post(f"/bot{SANDBOX_TOKEN}/sendMessage", json=call)
    assert (flood.status_code, flood.headers["retry-after"], flood.json()["parameters"]) == (
        429,
        "3",
        {"retry_after": 3},
    )
    for drop, done in (("before", 0), ("after", 1)):
        await client.act("faults", method="*", times=1, drop=drop, chat_id=1000)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.call("sendMessage", **call)
        assert len(await client.messages()) == done
    await client.act("faults", method="getMe", times=0, error_code=502, body="<html>")
    broken = await client.http.get(f"/bot{SANDBOX_TOKEN}/getMe")
    assert (broken.status_code, broken.text) == (502, "<html>")
    assert (await client.http.request("DELETE", "/sandbox/faults")).json() == {"deleted": 1}
    await client.result("getMe")
    lines = [json.loads(line) for line in (await client.http.get("/sandbox/requests")).text.splitlines()]
    assert [(line["status"], line["fault"], "response" in line) for line in lines] == [
        (429, 1, True),
        (None, 2, False),
        (None, 3, False),
        (502, 4, False),
        (200, None, True),
    ]


async def hear(stream: trio.SocketStream, count: int) -> list[tuple[str, Any]]:
    """Read so many events off the wire."""
    text = ""
    while text.count("\n\n") < count:
        piece = await stream.receive_some()
        assert piece, text
        text += piece.decode()
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(value.removeprefix("data: "))) for name, value in blocks]


async def test_events_tell_what_happens(client: Client) -> None:
    """A listener hears of messages, edits, deletions, actions and answered presses, each with its chat."""
    await client.result("getMe")
    async with await trio.open_tcp_stream("127.0.0.1", int(client.url.rpartition(":")[2])) as stream:
        await stream.send_all(b"GET /sandbox/events HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        head = b""
        while b"retry: 1000" not in head:
            head += await stream.receive_some()
        keyboard = {"inline_keyboard": [[{"text": "a", "callback_data": "x"}]]}
        sent = await client.result("sendMessage", chat_id=1000, text="one", reply_markup=keyboard)
        press = await client.act("chats/1000/press", from_id=1000, message_id=1, data="x")
        await client.result("answerCallbackQuery", callback_query_id=press["callback_query_id"], text="ok")
        edited = await client.result("editMessageText", chat_id=1000, message_id=1, text="two")
        await client.result("sendChatAction", chat_id=1000, action="typing")
        await client.result("deleteMessage", chat_id=1000, message_id=1)
        with trio.fail_after(30):
            heard = await hear(stream, 5)
    assert b"content-type: text/event-stream" in head
    answer = {"chat_id": 1000, "id": press["callback_query_id"], "text": "ok", "show_alert": False, "url": ""}
    assert heard == [
        ("message", {"chat_id": 1000, "message": sent}),
        ("callback", answer),
        ("edit", {"chat_id": 1000, "message": edited}),
        ("action", {"chat_id": 1000, "action": "typing"}),
        ("delete", {"chat_id": 1000, "message_id": 1}),
    ]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.com"}, 403),
        ({"Origin": "http://evil.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_no_page_on_the_web_drives_it(client: Client, headers: dict[str, str], status: int) -> None:
    """A Host that is not loopback and a foreign Origin are refused, on the human side and the bot's."""
    for path in ("/sandbox/state", f"/bot{SANDBOX_TOKEN}/getMe"):
        with trio.fail_after(30):
            assert (await client.http.get(path, headers=headers)).status_code == status


async def test_a_person_sees_the_narrowest_list_of_commands(client: Client) -> None:
    """That of the chat before that of its kind before the default, each in their language before that for all."""

    async def seen(chat_id: int, person: int = 2000) -> list[str]:
        path = f"/sandbox/chats/{chat_id}/commands"
        answer = (await client.http.get(path, params={"from_id": person})).json()
        return [each["command"] for each in answer["commands"]]

    async def put(name: str, scope: dict[str, Any] | None = None, language_code: str = "") -> None:
        commands = [{"command": name, "description": "x"}]
        given: dict[str, Any] = {"scope": scope} if scope else {}
        assert await client.result("setMyCommands", commands=commands, language_code=language_code, **given)

    await client.result("getMe")
    group = (await client.act("chats", title="G", type="group", member_ids=[1000, 2000]))["id"]
    assert await seen(2000) == []
    await put("usual")
    await put("usual_de", language_code="de")
    assert (await seen(2000), await seen(group)) == (["usual"], ["usual"])
    await client.act("users", id=2000, first_name="User", language_code="de")
    assert (await seen(2000), await seen(1000, 1000)) == (["usual_de"], ["usual"])
    await put("private", {"type": "all_private_chats"})
    await put("groups", {"type": "all_group_chats"})
    assert (await seen(2000), await seen(group)) == (["private"], ["groups"])
    await put("here", {"type": "chat", "chat_id": 2000})
    await put("admins", {"type": "all_chat_administrators"})
    assert (await seen(2000), await seen(1000, 1000)) == (["here"], ["private"])
    assert (await seen(group), await seen(group, 1000)) == (["groups"], ["admins"])
    await put("hers", {"type": "chat_member", "chat_id": group, "user_id": 2000})
    await put("this_group", {"type": "chat", "chat_id": group})
    assert (await seen(group), await seen(group, 1000)) == (["hers"], ["this_group"])
    await put("these_admins", {"type": "chat_administrators", "chat_id": group})
    assert await seen(group, 1000) == ["these_admins"]
