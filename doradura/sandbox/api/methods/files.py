"""Bot API methods about files: sending them, putting them into messages, finding their download address."""

from __future__ import annotations

from types import MappingProxyType

from doradura.sandbox.api.call import Call, Method, message_caption
from doradura.sandbox.api.fields import read_array, read_json
from doradura.sandbox.api.input_media import InputMedia, read_media
from doradura.sandbox.api.keyboards import check_edited, read_keyboard
from doradura.sandbox.api.methods.messages import markup, new_album, send
from doradura.sandbox.api.parameters import is_true
from doradura.sandbox.state.files import DOWNLOAD_LIMIT_BYTES, find_file, sent_as, shown_file, with_path
from doradura.sandbox.state.records import Message, Object
from doradura.sandbox.state.refusal import RefusalError, bad_request
from doradura.sandbox.text.numbers import leading_integer

ALBUM_LIMIT = 10
_NUMBERS = ("duration", "width", "height", "length")
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
_ALBUMS_ALONE = ("audio", "document")
_ABOVE = _SPOILED
"""Kinds whose caption can be shown above are those that can be hidden."""
_SERVERS_WORDS = MappingProxyType(
    {
        "failed to get HTTP URL content": "WEBPAGE_CURL_FAILED",
        "wrong type of the web page content": "WEBPAGE_MEDIA_EMPTY",
        "IMAGE_PROCESS_FAILED": "IMAGE_PROCESS_FAILED",
        "PHOTO_INVALID_DIMENSIONS": "PHOTO_INVALID_DIMENSIONS",
    }
)


def sender(kind: str) -> Method:
    """Return the method that sends one kind of file.

    A document that is a film or a song is sent as that, unless this is forbidden; an animation is in `document` too:
    both as with Telegram.
    """

    async def send_file(call: Call) -> Object:
        return await _send_file(call, kind)

    return send_file


async def send_media_group(call: Call) -> list[Object]:
    """Answer sendMediaGroup: an album, a message for each of its files. Raises RefusalError."""
    call.required("media")
    given = read_array(call.parameters, "media", "media", "InputMedia")
    items = [read_media(call, item, album=True) for item in given]
    chat_id = call.writable_chat_id()
    reply_to = call.reply_to(chat_id)
    _check_album([item.kind for item in items])
    contents = []
    for number, item in enumerate(items, 1):
        try:
            contents.append(await _content(call, item))
        except RefusalError as error:
            raise _album_trouble(number, error) from None
    call.writable_chat_id()  # while the files were examined, the bot may have been blocked
    group = {"media_group_id": new_album()} if len(contents) > 1 else {}
    return [send(call, group | content, reply_to=reply_to) for content in contents]


def _check_album_edit(message: Message, kind: str) -> None:
    """Refuse media that don't fit the album of the edited message: songs and documents don't mix with others."""
    old = next((each for each in ("animation", *_ALBUMS_ALONE) if each in message.body), "photo")
    if "media_group_id" not in message.body or kind == old:
        return
    if kind == "animation":
        raise bad_request("message content type can't be used in an album")
    if kind in _ALBUMS_ALONE or old in _ALBUMS_ALONE:
        raise bad_request("can't change media type in the album")


def _check_album(kinds: list[str]) -> None:
    if not kinds:
        raise bad_request("there are no messages to send")
    if len(kinds) > ALBUM_LIMIT:
        raise bad_request("too many messages to send as an album")
    for alone in _ALBUMS_ALONE:
        if alone in kinds and len(set(kinds)) > 1:
            raise bad_request(f"{alone} can't be mixed with other media types")


def _album_trouble(number: int, error: RefusalError) -> RefusalError:
    """Say which message failed, if Telegram's servers found the fault and not the Bot API's."""
    code = _SERVERS_WORDS.get(error.description.removeprefix("Bad Request: "))
    return error if code is None else bad_request(f'failed to send message #{number} with the error message "{code}"')


async def _send_file(call: Call, kind: str) -> Object:
    value = call.parameters.text(kind)
    upload = call.upload(value, kind)
    if upload is None and (not value or value.startswith("attach://")):
        raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
    kind = sent_as(call.bot, kind, value)
    text = {} if kind in _UNCAPTIONED else message_caption(call.parameters)
    if kind not in _ABOVE:
        text.pop("show_caption_above_media", None)
    # Refuse before examining the file, which may take a while.
    read_keyboard(call.parameters)
    call.reply_to(call.writable_chat_id())
    fields: Object = dict(call.parameters.texts)
    media = InputMedia(kind, fields, "" if upload else value, upload, call.thumbnail(fields), text)
    return send(call, await _content(call, media))


async def edit_message_media(call: Call) -> Object:
    """Answer editMessageMedia: other media, or media instead of a text."""
    keyboard = read_keyboard(call.parameters)
    call.required("media")
    media = read_media(call, read_json(call.parameters, "media", "input media"), album=False)
    _check_album_edit(call.own_message(), media.kind)
    check_edited(keyboard)
    content = await _content(call, media) | markup(keyboard.inline)
    # Looked up again: while the file was examined, the message may have been deleted.
    return call.finish_edit(call.own_message(), content)


async def get_file(call: Call) -> Object:
    """Answer getFile. Raises RefusalError."""
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


async def _content(call: Call, media: InputMedia) -> Object:
    """Return a message's content: its caption, and the file that an upload, an address or a file_id stands for."""
    kind, fields, value = media.kind, media.fields, media.value
    given = _given(kind, fields)
    if media.upload is not None:
        if kind == "document" and not is_true(fields.get("disable_content_type_detection")):
            kind = call.files.kind_of_document(media.upload)
        file = await call.files.add(call.bot, kind, media.upload, given=given, thumbnail=media.thumbnail)
    elif "." in value:
        file = await call.files.add_from_url(call.bot, kind, value, given=given)
    else:
        file = find_file(call.bot, kind, value)
    shown: Object = {kind: shown_file(file)}
    start = leading_integer(str(fields.get("start_timestamp", "")))
    if kind == "video" and start > 0:
        # This belongs to the message, not to the file: the same film may begin elsewhere in the next one.
        shown["video"] = {**file.shown, "start_timestamp": start}
    if kind == "animation":
        shown["document"] = {key: file.shown[key] for key in file.shown if key not in {"width", "height", "duration"}}
    if kind in _SPOILED and is_true(fields.get("has_spoiler")):
        shown["has_media_spoiler"] = True
    return shown | media.text


def _given(kind: str, fields: Object) -> Object:
    """Return the dimensions that the sender specified."""
    given: Object = {}
    for name in _GIVEN.get(kind, ()):
        text = str(fields.get(name, ""))
        given[name] = max(0, leading_integer(text)) if name in _NUMBERS else text
    return given
