"""What becomes of files: the sizes of a photo, thumbnails, documents that are films, files named by an address."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doradura.sandbox import SANDBOX_TOKEN
from doradura.sandbox.media.probe import picture_size
from tests.integration.sandbox.conftest import Client


async def upload(client: Client, method: str, files: dict[str, Any], **fields: str) -> Any:
    """Call a method with files and give the message."""
    answer = (
        await client.http.post(f"/bot{SANDBOX_TOKEN}/{method}", data={"chat_id": "1000", **fields}, files=files)
    ).json()
    assert answer["ok"], answer
    return answer["result"]


async def clip(client: Client) -> bytes:
    """Return the sample film."""
    return (await client.http.get("/media/sample.mp4")).content


async def bytes_of(client: Client, file_id: str) -> bytes:
    """Download a file as a bot does."""
    path = (await client.result("getFile", file_id=file_id))["file_path"]
    return (await client.http.get(f"/file/bot{SANDBOX_TOKEN}/{path}")).content


async def test_a_film_has_a_thumbnail_and_a_photo_has_sizes(client: Client) -> None:
    """A thumbnail of at most 320 pixels is made; each size of a photo is a file of its own, and names the whole."""
    video = (await upload(client, "sendVideo", {"video": ("a.mp4", await clip(client))}))["video"]
    assert (video["thumbnail"]["width"], video["thumbnail"]["height"]) == (320, 180)
    frame = await bytes_of(client, video["thumbnail"]["file_id"])
    assert picture_size(frame) == (320, 180)
    photo = (await upload(client, "sendPhoto", {"photo": ("a.jpg", frame)}))["photo"]
    assert [(size["width"], size["height"]) for size in photo] == [(90, 51), (320, 180)]
    assert len({size["file_unique_id"] for size in photo}) == 2
    assert await bytes_of(client, photo[1]["file_id"]) == frame
    small = await bytes_of(client, photo[0]["file_id"])
    assert (picture_size(small), len(small)) == ((90, 51), photo[0]["file_size"])
    assert (await client.result("sendPhoto", chat_id=1000, photo=photo[0]["file_id"]))["photo"] == photo


@pytest.mark.parametrize(
    ("name", "kind", "forbidden", "becomes"),
    [
        ("a.mp4", "video/mp4", "", "video"),
        ("a.mp4", "video/mp4", "true", "document"),
        ("a.mp3", "audio/mpeg", "", "audio"),
        ("a.txt", "text/plain", "", "document"),
    ],
)
async def test_a_document_becomes_what_it_is(
    client: Client, name: str, kind: str, forbidden: str, becomes: str
) -> None:
    """Films and songs sent as documents come back as such, unless the bot forbids it."""
    content = await clip(client) if kind.startswith("video") else b"abc"
    fields = {"disable_content_type_detection": forbidden} if forbidden else {}
    sent = await upload(client, "sendDocument", {"document": (name, content, kind)}, **fields)
    assert [key for key in ("video", "audio", "document") if key in sent] == [becomes]
    assert sent[becomes]["file_name"] == name


async def test_documents_of_an_album_stay_documents(client: Client) -> None:
    """Content is not looked at in an album."""
    media = json.dumps([{"type": "document", "media": f"attach://{name}"} for name in "ab"])
    files = {name: (f"{name}.mp4", await clip(client), "video/mp4") for name in "ab"}
    assert ["document" in message for message in await upload(client, "sendMediaGroup", files, media=media)] == [
        True,
        True,
    ]


async def test_a_file_from_the_sandboxs_own_media(client: Client) -> None:
    """An address under /media/ is read; the file is the same, and its id sends it again."""
    sent = await client.result("sendVideo", chat_id=1000, video=f"{client.url}/media/sample.mp4")
    assert (sent["video"]["duration"], sent["video"]["file_name"]) == (10, "sample.mp4")
    assert await bytes_of(client, sent["video"]["file_id"]) == await clip(client)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("{url}/media/page.html", "wrong type of the web page content"),
        ("{url}/media/missing.mp4", "failed to get HTTP URL content"),
        ("{url}/media/torn.mp4", "failed to get HTTP URL content"),
        ("{url}/media/big.mp4?mb=21", "failed to get HTTP URL content"),
        ("{url}/sandbox/state.json", "failed to get HTTP URL content"),
        ("http://127.0.0.1:9/media/sample.mp4", "failed to get HTTP URL content"),
        ("https://example.org/a.mp4", "failed to get HTTP URL content"),
        ("file:///etc/hosts.mp4", "invalid file HTTP URL specified: Unsupported URL protocol"),
        ("file:///etc/passwd", "wrong remote file identifier specified: Wrong character in the string"),
    ],
)
async def test_addresses_that_are_refused(client: Client, address: str, why: str) -> None:
    """Nothing is read from anywhere else, and nothing is left of what was begun."""
    envelope = await client.call("sendVideo", chat_id=1000, video=address.format(url=client.url))
    assert envelope == {"ok": False, "error_code": 400, "description": f"Bad Request: {why}"}
    assert await client.messages() == []


async def test_what_stands_beside_a_file(client: Client) -> None:
    """A spoiler and a caption above stay when the caption is edited; a forward can't be edited."""
    source = f"{client.url}/media/sample.mp4"
    sent = await client.result("sendVideo", chat_id=1000, video=source, has_spoiler=True, caption="one")
    edited = await client.result(
        "editMessageCaption", chat_id=1000, message_id=sent["message_id"], caption="two", show_caption_above_media=True
    )
    assert (edited["caption"], edited["has_media_spoiler"], edited["show_caption_above_media"]) == ("two", True, True)
    forward = await client.result("forwardMessage", chat_id=1000, from_chat_id=1000, message_id=sent["message_id"])
    refused = await client.call("editMessageCaption", chat_id=1000, message_id=forward["message_id"], caption="x")
    assert refused["description"] == "Bad Request: message can't be edited"
