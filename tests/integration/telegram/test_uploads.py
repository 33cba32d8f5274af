"""Uploads from real files over real sockets."""

from __future__ import annotations

import email
import json
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import trio

from doradura.telegram import errors
from doradura.telegram.client import BotApi
from doradura.telegram.media import Media, Upload

MIB = 1 << 20


def a_file(path: Path, size_bytes: int) -> Upload:
    """Write a file of random bytes, each MiB the same."""
    path.write_bytes(os.urandom(min(size_bytes, MIB)) * -(-size_bytes // MIB))
    os.truncate(path, size_bytes)
    return Upload(path, path.name, "audio/mpeg")


async def test_a_file_arrives_byte_for_byte(api: BotApi, server: Any, tmp_path: Path) -> None:
    """The form can be read by another parser, with every parameter, the file and its thumbnail."""
    upload = a_file(tmp_path / "song.mp3", 3 * MIB + 17)
    thumbnail = a_file(tmp_path / "cover.jpg", 1000)

    await api.send_media(5, Media("audio", upload, caption="ä", title="T", thumbnail=thumbnail.path), reply_to=3)

    request = server.requests[0]
    assert request.method == "sendAudio"
    kind = next(line for line in request.head.split(b"\r\n") if line.lower().startswith(b"content-type"))
    form = email.message_from_bytes(kind + b"\r\n\r\n" + request.body)
    parts = {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in form.walk()
        if not part.is_multipart()
    }
    assert parts == {
        "chat_id": b"5",
        "reply_parameters": b'{"message_id":3,"allow_sending_without_reply":true}',
        "audio": b"attach://upload",
        "caption": "ä".encode(),
        "parse_mode": b"HTML",
        "thumbnail": b"attach://upload_thumbnail",
        "title": b"T",
        "upload": upload.path.read_bytes(),
        "upload_thumbnail": thumbnail.path.read_bytes(),
    }


async def test_a_big_upload_takes_little_memory(api: BotApi, server: Any, tmp_path: Path) -> None:
    """45 MB go over with a few pieces of 1 MiB in memory."""
    upload = a_file(tmp_path / "big.mp4", 45 * 1_000_000)
    server.keep_bodies = False
    tracemalloc.start()
    try:
        await api.send_media(5, Media("video", upload))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert server.requests[0].length > 45 * 1_000_000
    assert peak_bytes < 20 * MIB


async def test_an_upload_holds_back_no_reply(api: BotApi, server: Any, tmp_path: Path) -> None:
    """While an upload is stuck, messages go out: they have connections of their own."""
    upload = a_file(tmp_path / "big.mp4", 20 * MIB)
    server.keep_bodies = False
    server.go_on = trio.Event()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.send_media, 5, Media("video", upload))
        await server.body_begun.wait()
        with trio.fail_after(30):
            await api.send_message(6, "hi")
        assert [request.method for request in server.requests] == ["sendMessage"]
        server.go_on.set()

    assert [request.method for request in server.requests] == ["sendMessage", "sendVideo"]


async def test_an_upload_torn_in_the_middle_is_sent_again(
    api: BotApi, server: Any, behaviour: Any, tmp_path: Path
) -> None:
    """The server cannot have had the whole request, so it certainly was not done: it starts from the first byte."""
    upload = a_file(tmp_path / "big.mp4", 20 * MIB)
    server.behaviours = [behaviour(manner="tear in the body"), behaviour(manner="tear at once")]

    message = await api.send_media(5, Media("video", upload))

    assert message.message_id == 7
    assert len(server.requests) == 1
    assert upload.path.read_bytes() in server.requests[0].body


async def test_an_upload_whose_answer_is_lost_is_not_sent_again(
    api: BotApi, server: Any, behaviour: Any, tmp_path: Path
) -> None:
    """The whole file went out, so it may be in the chat."""
    upload = a_file(tmp_path / "song.mp3", MIB)
    server.behaviours = [behaviour(manner="tear after the body")]

    with pytest.raises(errors.UnconfirmedError):
        await api.send_media(5, Media("audio", upload))

    assert len(server.requests) == 1


async def test_an_edit_whose_answer_is_lost_is_sent_again(
    api: BotApi, server: Any, behaviour: Any, tmp_path: Path
) -> None:
    """Putting the same file into the same message twice changes nothing."""
    upload = a_file(tmp_path / "song.mp3", MIB)
    server.behaviours = [behaviour(manner="tear after the body")]

    await api.edit_message_media(5, 7, Media("audio", upload))

    assert [request.method for request in server.requests] == ["editMessageMedia"] * 2
    assert server.requests[0].body == server.requests[1].body


async def test_every_upload_has_a_connection_of_its_own(api: BotApi, server: Any, tmp_path: Path) -> None:
    """A connection that lay idle could be closed by the server just then, which would leave the outcome open."""
    upload = a_file(tmp_path / "song.mp3", 1000)

    for _ in range(3):
        await api.send_media(5, Media("audio", upload))

    assert server.connections == 3


async def test_a_missing_file_is_told_at_once(api: BotApi, server: Any, tmp_path: Path) -> None:
    """Trying again would not bring it back; nothing goes out."""
    with pytest.raises(errors.UploadFileError, match="No such file"):
        await api.send_media(5, Media("audio", Upload(tmp_path / "gone.mp3", "gone.mp3", "audio/mpeg")))

    assert server.connections == 0


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(__file__)])
async def test_what_is_no_regular_file_is_not_sent(
    api: BotApi, server: Any, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A pipe is not waited for, a link is not followed; nothing of either goes out."""
    make(tmp_path / "song.mp3")
    with trio.fail_after(10), pytest.raises(errors.UploadFileError, match="no regular file"):
        await api.send_media(42, Media("audio", Upload(tmp_path / "song.mp3", "song.mp3", "audio/mpeg")))
    assert server.connections == 0


@pytest.mark.parametrize("size_bytes", [5 * MIB, 20 * MIB, 30 * MIB])
async def test_a_file_that_changes_is_never_sent_whole(
    api: BotApi, server: Any, tmp_path: Path, size_bytes: int
) -> None:
    """Cut or grown while it is read, the request is torn by us before its end, and not repeated."""
    upload = a_file(tmp_path / "big.mp4", 20 * MIB)

    async def change() -> None:
        await server.body_begun.wait()
        os.truncate(upload.path, size_bytes if size_bytes != 20 * MIB else 20 * MIB + 1)
        server.go_on.set()

    server.go_on = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        with pytest.raises(errors.UploadFileError, match="changed while it was read"):
            await api.send_media(5, Media("video", upload))

    assert server.requests == []
    assert server.connections == 1


async def test_cancelling_an_upload_closes_the_file(api: BotApi, server: Any, tmp_path: Path) -> None:
    """A cancelled upload leaves neither a descriptor nor its place in the queue behind."""
    upload = a_file(tmp_path / "big.mp4", 20 * MIB)
    server.keep_bodies = False
    server.go_on = trio.Event()

    for _ in range(5):
        server.body_begun = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(api.send_media, 5, Media("video", upload))
            await server.body_begun.wait()
            nursery.cancel_scope.cancel()
    server.go_on.set()
    await api.send_media(5, Media("video", upload))

    assert [target for target in open_files() if target.endswith("big.mp4")] == []


def open_files() -> list[str]:
    """Return what this process has open, where the system tells."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("needs /proc to see which files are open")
    return [str(entry.readlink()) for entry in folder.iterdir() if entry.is_symlink()]


async def test_a_local_server_reads_the_file_by_its_address(
    open_api: Any, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A --local server that decodes the address finds the file, whatever its name, and no byte of it goes over."""
    monkeypatch.chdir(tmp_path)
    a_file(tmp_path / "ä 100% #1?.mp3", 3 * MIB)
    upload = Upload(Path("ä 100% #1?.mp3"), "song.mp3", "audio/mpeg")

    async with open_api(local_files=True) as api:
        await api.send_media(5, Media("audio", upload))

    form = server.requests[0].body
    address = re.search(rb'name="audio"\r\n\r\n(.*?)\r\n', form)
    assert address is not None
    parts = urlsplit(address[1].decode("ascii"))
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", "")
    assert Path(unquote(parts.path)) == tmp_path / "ä 100% #1?.mp3"
    assert server.requests[0].length < 1000


@pytest.mark.parametrize(
    "description", ["realpath failed for /data/song.mp3", "wrong file identifier/HTTP URL specified"]
)
async def test_what_a_local_server_cannot_read_is_uploaded(
    open_api: Any, server: Any, behaviour: Any, tmp_path: Path, description: str
) -> None:
    """A server of another user or container, or one without --local, gets the bytes; refused again, it is an error."""
    upload = a_file(tmp_path / "song.mp3", MIB)
    said = json.dumps({"ok": False, "error_code": 400, "description": f"Bad Request: {description}"}).encode()
    refused = behaviour(status="400 Bad Request", content=said)
    server.behaviours = [refused, behaviour(), refused, refused]

    async with open_api(local_files=True) as api:
        await api.send_media(5, Media("audio", upload))
        assert [upload.path.read_bytes() in request.body for request in server.requests] == [False, True]
        with pytest.raises(errors.BadRequestError):
            await api.send_media(5, Media("audio", upload))

    assert len(server.requests) == 4


async def test_a_local_server_that_refuses_the_chat_gets_no_bytes(
    open_api: Any, server: Any, behaviour: Any, tmp_path: Path
) -> None:
    """Only a refusal that may be about the file is answered by uploading it."""
    upload = a_file(tmp_path / "song.mp3", MIB)
    said = b'{"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}'
    server.behaviours = [behaviour(status="400 Bad Request", content=said)]

    async with open_api(local_files=True) as api:
        with pytest.raises(errors.ChatNotFoundError):
            await api.send_media(5, Media("audio", upload))

    assert len(server.requests) == 1
