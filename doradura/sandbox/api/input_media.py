"""Reads InputMedia, the files of an album or of an edited message, with the server's error texts.

Owns which kinds there are. It does not look at the files.
"""

from __future__ import annotations

from dataclasses import dataclass

from doradura.sandbox.api.call import Call, captioned
from doradura.sandbox.api.fields import Fields
from doradura.sandbox.api.texts import formatted
from doradura.sandbox.state.blobs import StoredUpload
from doradura.sandbox.state.records import Object
from doradura.sandbox.state.refusal import RefusalError, bad_request

_TROUBLE = "can't parse InputMedia: "
_ABOVE = frozenset({"animation", "photo", "video"})
"""Kinds whose caption can be shown above."""
_KINDS = frozenset({"animation", "audio", "document", "photo", "video"})


@dataclass(frozen=True, slots=True)
class InputMedia:
    """A file to put into a message, with its description."""

    kind: str
    fields: Object
    """What the bot specified, in the method or the media: duration, width, title and the like."""
    value: str
    """A file_id or an address; empty if the file comes with the call."""
    upload: StoredUpload | None
    thumbnail: StoredUpload | None
    text: Object
    """The fields of its caption."""


def read_media(call: Call, given: object, *, album: bool) -> InputMedia:
    """Read an InputMedia. Raises RefusalError."""
    if not isinstance(given, dict):
        raise bad_request(_TROUBLE + "expected an Object")
    fields = Fields(given, _TROUBLE)
    text = _caption(fields)
    above, spoiler = fields.boolean("show_caption_above_media"), fields.boolean("has_spoiler")
    value = fields.text("media")
    upload = call.upload(value, "") if value.startswith("attach://") else None
    if upload is None and (not value or value.startswith("attach://")):
        raise fields.refusal("media not found")
    kind = fields.text("type", required=True)
    if kind not in _KINDS:
        raise fields.refusal(f'type "{kind}" is unsupported')
    if album and kind == "animation":
        raise fields.refusal('type "animation" can\'t be used in sendMediaGroup')
    if text and above and kind in _ABOVE:
        text["show_caption_above_media"] = True
    thumbnail = None if kind == "photo" else call.thumbnail(given)
    # A document in an album always stays one.
    kept = {**given, "has_spoiler": spoiler, **({"disable_content_type_detection": True} if album else {})}
    return InputMedia(kind, kept, "" if upload else value, upload, thumbnail, text)


def _caption(fields: Fields) -> Object:
    text, mode = fields.text("caption"), fields.text("parse_mode")
    try:
        plain, found = formatted(text, mode, fields.members.get("caption_entities"))
    except RefusalError as error:
        why = error.description.removeprefix("Bad Request: ")
        raise fields.refusal(why[:1].upper() + why[1:]) from None
    return captioned(plain, found)
