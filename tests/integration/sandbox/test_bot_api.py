from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from doradura.sandbox import SANDBOX_TOKEN
from doradura.sandbox.media.samples import VERSION
from doradura.sandbox.media.serving import MEBIBYTE
from doradura.sandbox.state.blobs import FILE_LIMIT_BYTES
from tests.integration.sandbox.conftest import Client

KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
OTHER_TOKEN = "777:OTHERAAAAAAAAAAAAAAAAAAAAAAAA"
PART = b"--xx\r\nContent-Disposition: form-data; name=document; filename=\xc3\xa9 t.txt\r\n\r\nabc\r\n--xx--\r\n"


async def test_every_encoding_is_understood(client: Client) -> None:
    """Query, urlencoded, JSON and multipart carry the same call; the query wins over the body, a first value too."""
    path = f"/bot{SANDBOX_TOKEN}/sendMessage"
    answers = [
        await client.http.get(path, params={"chat_id": "1000", "text": "é"}),
        await client.http.post(path, data={"chat_id": "1000", "text": "é"}),
        await client.http.post(path, json={"chat_id": 1000, "text": "é"}),
        await client.http.post(path, files={"chat_id": (None, "1000"), "text": (None, "é")}),
        await client.http.post(
            f"{path.upper().replace('/BOT', '/bot')}?chat_id=1000&chat_id=2000&text=é", data={"text": "no"}
        ),
    ]
    assert [answer.json()["result"]["text"] for answer in answers] == ["é"] * 5
    assert {answer.json()["result"]["chat"]["id"] for answer in answers} == {1000}


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        ("/botnonsense/getMe", 401, "Unauthorized: invalid token specified"),
        ("/bot123:short/getMe", 401, "Unauthorized"),
        (f"/bot{SANDBOX_TOKEN}/nope", 404, "Not Found: method not found"),
        ("/elsewhere", 404, "Not Found"),
    ],
)
async def test_wrong_addresses(client: Client, path: str, status: int, description: str) -> None:
    """A bad token, an unknown method and another path have the server's envelopes."""
    answer = await client.http.get(path)
    assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": status, "description": description}


@pytest.mark.parametrize(
    ("parameters", "code", "description"),
    [
        ({"chat_id": 1000}, 400, "Bad Request: message text is empty"),
        ({"chat_id": 1000, "text": " \n"}, 400, "Bad Request: text must be non-empty"),
        ({"chat_id": 1000, "text": "x" * 4097}, 400, "Bad Request: message is too long"),
        ({"text": "x"}, 400, "Bad Request: chat_id is empty"),
        ({"chat_id": 5, "text": "x"}, 400, "Bad Request: chat not found"),
        ({"chat_id": -5, "text": "x"}, 400, "Bad Request: chat not found"),
        ({"chat_id": 1000, "text": "x", "parse_mode": "Markdown3"}, 400, "Bad Request: unsupported parse_mode"),
        (
            {"chat_id": 1000, "text": "x", "reply_parameters": {"message_id": 9}},
            400,
            "Bad Request: message to be replied not found",
        ),
    ],
)
async def test_sends_are_refused_in_the_servers_words(
    client: Client, parameters: dict[str, Any], code: int, description: str
) -> None:
    """Each mistake of a send has its code and text."""
    envelope = await client.call("sendMessage", **parameters)
    assert envelope == {"ok": False, "error_code": code, "description": description}


async def test_people_must_start_a_bot_and_may_block_it(client: Client) -> None:
    """A person who never wrote gets no message; one who blocked the bot neither; taking it back helps."""
    person = (await client.act("users", first_name="Zoë"))["id"]

    async def send() -> str:
        return str((await client.call("sendMessage", chat_id=person, text="x")).get("description", "sent"))

    assert await send() == "Forbidden: bot can't initiate conversation with a user"
    await client.act(f"chats/{person}/messages", from_id=person, text="hi")
    assert await send() == "sent"
    await client.act(f"chats/{person}/block", from_id=person, blocked=True)
    assert await send() == "Forbidden: bot was blocked by the user"
    await client.act(f"chats/{person}/block", from_id=person, blocked=False)
    assert await send() == "sent"
    updates = await client.result("getUpdates")
    statuses = [update["my_chat_member"]["new_chat_member"]["status"] for update in updates[1:]]
    assert statuses == ["kicked", "member"]


async def test_edits(client: Client) -> None:
    """An edit shows at once, loses the keyboard it does not name, and is refused when nothing or nobody's changes."""
    sent = await client.result("sendMessage", chat_id=1000, text="one", reply_markup=KEYBOARD)
    where = {"chat_id": 1000, "message_id": sent["message_id"]}
    same = await client.call("editMessageText", **where, text="one", reply_markup=KEYBOARD)
    assert same["description"].startswith("Bad Request: message is not modified: ")
    edited = await client.result("editMessageText", **where, text="<b>two</b>", parse_mode="HTML")
    assert edited["text"] == "two"
    assert edited["entities"] == [{"type": "bold", "offset": 0, "length": 3}]
    assert "edit_date" in edited
    assert "reply_markup" not in edited
    assert await client.messages() == [edited]
    theirs = await client.act("chats/1000/messages", from_id=1000, text="mine")
    for message_id, why in ((theirs["message_id"], "message can't be edited"), (99, "message to edit not found")):
        refused = await client.call("editMessageText", chat_id=1000, message_id=message_id, text="x")
        assert refused["description"] == f"Bad Request: {why}"
    assert await client.result("deleteMessage", **where) is True
    refused = await client.call("deleteMessage", **where)
    assert refused["description"] == "Bad Request: message to delete not found"
    assert await client.messages() == [theirs]


async def test_a_pressed_button_is_answered_once(client: Client) -> None:
    """A press becomes an update; its answer is seen; a second answer is too late; only buttons there can be pressed."""
    sent = await client.result("sendMessage", chat_id=1000, text="?", reply_markup=KEYBOARD)
    press = {"from_id": 1000, "message_id": sent["message_id"]}
    query_id = (await client.act("chats/1000/press", **press, data="yes"))["callback_query_id"]
    refused = await client.http.post("/sandbox/chats/1000/press", json={**press, "data": "no"})
    assert refused.status_code == 400
    [update] = await client.result("getUpdates")
    assert update["callback_query"]["id"] == query_id
    assert update["callback_query"]["data"] == "yes"
    assert update["callback_query"]["message"] == sent
    assert (await client.http.get(f"/sandbox/callbacks/{query_id}")).json() == {"answered": False}
    assert await client.result("answerCallbackQuery", callback_query_id=query_id, text="ok", show_alert=True) is True
    answer = (await client.http.get(f"/sandbox/callbacks/{query_id}")).json()
    assert answer == {"answered": True, "text": "ok", "show_alert": True, "url": ""}
    late = await client.call("answerCallbackQuery", callback_query_id=query_id)
    assert late["description"] == ("Bad Request: query is too old and response timeout expired or query ID is invalid")


async def test_files_go_round(client: Client, media_directory: Path) -> None:
    """A video keeps what was said of it, can be sent again by its id, downloaded, and seen by a person."""
    content = (media_directory / VERSION / "sample.mp4").read_bytes()
    answer = await client.http.post(
        f"/bot{SANDBOX_TOKEN}/sendVideo",
        data={"chat_id": "1000", "video": "attach://v", "duration": "7", "width": "64", "height": "36"},
        files={"v": ("clip.mp4", content, "video/mp4")},
    )
    video = answer.json()["result"]["video"]
    assert (video["duration"], video["width"], video["height"]) == (7, 64, 36)
    assert (video["file_name"], video["mime_type"], video["file_size"]) == ("clip.mp4", "video/mp4", len(content))
    again = await client.result("sendVideo", chat_id=2000, video=video["file_id"])
    assert again["video"] == video
    wrong = await client.call("sendAudio", chat_id=1000, audio=video["file_id"])
    assert wrong["description"] == "Bad Request: can't use file of type Video as Audio"
    foreign = await client.call("sendVideo", OTHER_TOKEN, chat_id=1000, video=video["file_id"])
    assert foreign["description"] == "Bad Request: wrong file identifier/HTTP URL specified"
    path = (await client.result("getFile", file_id=video["file_id"]))["file_path"]
    downloaded = await client.http.get(f"/file/bot{SANDBOX_TOKEN}/{path}")
    assert downloaded.content == content
    url = (await client.messages())[0]["video"]["file_url"]
    part = await client.http.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])


async def test_a_small_file_is_measured(client: Client, media_directory: Path) -> None:
    """What the bot leaves out of an audio is read from the file, and a text message can become that audio."""
    sent = await client.result("sendMessage", chat_id=1000, text="wait")
    with (media_directory / VERSION / "sample.mp4").open("rb") as file:
        answer = await client.http.post(
            f"/bot{SANDBOX_TOKEN}/editMessageMedia",
            data={
                "chat_id": "1000",
                "message_id": str(sent["message_id"]),
                "media": json.dumps({"type": "audio", "media": "attach://a", "caption": "done"}),
            },
            files={"a": ("song.m4a", file)},
        )
    message = answer.json()["result"]
    assert message["message_id"] == sent["message_id"]
    assert message["caption"] == "done"
    assert "text" not in message
    found = {key: message["audio"][key] for key in ("duration", "title", "performer", "mime_type")}
    assert found == {"duration": 10, "title": "Doradura sample", "performer": "Sandbox", "mime_type": "audio/mp4"}


async def test_chunked_uploads_and_bare_names(client: Client) -> None:
    """A multipart body cut into single bytes, with a raw unquoted name, arrives whole."""

    async def pieces() -> AsyncIterator[bytes]:
        for byte in PART:
            yield bytes([byte])

    answer = await client.http.post(
        f"/bot{SANDBOX_TOKEN}/sendDocument?chat_id=1000",
        content=pieces(),
        headers={"Content-Type": "multipart/form-data; boundary=xx"},
    )
    document = answer.json()["result"]["document"]
    assert (document["file_name"], document["file_size"], document["mime_type"]) == ("é t.txt", 3, "text/plain")


async def test_fifty_mebibytes_and_not_one_byte_more(client: Client) -> None:
    """The limit of an upload is 52,428,800 bytes; over it the answer is a 413 with an envelope."""
    for extra, status in ((0, 200), (1, 413)):
        answer = await client.http.post(
            f"/bot{SANDBOX_TOKEN}/sendDocument",
            data={"chat_id": "1000"},
            files={"document": ("a.bin", bytes(FILE_LIMIT_BYTES + extra))},
        )
        assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": 413, "description": "Request Entity Too Large"}
    assert len(await client.messages()) == 1


async def test_too_large_is_told_before_the_upload_ends(client: Client) -> None:
    """The 413 comes while the client still sends, and reaches a client that sends all before it reads."""
    head = f"POST /bot{SANDBOX_TOKEN}/sendDocument?chat_id=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += f"Content-Type: multipart/form-data; boundary=xx\r\nContent-Length: {80 * MEBIBYTE}\r\n\r\n"
    part = b"--xx\r\nContent-Disposition: form-data; name=document; filename=a\r\n\r\n"
    with trio.fail_after(30):
        async with await trio.open_tcp_stream("127.0.0.1", int(client.url.rpartition(":")[2])) as stream:
            await stream.send_all(head.encode() + part)
            for _ in range(51):
                await stream.send_all(bytes(MEBIBYTE))
            early = await stream.receive_some()
            assert early.startswith(b"HTTP/1.1 413")
            for _ in range(28):
                await stream.send_all(bytes(MEBIBYTE))
            await stream.send_all(bytes(MEBIBYTE - len(part)))
            rest = b""
            while piece := await stream.receive_some():
                rest += piece
    assert (early + rest).endswith(b'{"ok":false,"error_code":413,"description":"Request Entity Too Large"}')
    assert await client.result("getMe")


async def test_a_newer_waiting_poll_displaces_the_older(client: Client) -> None:
    """The older poll gets a 409 at once; the newer one is answered as soon as a person writes."""
    answers: dict[str, httpx.Response] = {}
    path = f"/bot{SANDBOX_TOKEN}/getUpdates"

    async def poll(name: str) -> None:
        answers[name] = await client.http.get(path, params={"timeout": "20"})

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll, "first")
            while not answers:
                # The network decides which poll arrives first: a person writes only after one is displaced.
                nursery.start_soon(poll, f"later {trio.current_time()}")
                await trio.sleep(0.2)
            await client.act("chats/1000/messages", from_id=1000, text="hi")
    codes = [answer.status_code for answer in answers.values()]
    assert codes.count(200) == 1
    assert codes.count(409) == len(codes) - 1 >= 1
    conflict = next(answer.json() for answer in answers.values() if answer.status_code == 409)
    assert conflict["description"] == (
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    )


async def test_commands_have_scopes(client: Client) -> None:
    """Each scope and language has a list of its own, which can be deleted."""
    start = {"command": "start", "description": "Begin"}
    stats = {"command": "stats", "description": "Figures"}
    scope = {"type": "chat", "chat_id": 1000}
    await client.result("setMyCommands", commands=[start])
    await client.result("setMyCommands", commands=[start, stats], scope=scope)
    assert await client.result("getMyCommands") == [start]
    assert await client.result("getMyCommands", scope=scope) == [start, stats]
    assert await client.result("getMyCommands", language_code="ru") == []
    await client.result("deleteMyCommands", scope=scope)
    assert await client.result("getMyCommands", scope=scope) == []
    wrong = await client.call("setMyCommands", commands=[{"command": "Start!", "description": "x"}])
    assert wrong["description"] == "Bad Request: BOT_COMMAND_INVALID"


async def test_a_chats_menu_needs_the_chat(client: Client) -> None:
    """Telegram knows nothing of a person who never wrote to the bot; a group's own list is a list too."""
    start = {"command": "start", "description": "Begin"}
    stranger = {"type": "chat", "chat_id": 4000}
    await client.act("users", first_name="New", id=4000)
    for method in ("setMyCommands", "getMyCommands", "deleteMyCommands"):
        refused = await client.call(method, commands=[start], scope=stranger)
        assert (refused["error_code"], refused["description"]) == (400, "Bad Request: chat not found")
    await client.act("chats/4000/messages", from_id=4000, text="hello")
    await client.result("setMyCommands", commands=[start], scope=stranger)
    assert await client.result("getMyCommands", scope=stranger) == [start]
    assert await client.result("getMyCommands", scope={"type": "chat", "chat_id": 1000}) == []
    group = await client.act("chats", title="G", type="group", member_ids=[1000])
    await client.result("setMyCommands", commands=[start], scope={"type": "chat", "chat_id": str(group["id"])})
    assert await client.result("getMyCommands", scope={"type": "chat", "chat_id": group["id"]}) == [start]


async def test_bots_do_not_see_each_other(client: Client) -> None:
    """A second token is a bot of its own, with its own chats and numbers."""
    first = await client.result("sendMessage", chat_id=1000, text="from one")
    second = await client.result("sendMessage", OTHER_TOKEN, chat_id=1000, text="from two")
    assert (first["message_id"], second["message_id"]) == (1, 1)
    assert [message["text"] for message in await client.messages()] == ["from one"]


async def test_the_method_may_be_a_parameter(client: Client) -> None:
    """Without a name in the path, the query or the body has it; the test servers' path is the same bot."""
    path = f"/bot{SANDBOX_TOKEN}"
    answers = [
        await client.http.get(f"{path}/", params={"method": "getme"}),
        await client.http.post(f"{path}/", data={"method": "getMe"}),
        await client.http.post(f"{path}/", json={"method": "getMe"}),
        await client.http.get(f"{path}/test/getMe"),
    ]
    assert [answer.json()["result"]["id"] for answer in answers] == [1000000001] * 4


async def test_a_head_over_256_kib_is_refused(client: Client) -> None:
    """431 without a body, and the connection is closed; a little less is read."""
    path = f"/bot{SANDBOX_TOKEN}/getMe"
    answer = await client.http.get(path, headers={"X-Long": "y" * 262_144})
    assert (answer.status_code, answer.content, answer.headers["connection"]) == (431, b"", "close")
    assert (await client.http.get(path, headers={"X-Long": "y" * 200_000})).status_code == 200
