"""Files and albums as the Bot API server takes them: parts that are missing, old names, albums as a whole, kinds."""

from __future__ import annotations

from typing import Any

import pytest

from doradura.sandbox import SANDBOX_TOKEN
from tests.integration.sandbox.conftest import Client
from tests.integration.sandbox.test_methods import PNG, error, upload
from tests.integration.sandbox.test_server_words import send


async def test_a_file_that_is_not_there(client: Client) -> None:
    """A part nobody sent is no file; a photo that Telegram cannot take fails with its number in an album."""
    assert await error(client, "sendPhoto", chat_id=1000, photo="attach://p") == (
        400,
        "Bad Request: there is no photo in the request",
    )
    assert await error(client, "sendVideoNote", chat_id=1000) == (
        400,
        "Bad Request: there is no video note in the request",
    )
    media = '[{"type": "photo", "media": "attach://a"}, {"type": "photo", "media": "attach://b"}]'
    files = {"a": ("a.png", PNG), "b": ("b.png", b"no picture")}
    answer = await upload(client, "sendMediaGroup", files, chat_id="1000", media=media)
    assert answer["description"] == (
        'Bad Request: failed to send message #2 with the error message "IMAGE_PROCESS_FAILED"'
    )
    assert await client.messages() == []


async def test_a_thumbnail_by_its_old_name(client: Client) -> None:
    """Clients from before Bot API 6.6 send a part `thumb`, or name one; both are taken."""
    answer = await client.http.get("/media/sample.mp4")
    sent = await upload(client, "sendVideo", {"video": ("v.mp4", answer.content)}, chat_id="1000")
    picture = (await client.result("getFile", file_id=sent["result"]["video"]["thumbnail"]["file_id"]))["file_path"]
    jpeg = (await client.http.get(f"/file/bot{SANDBOX_TOKEN}/{picture}")).content
    for files, fields in (
        ({"thumb": ("t.jpg", jpeg)}, {}),
        ({"other": ("t.jpg", jpeg)}, {"thumb": "attach://other"}),
        ({"thumbnail": ("t.jpg", jpeg)}, {"thumbnail": "https://example.org/ignored.jpg"}),
    ):
        parts: dict[str, Any] = {"document": ("d.bin", b"data"), **files}
        document = (await upload(client, "sendDocument", parts, chat_id="1000", **fields))["result"]["document"]
        assert document["thumbnail"]["file_size"] == len(jpeg)


async def album(client: Client, **fields: str) -> list[Any]:
    """Send an album of two pictures."""
    media = '[{"type": "photo", "media": "attach://a"}, {"type": "photo", "media": "attach://b"}]'
    files = {"a": ("a.png", PNG), "b": ("b.png", PNG)}
    sent: list[Any] = (await upload(client, "sendMediaGroup", files, chat_id="1000", media=media, **fields))["result"]
    return sent


@pytest.mark.parametrize("method", ["copyMessages", "forwardMessages"])
async def test_albums_stay_together(client: Client, method: str) -> None:
    """Copied or forwarded at once they are an album again, of its own; one of them alone is in none."""
    sent = await album(client)
    numbers = [message["message_id"] for message in sent]
    named: dict[str, Any] = {"chat_id": 2000, "from_chat_id": 1000}
    assert len(await client.result(method, **named, message_ids=numbers)) == 2
    first, second = await client.messages(2000)
    assert first["media_group_id"] == second["media_group_id"] != sent[0]["media_group_id"]
    await client.result(method, **named, message_ids=numbers[:1])
    assert "media_group_id" not in (await client.messages(2000))[-1]


@pytest.mark.parametrize("method", ["copyMessages", "forwardMessages"])
async def test_several_messages_of_which_none_can_go(client: Client, method: str) -> None:
    """What can't be copied or forwarded is skipped; where that is all there is, or there is nothing, it is refused."""
    kept = await send(client, protect_content=True)
    free = await send(client)
    named: dict[str, Any] = {"chat_id": 2000, "from_chat_id": 1000}
    numbers = [kept["message_id"], free["message_id"], 99]
    assert len(await client.result(method, **named, message_ids=numbers)) == 1
    for given, why in (
        ([kept["message_id"]], "messages can't be forwarded"),
        ([99], "there are no messages to forward"),
    ):
        assert await error(client, method, **named, message_ids=given) == (400, f"Bad Request: {why}")


async def test_an_album_stays_one_of_its_kind(client: Client) -> None:
    """A photo in an album becomes a video but no document and no animation; outside of one it becomes anything."""
    name = {"chat_id": 1000, "message_id": (await album(client))[0]["message_id"]}
    film = f"{client.url}/media/sample.mp4"
    for kind, why in (
        ("document", "can't change media type in the album"),
        ("animation", "message content type can't be used in an album"),
    ):
        refused = await error(client, "editMessageMedia", **name, media={"type": kind, "media": film})
        assert refused == (400, f"Bad Request: {why}")
    edited = await client.result("editMessageMedia", **name, media={"type": "video", "media": film})
    assert (edited["video"]["duration"], "media_group_id" in edited) == (10, True)
    alone = await send(client)
    name["message_id"] = alone["message_id"]
    assert "animation" in await client.result("editMessageMedia", **name, media={"type": "animation", "media": film})


async def test_a_document_may_be_anything_but_a_photo(client: Client) -> None:
    """A film's or a song's file_id goes by sendDocument and stays what it is; a photo's does not."""
    clip = (await client.http.get("/media/sample.mp4")).content
    for method, kind in (("sendVideo", "video"), ("sendAudio", "audio"), ("sendVideoNote", "video_note")):
        sent = (await upload(client, method, {kind: ("a.mp4", clip)}, chat_id="1000"))["result"]
        again = await client.result("sendDocument", chat_id=1000, document=sent[kind]["file_id"], caption="c")
        assert (again[kind], "document" in again) == (sent[kind], False)
        assert again.get("caption") == (None if kind == "video_note" else "c")
    photo = (await upload(client, "sendPhoto", {"photo": ("a.png", PNG)}, chat_id="1000"))["result"]["photo"][0]
    assert await error(client, "sendDocument", chat_id=1000, document=photo["file_id"]) == (
        400,
        "Bad Request: can't use file of type Photo as Document",
    )


async def test_a_film_begins_where_it_is_told(client: Client) -> None:
    """The message says so, and the next one with the same file does not."""
    film = f"{client.url}/media/sample.mp4"
    sent = await client.result("sendVideo", chat_id=1000, video=film, start_timestamp=3)
    assert sent["video"]["start_timestamp"] == 3
    again = await client.result("sendVideo", chat_id=1000, video=sent["video"]["file_id"])
    assert "start_timestamp" not in again["video"]


async def test_what_a_poll_says_of_itself(client: Client) -> None:
    """Until when it is open, what it is about, whether votes may be changed: in a quiz only where that is said."""
    asked: dict[str, Any] = {"chat_id": 1000, "question": "?", "options": ["a", "b"]}
    sent = await client.result(
        "sendPoll", **asked, open_period=60, description="<b>d</b>", description_parse_mode="HTML", members_only=True
    )
    poll = sent["poll"]
    assert (poll["open_period"], poll["close_date"] - sent["date"]) in {(60, 60), (60, 59)}
    assert (poll["description"], poll["description_entities"]) == ("d", [{"type": "bold", "offset": 0, "length": 1}])
    assert (poll["members_only"], poll["allows_revoting"]) == (True, True)
    dated = (await client.result("sendPoll", **asked, close_date=2_000_000_000, allows_revoting=False))["poll"]
    assert (dated["close_date"], dated["allows_revoting"], "open_period" in dated) == (2_000_000_000, False, False)
    quiz = (await client.result("sendPoll", **asked, type="quiz", correct_option_ids=[0]))["poll"]
    assert quiz["allows_revoting"] is False
