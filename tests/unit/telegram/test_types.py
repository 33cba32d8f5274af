"""Reading updates, and the objects the bot sends."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from doradura.telegram.entities import plain_text
from doradura.telegram.errors import MalformedUpdateError
from doradura.telegram.media import Media, Upload, edit_parts, send_parts
from doradura.telegram.multipart import _lay_out
from doradura.telegram.types import Button, decode_update
from doradura.telegram.updates import read_batch

USER = {"id": 6, "is_bot": False, "first_name": "U", "language_code": "de", "is_premium": True}
CHAT = {"id": -1001234567890, "type": "supergroup", "title": "G"}
MESSAGE = {"message_id": 9, "date": 1, "chat": CHAT, "from": USER, "text": "hi", "new_field": {"a": [1]}}


def raw(value: object) -> msgspec.Raw:
    """Return an item of a poll's result."""
    return msgspec.Raw(json.dumps(value).encode())


def test_an_update_is_read_with_what_is_new_in_it() -> None:
    """Fields we do not know are ignored at every depth."""
    update = decode_update(json.dumps({"update_id": 1, "message": {**MESSAGE, "reply_to_message": MESSAGE}}))

    assert update.message is not None
    assert (update.message.chat.id, update.message.text) == (-1001234567890, "hi")
    assert update.message.from_user is not None
    assert update.message.from_user.language_code == "de"
    assert update.message.reply_to_message is not None


def test_a_message_the_bot_cannot_see_any_more() -> None:
    """A press under an old message comes with chat, id and date 0 alone."""
    message = {"message_id": 9, "date": 0, "chat": CHAT}
    query = {"id": "77", "from": USER, "message": message, "chat_instance": "1", "data": "d"}
    update = decode_update(json.dumps({"update_id": 1, "callback_query": query}))

    assert update.callback_query is not None
    assert update.callback_query.message is not None
    assert (update.callback_query.data, update.callback_query.message.date) == ("d", 0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"update_id": 1, "message": 3}', '{"message": {}}', b"\xff"])
def test_a_malformed_update_is_one_kind_of_error(text: str | bytes) -> None:
    """Whoever handles updates has one thing to catch."""
    with pytest.raises(MalformedUpdateError):
        decode_update(text)


@pytest.mark.parametrize(
    ("content", "kind", "chat_id", "user_id"),
    [
        ({"message": MESSAGE}, "message", CHAT["id"], 6),
        ({"edited_message": MESSAGE}, "edited_message", CHAT["id"], 6),
        ({"callback_query": {"id": "1", "from": USER, "message": MESSAGE}}, "callback_query", CHAT["id"], 6),
        ({"callback_query": {"id": "1", "from": USER, "inline_message_id": "x"}}, "callback_query", None, 6),
        ({"my_chat_member": {"chat": CHAT, "from": USER, "date": 1}}, "my_chat_member", CHAT["id"], 6),
        ({"pre_checkout_query": {"id": "1", "from": USER}}, "pre_checkout_query", None, 6),
        ({"subscription": {"user": USER, "state": "canceled"}}, "subscription", None, 6),
        ({"message": 3}, "message", None, None),
        ({"message": {"chat": {"id": 10**40}}}, "message", None, None),
        ({"channel_post": {"chat": CHAT}}, "channel_post", CHAT["id"], None),
        ({}, "unknown", None, None),
    ],
)
def test_what_an_update_is_and_whose(
    content: dict[str, object], kind: str, chat_id: int | None, user_id: int | None
) -> None:
    """Kind, chat and user are found in every kind of update, and what cannot be read stays storable."""
    batch = read_batch([raw({"update_id": 3, **content})])

    assert [(u.update_id, u.kind, u.chat_id, u.user_id) for u in batch.updates] == [(3, kind, chat_id, user_id)]
    assert json.loads(batch.updates[0].raw) == {"update_id": 3, **content}
    assert batch.next_offset == 4


@pytest.mark.parametrize("item", [1, None, "x", [], {}, {"update_id": None}, {"update_id": "1"}, {"update_id": -5}])
def test_what_is_no_update(item: object) -> None:
    """What has no readable id is counted, and takes nothing else with it."""
    batch = read_batch([raw({"update_id": 3}), raw(item)])

    assert ([update.update_id for update in batch.updates], batch.malformed) == ([3], 1)


@pytest.mark.parametrize(
    ("data", "url"), [(None, None), ("a", "https://example.org"), ("", None), ("ä" * 33, None), ("x" * 65, None)]
)
def test_a_button_telegram_would_refuse_cannot_be_made(data: str | None, url: str | None) -> None:
    """Over 64 bytes of data the whole message would be refused, far away from who made the button."""
    with pytest.raises(ValueError, match=r"button|callback_data"):
        Button("text", callback_data=data, url=url)


def test_a_button_of_64_bytes_can_be_made() -> None:
    """The limit counts bytes, and 64 are allowed."""
    assert Button("text", callback_data="ä" * 32).callback_data == "ä" * 32


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<b>bold</b> &amp; <i>it</i>", "bold & it"),
        ('<a href="https://example.org/?a=1&amp;b=2">link</a>', "link"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<x>kept</x> <b", "<x>kept</x> <b"),
        ('<pre><code class="language-python">x &lt; y</code></pre>', "x < y"),
        ("<tg-spoiler>s</tg-spoiler><BLOCKQUOTE expandable>q</BLOCKQUOTE>", "sq"),
    ],
)
def test_markup_is_taken_off(markup: str, expected: str) -> None:
    """Telegram's tags go, everything else stays, escapes become characters."""
    assert plain_text(markup) == expected


VIDEO = Media(
    "video",
    Upload(Path("/data/a b.mp4"), "a.mp4", "video/mp4"),
    caption="c",
    duration_seconds=3,
    width=640,
    height=360,
    thumbnail=Path("/data/t.jpg"),
)


def test_an_uploaded_video_has_all_that_telegram_does_not_find_out() -> None:
    """Size, length and thumbnail go with the file, in parts of their own."""
    parts = send_parts(VIDEO, local_files=False)

    assert parts.parameters == {
        "video": "attach://upload",
        "caption": "c",
        "parse_mode": "HTML",
        "thumbnail": "attach://upload_thumbnail",
        "width": 640,
        "height": 360,
        "duration": 3,
        "supports_streaming": True,
    }
    assert {name: upload.path.name for name, upload in parts.files.items()} == {
        "upload": "a b.mp4",
        "upload_thumbnail": "t.jpg",
    }


def test_a_local_server_reads_the_file_itself() -> None:
    """With --local only the address of the file goes over, and the thumbnail, which cannot be sent so."""
    parts = edit_parts(VIDEO, local_files=True)

    media = parts.parameters["media"]
    assert isinstance(media, dict)
    assert (media["media"], media["type"]) == ("file:///data/a%20b.mp4", "video")
    assert list(parts.files) == ["upload_thumbnail"]
    assert parts.heavy == Path("/data/a b.mp4")


def test_the_form_on_the_wire() -> None:
    """Text parts first, then files; what would end a file's name, or be decoded in it, is percent-encoded."""
    upload = Upload(Path("/data/x"), '100% "ü"\r\n.mp3', "audio/mpeg")

    pieces = list(_lay_out("B", {"chat_id": 5, "caption": "ä", "silent": True, "media": {"a": 1}}, {"f": (upload, 3)}))

    assert (
        pieces[0]
        == (
            '--B\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n5\r\n'
            '--B\r\nContent-Disposition: form-data; name="caption"\r\n\r\nä\r\n'
            '--B\r\nContent-Disposition: form-data; name="silent"\r\n\r\ntrue\r\n'
            '--B\r\nContent-Disposition: form-data; name="media"\r\n\r\n{"a":1}\r\n'
            '--B\r\nContent-Disposition: form-data; name="f"; filename="100%25 %22ü%22%0D%0A.mp3"\r\n'
            "Content-Type: audio/mpeg\r\n\r\n"
        ).encode()
    )
    assert pieces[2] == b"\r\n--B--\r\n"
    assert len(pieces) == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('"text": "hi"', False),
        ('"pinned_message": {}', False),
        ('"photo": []', False),
        ('"voice": null', False),
        ('"photo": [{"file_id": "a", "file_unique_id": "b"}]', True),
        ('"audio": {"file_id": "a", "file_unique_id": "b"}', True),
        ('"document": {"file_id": "a", "file_unique_id": "b"}', True),
        ('"video": {"file_id": "a", "file_unique_id": "b"}', True),
        ('"sticker": {"file_id": "a", "set_name": "s"}', True),
        *(
            (f'"{name}": {{"x": [1]}}', True)
            for name in ("voice", "video_note", "animation", "location", "venue", "contact", "poll", "dice", "story")
        ),
    ],
)
def test_what_a_person_can_send_is_content(content: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Whatever somebody sends that is no text is known to be there; what Telegram itself reports is not meant."""
    raw = f'{{"update_id": 1, "message": {{"message_id": 1, "chat": {{"id": 5, "type": "private"}}, {content}}}}}'

    message = decode_update(raw).message

    assert message is not None
    assert message.is_content is expected
