"""Files in messages: uploads become Audio, Video, Document, ... objects with a file_id, which finds them again.

Owns the form of a file_id and which files may be sent as what. A file's dimensions are those that the bot gave; missing
ones are read from the file itself if it is small enough, as Telegram does. It waits for the disk and for ffmpeg.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

import trio

from doradura.sandbox.media.pictures import PHOTO_SIDES, THUMBNAIL_SIDE, shrink
from doradura.sandbox.media.probe import PROBE_LIMIT_BYTES, Probed, picture_size, probe
from doradura.sandbox.state.blobs import Blobs, StoredUpload
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.fetching import Fetcher
from doradura.sandbox.state.records import Object, StoredFile
from doradura.sandbox.state.refusal import bad_request

PROBES_AT_ONCE = 2
PHOTO_LIMIT_BYTES = 10 * 1024 * 1024
DOWNLOAD_LIMIT_BYTES = 20 * 1024 * 1024
THUMBNAIL_LIMIT_BYTES = 200 * 1000
THUMBNAIL_LIMIT_PIXELS = 320
PICTURE_HEAD_BYTES = 128 * 1024
"""Enough to find a JPEG's size after its colour profile and preview."""

MIME_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".mp3": "audio/mpeg",
        ".m4a": "audio/mp4",
        ".aac": "audio/aac",
        ".flac": "audio/x-flac",
        ".ogg": "audio/ogg",
        ".oga": "audio/ogg",
        ".opus": "audio/opus",
        ".wav": "audio/x-wav",
        ".mp4": "video/mp4",
        ".m4v": "video/mp4",
        ".mov": "video/quicktime",
        ".mkv": "video/x-matroska",
        ".webm": "video/webm",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".png": "image/png",
        ".gif": "image/gif",
        ".webp": "image/webp",
        ".srt": "application/x-subrip",
        ".vtt": "text/vtt",
        ".txt": "text/plain",
        ".csv": "text/csv",
        ".json": "application/json",
        ".html": "text/html",
        ".pdf": "application/pdf",
        ".zip": "application/zip",
    }
)
_DEFAULT_MIME = MappingProxyType(
    {
        "audio": "audio/mpeg",
        "video": "video/mp4",
        "animation": "video/mp4",
        "voice": "audio/ogg",
        "video_note": "video/mp4",
    }
)
_FOLDERS = MappingProxyType(
    {"audio": "music", "voice": "voice", "video": "videos", "animation": "animations", "document": "documents"}
)
_ID_PREFIX = MappingProxyType(
    {
        "audio": "CQACAgIAAxkB",
        "video": "BAACAgIAAxkB",
        "document": "BQACAgIAAxkB",
        "animation": "CgACAgIAAxkB",
        "voice": "AwACAgIAAxkB",
        "video_note": "DQACAgIAAxkB",
        "sticker": "CAACAgIAAxkB",
        "photo": "AgACAgIAAxkB",
        "thumbnail": "AAMCAgADGQEB",
    }
)
_DOCUMENTS = frozenset({"animation", "audio", "sticker", "video", "video_note", "voice"})
"""Files that Telegram treats as documents, besides all other types."""
_FILMS = frozenset({"video", "animation", "video_note"})
_DETECTED = MappingProxyType(
    {"video/mp4": "video", "audio/mpeg": "audio", "audio/mp4": "audio", "image/gif": "animation"}
)
_TYPE_NAMES = MappingProxyType({"voice": "VoiceNote", "video_note": "VideoNote"})
_PROBED = MappingProxyType({"audio": ("duration",), "voice": ("duration",), "video": ("duration", "width", "height")})


def type_name(kind: str) -> str:
    """Return TDLib's name of a file's type, as in its error texts."""
    return _TYPE_NAMES.get(kind, kind.capitalize())


def sent_as(bot: Bot, kind: str, file_id: str) -> str:
    """Return the kind as which the method for `kind` sends a file_id.

    The method sendDocument takes any but a photo's, unchanged.
    """
    file = bot.files.get(file_id)
    return file.kind if kind == "document" and file is not None and file.kind in _DOCUMENTS else kind


def find_file(bot: Bot, kind: str, file_id: str) -> StoredFile:
    """Return the file of a file_id, if it may be sent as `kind`. Raises RefusalError."""
    file = bot.files.get(file_id)
    if file is not None:
        if file.kind != kind:
            raise bad_request(f"can't use file of type {type_name(file.kind)} as {type_name(kind)}")
        return file
    if file_id in bot.world.file_ids:
        raise bad_request("wrong file identifier/HTTP URL specified")
    raise bad_request(f"wrong remote file identifier specified: {_id_trouble(file_id)}")


def _id_trouble(file_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", file_id):
        return "Wrong character in the string"
    return "Wrong padding in the string" if len(file_id) % 4 == 1 else "can't unserialize it. Wrong last symbol"


class Files:
    """Makes files of a bot from uploads."""

    def __init__(self, blobs: Blobs, ffmpeg: str, fetcher: Fetcher) -> None:
        self._blobs = blobs
        self._fetcher = fetcher
        self._ffmpeg = ffmpeg
        self._probes = trio.CapacityLimiter(PROBES_AT_ONCE)

    async def add_from_url(self, bot: Bot, kind: str, url: str, *, given: Object | None = None) -> StoredFile:
        """Make a file of `kind` from what is behind an address. Raises RefusalError."""
        upload = await self._fetcher.fetch(url, kind)
        try:
            return await self.add(bot, kind, upload, given=given)
        finally:
            if upload.blob not in bot.world.blobs_known:
                await self._blobs.remove([upload.blob])

    def kind_of_document(self, upload: StoredUpload) -> str:
        """Return what a document becomes unless its sender forbids it."""
        mime_type = self._mime_type("document", upload)
        return _DETECTED.get(mime_type, "document")

    async def add(
        self,
        bot: Bot,
        kind: str,
        upload: StoredUpload,
        *,
        given: Object | None = None,
        thumbnail: StoredUpload | None = None,
    ) -> StoredFile:
        """Make an upload a file of `kind`; `given` are the sender's values. Raises RefusalError."""
        if upload.size == 0:
            raise bad_request("file must be non-empty")
        if kind in {"photo", "sticker"}:
            return await (self._add_photo(bot, upload) if kind == "photo" else self._add_sticker(bot, upload, given))
        mime_type = self._mime_type(kind, upload)
        shown: Object = {key: value for key, value in (given or {}).items() if value}
        probed = await self._probe(kind, upload, shown)
        if kind in _PROBED:
            shown = {"duration": probed.duration, **shown}
        if kind in {"video", "animation"}:
            shown = {"width": probed.width or 320, "height": probed.height or 320, "duration": probed.duration, **shown}
        if kind == "audio":
            names = {"performer": probed.performer, "title": probed.title}
            shown |= {key: value for key, value in names.items() if value and key not in shown}
        if kind == "video_note":
            shown = {"length": min(probed.width, probed.height) or 240, "duration": probed.duration, **shown}
        if kind not in {"voice", "video_note"}:
            shown["file_name"] = upload.filename or "file"
        if kind != "video_note":
            shown["mime_type"] = mime_type
        picture = await self._thumbnail(bot, kind, upload, thumbnail)
        if picture is not None:
            shown["thumbnail"] = picture.shown
        return self._store(bot, kind, upload, mime_type, shown)

    async def picture(self, upload: StoredUpload) -> tuple[int, int] | None:
        """Return an uploaded picture's size, or None if it is not a picture."""
        return picture_size(await self._blobs.head(upload.blob, PICTURE_HEAD_BYTES))

    async def _add_photo(self, bot: Bot, upload: StoredUpload) -> StoredFile:
        if upload.size > PHOTO_LIMIT_BYTES:
            limit = f"the maximum size is {PHOTO_LIMIT_BYTES} bytes"
            raise bad_request(f"file of size {upload.size} bytes is too big for a photo; {limit}")
        size = await self.picture(upload)
        if size is None:
            raise bad_request("IMAGE_PROCESS_FAILED")
        width, height = size
        if width + height > 10_000 or not width or not height or max(size) > 20 * min(size):
            raise bad_request("PHOTO_INVALID_DIMENSIONS")
        smaller = await self._shrunk(bot, "photo", upload, tuple(side for side in PHOTO_SIDES if side < max(size)))
        photo = self._store(bot, "photo", upload, "image/jpeg", {"width": width, "height": height})
        files = [*smaller, photo]
        for file in files:
            file.sizes = [each.shown for each in files]
            bot.add_file(file)
        return photo

    async def _add_sticker(self, bot: Bot, upload: StoredUpload, given: Object | None) -> StoredFile:
        suffix = PurePosixPath(upload.filename.lower()).suffix
        moves = {"is_animated": suffix == ".tgs", "is_video": suffix == ".webm"}
        size = await self.picture(upload) or ((512, 512) if any(moves.values()) else None)
        if size is None:
            raise bad_request("IMAGE_PROCESS_FAILED")
        emoji = {"emoji": given["emoji"]} if given and given.get("emoji") else {}
        shown: Object = {"type": "regular", "width": size[0], "height": size[1], **moves, **emoji}
        return self._store(bot, "sticker", upload, "image/webp", shown)

    async def _shrunk(self, bot: Bot, kind: str, upload: StoredUpload, sides: tuple[int, ...]) -> list[StoredFile]:
        """Make smaller pictures of an upload."""
        async with self._probes:
            pictures = await shrink(self._ffmpeg, self._blobs.path(upload.blob), sides)
        made = []
        for data in pictures:
            width, height = picture_size(data) or (0, 0)
            blob = await self._blobs.store(data)
            small = StoredUpload("", "image/jpeg", blob, len(data))
            made.append(self._store(bot, kind, small, "image/jpeg", {"width": width, "height": height}))
        return made

    async def _thumbnail(
        self, bot: Bot, kind: str, upload: StoredUpload, given: StoredUpload | None
    ) -> StoredFile | None:
        """Return the given thumbnail, or one made of a small film.

        Like Telegram, it ignores a given one that is not JPEG, has too many bytes, or is too wide or high.
        """
        if given is None:
            if kind not in _FILMS or upload.size >= PROBE_LIMIT_BYTES:
                return None
            return next(iter(await self._shrunk(bot, "thumbnail", upload, (THUMBNAIL_SIDE,))), None)
        head = await self._blobs.head(given.blob, PICTURE_HEAD_BYTES)
        size = picture_size(head)
        if size is None or not head.startswith(b"\xff\xd8"):
            return None
        if given.size > THUMBNAIL_LIMIT_BYTES or max(size) > THUMBNAIL_LIMIT_PIXELS:
            return None
        return self._store(bot, "thumbnail", given, "image/jpeg", {"width": size[0], "height": size[1]})

    async def _probe(self, kind: str, upload: StoredUpload, shown: Object) -> Probed:
        """Examine a small file if a value is missing that Telegram would fill in."""
        wanted = _PROBED.get("video" if kind in {"animation", "video_note"} else kind, ())
        known = all(name in shown for name in wanted) and (kind != "audio" or "title" in shown or "performer" in shown)
        if not wanted or known or upload.size >= PROBE_LIMIT_BYTES:
            return Probed()
        async with self._probes:
            return await probe(self._ffmpeg, self._blobs.path(upload.blob))

    @staticmethod
    def _mime_type(kind: str, upload: StoredUpload) -> str:
        by_name = MIME_TYPES.get(PurePosixPath(upload.filename.lower()).suffix)
        named = upload.content_type.partition(";")[0].strip().lower()
        if named == "application/octet-stream":
            named = ""
        return by_name or named or _DEFAULT_MIME.get(kind, "application/octet-stream")

    @staticmethod
    def _store(bot: Bot, kind: str, upload: StoredUpload, mime_type: str, shown: Object) -> StoredFile:
        file_id = _ID_PREFIX[kind] + secrets.token_urlsafe(42)
        unique = hashlib.blake2b(f"{kind} {upload.blob}".encode(), digest_size=11).digest()
        identity = {
            "file_id": file_id,
            "file_unique_id": base64.urlsafe_b64encode(unique).decode().rstrip("="),
            "file_size": upload.size,
        }
        file = StoredFile(file_id, kind, upload.blob, upload.size, mime_type, {**shown, **identity})
        bot.add_file(file)
        return file


def with_path(bot: Bot, file: StoredFile) -> StoredFile:
    """Return the file with its download path, which is made when first requested."""
    if not file.path:
        bot.record.next_file_number += 1
        given = {"voice": ".oga", "photo": ".jpg", "thumbnail": ".jpg"}.get(file.kind, "")
        suffix = given or PurePosixPath(file.shown.get("file_name", "")).suffix
        if not re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix):
            suffix = ""
        folder = _FOLDERS.get(file.kind, f"{file.kind}s")
        file.path = f"{folder}/file_{bot.record.next_file_number}{suffix}"
        bot.keep()
        bot.add_file(file)
    return file


def shown_file(file: StoredFile) -> object:
    """Return a file as it appears in a message: a photo is a list of sizes."""
    return (file.sizes or [file.shown]) if file.kind == "photo" else file.shown
