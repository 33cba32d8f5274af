"""Bot API methods about files: sending them, putting them into messages, finding where to download them."""

from __future__ import annotations

import secrets
from types import MappingProxyType
from typing import Any

import msgspec

from doradura.sandbox.call import Call, Method, caption, message_caption
from doradura.sandbox.files import DOWNLOAD_LIMIT_BYTES, find_file, with_path
from doradura.sandbox.keyboards import read_keyboard
from doradura.sandbox.methods_messages import send
from doradura.sandbox.parameters import is_true, leading_integer
from doradura.sandbox.records import Object, StoredFile
from doradura.sandbox.refusal import bad_request

ALBUM_LIMIT = 10
_NUMBERS = ("duration", "width", "height", "length")
_TEXTS = ("performer", "title")
_GIVEN = MappingProxyType(
    {
        "audio": ("duration", "performer", "title"),
        "video": ("duration", "width", "height"),
        "animation": ("duration", "width", "height"),
        "voice": ("duration",),
        "video_note": ("duration", "length"),
        "sticker": ("emoji",),
    }
)
_UNCAPTIONED = frozenset({"video_note", "sticker"})
_SPOILED = frozenset({"animation", "photo", "video"})
_ALBUM_MEDIA = frozenset({"audio", "document", "photo", "video"})
_INPUT_MEDIA = frozenset({"audio", "video", "document", "photo", "animation"})


def sender(kind: str) -> Method:
    """Give the method that sends one kind of file.

    A document that is a film or a song becomes what it is, unless that is forbidden; an animation stands in `document`
    as well: both as in Telegram.
    """

    async def send_file(call: Call) -> Object:
        return await _send_file(call, kind)

    return send_file


async def send_media_group(call: Call) -> list[Object]:
    """Answer sendMediaGroup: an album, a message for each of its files."""
    items = _album(call)
    chat_id = call.writable_chat_id()
    reply_to = call.reply_to(chat_id)
    contents = []
    for item in items:
        kind = item["type"]
        text = caption(str(item.get("caption", "")), str(item.get("parse_mode", "")), item.get("caption_entities"))
        # A document in an album always stays one.
        fields = {**item, kind: item.get("media", ""), "disable_content_type_detection": True}
        contents.append(await _media(call, kind, fields, part="media") | text)
    call.writable_chat_id()  # while files were looked into, the bot may have been blocked
    group = {"media_group_id": str(10**17 + secrets.randbelow(9 * 10**17))} if len(contents) > 1 else {}
    return [send(call, group | content, reply_to=reply_to) for content in contents]


def _album(call: Call) -> list[Object]:
    """Read the items of an album. Raises RefusalError."""
    try:
        items: Any = call.parameters.json("media") if call.parameters.text("media") else None
    except msgspec.DecodeError:
        raise bad_request("can't parse media JSON object") from None
    if not isinstance(items, list):
        raise bad_request("media is empty" if items is None else "expected an Array of InputMedia")
    if not items:
        raise bad_request("there are no messages to send")
    if len(items) > ALBUM_LIMIT:
        raise bad_request("too many messages to send as an album")
    kinds = set()
    for item in items:
        if not isinstance(item, dict) or item.get("type") not in _ALBUM_MEDIA:
            raise bad_request("can't parse InputMedia: type must be one of audio, document, photo, video")
        kinds.add(str(item["type"]))
    for alone in ("audio", "document"):
        if alone in kinds and len(kinds) > 1:
            raise bad_request(f"{alone} can't be mixed with other media types")
    return items


async def _send_file(call: Call, kind: str) -> Object:
    text = message_caption(call.parameters)
    # Refuse before looking into the file: that may take a while.
    read_keyboard(call.parameters)
    call.reply_to(call.writable_chat_id())
    fields: Object = dict(call.parameters.texts)
    content = await _media(call, kind, fields, part=kind)
    return send(call, content if kind in _UNCAPTIONED else content | text)


async def edit_message_media(call: Call) -> Object:
    """Answer editMessageMedia: other media, or media instead of a text."""
    try:
        media = call.parameters.json("media") if call.parameters.text("media") else None
    except msgspec.DecodeError:
        raise bad_request("can't parse input media JSON object") from None
    if not isinstance(media, dict):
        raise bad_request("media is not specified" if media is None else "expected an Object as input media")
    kind = media.get("type")
    if kind not in _INPUT_MEDIA:
        raise bad_request("can't parse InputMedia: type must be one of animation, audio, document, photo, video")
    text = caption(str(media.get("caption", "")), str(media.get("parse_mode", "")), media.get("caption_entities"))
    if text and media.get("show_caption_above_media") is True:
        text["show_caption_above_media"] = True
    keyboard = read_keyboard(call.parameters)
    call.own_message()
    content = await _media(call, kind, {**media, kind: media.get("media", "")}, part="media") | text
    if keyboard.inline is not None:
        content["reply_markup"] = keyboard.inline
    # Looked up again: while the file was looked into, the message may have been deleted.
    return call.finish_edit(call.own_message(), content)


async def get_file(call: Call) -> Object:
    """Answer getFile."""
    file_id = call.parameters.text("file_id")
    if not file_id:
        raise bad_request("file_id not specified")
    file = call.bot.files.get(file_id)
    if file is None:
        raise bad_request("invalid file_id")
    if file.size > DOWNLOAD_LIMIT_BYTES:
        raise bad_request("file is too big")
    identity = {key: file.shown[key] for key in ("file_id", "file_unique_id", "file_size")}
    return {**identity, "file_path": with_path(call.bot, file).path}


async def _media(call: Call, kind: str, fields: Object, *, part: str) -> Object:
    """Give a message's content: the file an upload, an address or a file_id stands for.

    `fields` are those of method or media.
    """
    value = str(fields.get(kind, ""))
    upload = call.upload(value, part)
    if upload is None and not value:
        raise bad_request(f"there is no {kind} in the request")
    given = _given(kind, fields)
    if upload is not None:
        if kind == "document" and not is_true(fields.get("disable_content_type_detection")):
            kind = call.files.kind_of_document(upload)
        thumbnail = call.upload(str(fields.get("thumbnail", "")), "thumbnail")
        file = await call.files.add(call.bot, kind, upload, given=given, thumbnail=thumbnail)
    elif "." in value:
        file = await call.files.add_from_url(call.bot, kind, value, given=given)
    else:
        file = find_file(call.bot, kind, value)
    shown: Object = {kind: shown_file(file)}
    if kind == "animation":
        shown["document"] = {key: file.shown[key] for key in file.shown if key not in {"width", "height", "duration"}}
    if kind in _SPOILED and is_true(fields.get("has_spoiler")):
        shown["has_media_spoiler"] = True
    return shown


def _given(kind: str, fields: Object) -> Object:
    """Read the figures a sender names."""
    given: Object = {}
    for name in _GIVEN.get(kind, ()):
        text = str(fields.get(name, ""))
        given[name] = max(0, leading_integer(text)) if name in _NUMBERS else text
    return given


def shown_file(file: StoredFile) -> object:
    """Give what stands in a message for a file: a photo is a list of sizes."""
    return (file.sizes or [file.shown]) if file.kind == "photo" else file.shown
