from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import pytest
import trio

from doradura.sandbox import SANDBOX_TOKEN, Sandbox
from doradura.sandbox.state.journal import JournalError
from tests.integration.sandbox.conftest import Client, Opener

KEYBOARD = {"inline_keyboard": [[{"text": "a", "callback_data": "x"}]]}
SERVE = """
import sys, trio, imageio_ffmpeg
from pathlib import Path
from doradura.sandbox import Sandbox

async def main():
    media, keep = Path(sys.argv[1]), Path(sys.argv[2])
    sandbox = Sandbox(
        bind="127.0.0.1:0", media_directory=media, keep_directory=keep, ffmpeg=imageio_ffmpeg.get_ffmpeg_exe()
    )
    async with trio.open_nursery() as nursery:
        print(await nursery.start(sandbox.run), flush=True)

trio.run(main)
"""


def make(media_directory: Path, bind: str = "127.0.0.1:0") -> Sandbox:
    """Make a sandbox that keeps nothing."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    return Sandbox(bind=bind, media_directory=media_directory, keep_directory=None, ffmpeg=ffmpeg)


async def snapshot(client: Client) -> dict[str, Any]:
    """Return all that the bot and its people can see."""
    updates = await client.result("getUpdates")
    return {
        "me": await client.result("getMe"),
        "updates": updates,
        "chats": [await client.messages(chat_id) for chat_id in (1000, 3000)],
        "commands": await client.result("getMyCommands"),
        "webhook": await client.result("getWebhookInfo"),
        "state": (await client.http.get("/sandbox/state", params={"token": SANDBOX_TOKEN})).json(),
    }


async def live(client: Client) -> str:
    """Do something of every kind; give an open callback query's id."""
    await client.result("getUpdates", allowed_updates=["message", "callback_query"])
    await client.act("users", first_name="Zoë", id=3000)
    await client.act("chats/3000/messages", from_id=3000, text="hi")
    await client.act("chats/3000/block", from_id=3000, blocked=True)
    await client.act("chats", title="G", type="group", member_ids=[1000])
    await client.act("chats/1000/messages", from_id=1000, text="confirmed")
    await client.result("getUpdates", offset=-1)
    await client.result("sendMessage", chat_id=1000, text="?", reply_markup=KEYBOARD)
    await client.result("setMyCommands", commands=[{"command": "start", "description": "Begin"}])
    await client.http.post(
        f"/bot{SANDBOX_TOKEN}/sendDocument", data={"chat_id": "1000"}, files={"document": ("a.txt", b"abc")}
    )
    press = await client.act("chats/1000/press", from_id=1000, message_id=3, data="x")
    return str(press["callback_query_id"])


async def check_after(client: Client, query_id: str) -> None:
    """Go on where `live` stopped."""
    refused = await client.call("sendMessage", chat_id=3000, text="x")
    assert refused["description"] == "Forbidden: bot was blocked by the user"
    assert await client.result("answerCallbackQuery", callback_query_id=query_id) is True
    document = (await client.messages())[-1]["document"]
    assert (await client.http.get(document["file_url"])).content == b"abc"
    again = await client.result("sendDocument", chat_id=1000, document=document["file_id"])
    assert again["message_id"] == 5
    before = (await client.result("getUpdates", offset=-1))[-1]["update_id"]
    await client.act("chats/1000/messages", from_id=1000, text="more")
    [update] = await client.result("getUpdates", offset=before + 1)
    assert update["update_id"] == before + 1


async def test_a_restart_shows_the_same(open_sandbox: Opener, tmp_path: Path) -> None:
    """Everything a person or the bot could see is there after a restart, and the numbers go on."""
    async with open_sandbox(tmp_path) as client:
        query_id = await live(client)
        before = await snapshot(client)
    async with open_sandbox(tmp_path) as client:
        assert await snapshot(client) == before
        await check_after(client, query_id)


async def test_a_kill_loses_nothing_that_was_answered(
    open_sandbox: Opener, media_directory: Path, tmp_path: Path
) -> None:
    """After SIGKILL, right behind the last answer, a new start shows all of it."""
    async with open_sandbox(None):
        pass  # the samples are there from here on
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", SERVE, str(media_directory), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    try:
        url = ""
        while not url.endswith("\n"):
            url += (await process.stdout.receive_some()).decode()
        async with httpx.AsyncClient(base_url=url.strip(), timeout=30, trust_env=False) as http:
            client = Client(url, http)
            query_id = await live(client)
            before = await snapshot(client)
            (tmp_path / "files" / "left.part").write_bytes(b"half")
    finally:
        process.kill()
        await process.wait()
        await process.stdout.aclose()
    async with open_sandbox(tmp_path) as client:
        assert await snapshot(client) == before
        assert not (tmp_path / "files" / "left.part").exists()
        await check_after(client, query_id)


async def test_two_cannot_keep_in_one_folder(open_sandbox: Opener, media_directory: Path, tmp_path: Path) -> None:
    """A second sandbox on the same folder is refused with a sentence."""
    async with open_sandbox(tmp_path):
        second = Sandbox(
            bind="127.0.0.1:0",
            media_directory=media_directory,
            keep_directory=tmp_path,
            ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(),
        )
        with pytest.RaisesGroup(pytest.RaisesExc(JournalError, match="cannot be opened"), flatten_subgroups=True):
            await second.run()


async def test_a_taken_port_is_named(media_directory: Path) -> None:
    """The error of a busy port says which address is meant."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}: Address already in use"):
            await make(media_directory, address).run()


async def test_leaving_takes_no_time_and_leaves_nothing(
    media_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelling does not wait for a client that stopped reading, and removes uploads and the listening socket."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(make(media_directory).run)
            port = int(url.rpartition(":")[2])
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(b"GET /media/big.mp4?mb=500 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await stream.receive_some(1)
            await trio.testing.wait_all_tasks_blocked(0.2)
            begun = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - begun < 20
        assert await trio.to_thread.run_sync(os.listdir, tmp_path) == []
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
        await stream.aclose()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 400_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
        (b"GET /sandbox/state HTTP/1.0\r\n\r\n", b"HTTP/1.1 403"),
    ],
)
async def test_nonsense_on_the_wire(client: Client, sent: bytes, status: bytes) -> None:
    """What is no request is refused, and the sandbox goes on."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(client.url.rpartition(":")[2]))
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(_send, stream, sent)
        answer = b""
        while len(answer) < len(status):
            answer += await stream.receive_some()
        nursery.cancel_scope.cancel()
    assert answer.startswith(status)
    assert await client.result("getMe")


async def _send(stream: trio.SocketStream, data: bytes) -> None:
    try:
        await stream.send_all(data)
    except trio.BrokenResourceError:
        return


async def test_a_client_that_leaves_midway_leaves_nothing(client: Client) -> None:
    """An upload torn off by the client is forgotten: no message, no number used up."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(client.url.rpartition(":")[2]))
    head = f"POST /bot{SANDBOX_TOKEN}/sendDocument?chat_id=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += "Content-Type: multipart/form-data; boundary=xx\r\nContent-Length: 9999999\r\n\r\n"
    body = b"--xx\r\nContent-Disposition: form-data; name=document; filename=a\r\n\r\n" + bytes(2_000_000)
    await stream.send_all(head.encode() + body)
    await stream.aclose()
    assert (await client.result("sendMessage", chat_id=1000, text="x"))["message_id"] == 1
