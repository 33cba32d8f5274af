"""What a media message is: its file, its caption, and how the Bot API names its parts. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MediaKind = Literal["audio", "video", "document", "photo"]

_METHODS: Mapping[MediaKind, str] = {
    "audio": "sendAudio",
    "video": "sendVideo",
    "document": "sendDocument",
    "photo": "sendPhoto",
}
_FILE_PART = "upload"
_THUMBNAIL_PART = "upload_thumbnail"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on this machine, and the name and type under which Telegram is to keep it."""

    path: Path
    filename: str
    mime_type: str


@dataclass(frozen=True, slots=True)
class Media:
    """A file to send: from disk (`Upload`), or one Telegram has (a file_id).

    `caption` is HTML. Telegram looks into no video over 10 MB, so width, height, duration and a JPEG thumbnail (under
    200 kB and 320 pixels) are to be given for video; they are sent with an upload only, as Telegram ignores them else.
    """

    kind: MediaKind
    file: Upload | str
    caption: str | None = None
    title: str | None = None
    performer: str | None = None
    duration_seconds: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: Path | None = None

    @property
    def method(self) -> str:
        """The method that sends it."""
        return _METHODS[self.kind]


@dataclass(frozen=True, slots=True)
class MediaParts:
    """A media message on the wire: parameters, files by the name of their part, the file whose size sets the pace."""

    parameters: dict[str, object]
    files: dict[str, Upload]
    heavy: Path | None


def send_parts(media: Media, *, local_files: bool, plain: bool = False) -> MediaParts:
    """Return the parameters and files of sendAudio, sendVideo, sendDocument or sendPhoto."""
    reference, files, heavy = _file(media, local_files=local_files)
    parameters: dict[str, object] = {media.kind: reference, **_described(media, plain=plain)}
    if media.kind == "document" and files:
        # Else Telegram may turn a document into an animation or an audio file, which a file_id cannot undo.
        parameters["disable_content_type_detection"] = True
    return MediaParts(parameters, files, heavy)


def edit_parts(media: Media, *, local_files: bool, plain: bool = False) -> MediaParts:
    """Return the `media` parameter of editMessageMedia, and its files."""
    reference, files, heavy = _file(media, local_files=local_files)
    content: dict[str, object] = {"type": media.kind, "media": reference, **_described(media, plain=plain)}
    if media.kind == "document" and files:
        content["disable_content_type_detection"] = True
    return MediaParts({"media": content}, files, heavy)


def _file(media: Media, *, local_files: bool) -> tuple[str, dict[str, Upload], Path | None]:
    """Return the file's value, the parts it needs, and the file whose size says how long it may take.

    A server that runs with --local reads the file itself, by a file:// address; only the thumbnail has to be uploaded.
    """
    if isinstance(media.file, str):
        return media.file, {}, None
    files = {}
    if media.thumbnail is not None:
        files[_THUMBNAIL_PART] = Upload(media.thumbnail, "thumbnail.jpg", "image/jpeg")
    if local_files:
        return media.file.path.absolute().as_uri(), files, media.file.path
    return f"attach://{_FILE_PART}", {_FILE_PART: media.file, **files}, media.file.path


def _described(media: Media, *, plain: bool) -> dict[str, object]:
    """Return the parameters beside the file; those that are unknown are left out, as a 0 would be shown."""
    wanted: dict[str, object] = {"caption": media.caption}
    if media.caption is not None and not plain:
        wanted["parse_mode"] = "HTML"
    if isinstance(media.file, Upload) and media.thumbnail is not None:
        wanted["thumbnail"] = f"attach://{_THUMBNAIL_PART}"
    if media.kind == "audio":
        wanted |= {"title": media.title, "performer": media.performer, "duration": media.duration_seconds}
    elif media.kind == "video":
        wanted |= {"width": media.width, "height": media.height, "duration": media.duration_seconds}
        wanted["supports_streaming"] = True
    return {key: value for key, value in wanted.items() if value is not None}
