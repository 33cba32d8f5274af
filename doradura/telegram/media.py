"""A media message: its file, its caption, and the Bot API's names for its parts. No I/O."""

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
    """A file on this machine, with the name and type that Telegram is to keep."""

    path: Path
    filename: str
    mime_type: str


@dataclass(frozen=True, slots=True)
class Media:
    """A file to send: from disk (`Upload`), or one that Telegram has (a file_id).

    `caption` is HTML. Telegram does not examine a video over 10 MB, so a video needs its width, height, duration and a
    JPEG thumbnail (under 200 kB and 320 pixels). They are sent with an upload only: Telegram ignores them otherwise.
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
    """A media message on the wire.

    Its parameters, its files by part name, and the file whose size sets the deadline.
    """

    parameters: dict[str, object]
    files: dict[str, Upload]
    heavy: Path | None


def send_parts(media: Media, *, local_files: bool, plain: bool = False) -> MediaParts:
    """Return the parameters and files of sendAudio, sendVideo, sendDocument or sendPhoto."""
    reference, files, heavy = _file(media, local_files=local_files)
    parameters: dict[str, object] = {media.kind: reference, **_described(media, plain=plain)}
    if media.kind == "document" and files:
        # Otherwise Telegram may turn a document into an animation or an audio file, which a file_id cannot undo.
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
    """Return the file's value, the parts it needs, and the file whose size sets the deadline.

    A server that runs with --local reads the file itself through a file:// address; only the thumbnail is uploaded.
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
    """Return the parameters beside the file. Unknown ones are left out, as Telegram would show a 0."""
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
