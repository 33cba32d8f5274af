"""Reads a Bot API call's parameters from its query string and body, as the Bot API server does.

Owns the four encodings (query string, urlencoded, JSON, multipart), their limits, and the rule that of a repeated name
the first value wins, the query before the body. Files go to the blob store as they arrive. Knows no method.
Source: tdlib/telegram-bot-api and its HttpReader.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import msgspec

from doradura.sandbox.http.exchange import HttpRequest
from doradura.sandbox.http.multipart import (
    MultipartError,
    MultipartParser,
    PartData,
    PartEnd,
    PartStart,
    boundary_of,
)
from doradura.sandbox.state.blobs import FILE_LIMIT_BYTES, Blobs, BlobWriter, StoredUpload
from doradura.sandbox.text.numbers import leading_integer

TEXT_LIMIT_BYTES = 1024 * 1024
"""The size limit of all text parameters together, decoded."""

FILE_LIMIT_COUNT = 50
BODY_TEXT_LIMIT_BYTES = 4 * TEXT_LIMIT_BYTES
"""The limit of an encoded body without files: percent-encoding triples its size."""

INFLATE_PIECE_BYTES = 256 * 1024

JSON_DEPTH_LIMIT = 100
"""The server's own depth limit (td/utils/JsonBuilder.h); deeper JSON would also end in a RecursionError somewhere."""

_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[\[{\]}]', re.DOTALL)

Pieces = Callable[[], Awaitable[bytes]]


class ReadError(Exception):
    """Reading the request ended early; `envelope` says whether the answer has a JSON body."""

    def __init__(self, status: int, description: str, *, envelope: bool) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.envelope = envelope


@dataclass(slots=True)
class Parameters:
    """The parameters of a call: texts as they were on the wire, and files by the name of their part."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, StoredUpload] = field(default_factory=dict)
    garbled: set[str] = field(default_factory=set)
    """Names of texts that are not UTF-8; their kept form has a replacement character for each bad byte."""
    _text_bytes: int = 0

    def put(self, name: str, value: str) -> None:
        """Keep a value unless the name has one already. Bytes that are not UTF-8 come as lone surrogates.

        Raises ReadError if the texts together are too long.
        """
        self._text_bytes += len(name) + len(value)
        if self._text_bytes > TEXT_LIMIT_BYTES:
            raise ReadError(413, "Request Entity Too Large", envelope=False)
        whole = _utf8(value)
        if whole != value and name not in self.texts:
            self.garbled.add(name)
        self.texts.setdefault(_utf8(name), whole)

    def text(self, name: str) -> str:
        """Return a parameter's text, empty if it was not given (the server makes no difference)."""
        return self.texts.get(name, "")

    def integer(self, name: str, default: int = 0) -> int:
        """Return the leading digits of a parameter as a number; garbage is 0."""
        return leading_integer(self.texts[name]) if name in self.texts else default

    def boolean(self, name: str) -> bool:
        """Return true for `true`, `yes` and `1`; false for everything else."""
        return is_true(self.text(name))

    def json(self, name: str) -> object:
        """Return a parameter's JSON value.

        Raises msgspec.DecodeError, also if it is nested deeper than the server allows.
        """
        text = self.text(name)
        if _depth(text) > JSON_DEPTH_LIMIT:
            raise msgspec.DecodeError("nested too deep")
        return msgspec.json.decode(text)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _depth(text: str) -> int:
    """Return the depth of a JSON text without recursion."""
    depth = deepest = 0
    for bracket in _BRACKET_OR_STRING.findall(text):
        if bracket in {"[", "{"}:
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in {"]", "}"}:
            depth -= 1
    return deepest


def is_true(value: object) -> bool:
    """Read a boolean as the server does, from a text or from JSON."""
    return str(value).strip().lower() in {"true", "yes", "1"}


async def read_parameters(request: HttpRequest, blobs: Blobs, into: Parameters) -> None:
    """Fill `into` from a request. Raises ReadError; what was read before stays, but no half-written file."""
    _put_urlencoded(into, request.query.decode("ascii", "replace"))
    content_type = request.headers.get(b"content-type", b"").decode("latin-1")
    kind = content_type.partition(";")[0].strip().lower()
    body = _decoded(request)
    if kind == "multipart/form-data":
        try:
            await _read_multipart(body, boundary_of(content_type), blobs, into)
        except MultipartError as error:
            raise ReadError(400, f"Bad Request: {error}", envelope=False) from error
    elif kind == "application/json":
        _put_json(into, await _gather(body))
    elif kind == "application/x-www-form-urlencoded":
        _put_urlencoded(into, (await _gather(body)).decode("utf-8", "surrogateescape"))
    else:
        while await body():
            pass


def _decoded(request: HttpRequest) -> Pieces:
    """Return a function that returns the body's next decoded bytes, and none at the end."""
    encoding = request.headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding in {b"identity", b""}:
        return request.piece
    if encoding not in {b"gzip", b"deflate"}:
        raise ReadError(415, "Unsupported Media Type", envelope=False)
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)

    async def piece() -> bytes:
        while not inflate.eof:
            compressed = inflate.unconsumed_tail or await request.piece()
            try:
                data = inflate.decompress(compressed, INFLATE_PIECE_BYTES) if compressed else inflate.flush()
            except zlib.error as error:
                raise ReadError(400, "Bad Request", envelope=False) from error
            if data or not compressed:
                return data
        return b""

    return piece


async def _gather(body: Pieces) -> bytes:
    pieces, size = [], 0
    while piece := await body():
        size += len(piece)
        if size > BODY_TEXT_LIMIT_BYTES:
            raise ReadError(413, "Request Entity Too Large", envelope=False)
        pieces.append(piece)
    return b"".join(pieces)


def _put_urlencoded(into: Parameters, text: str) -> None:
    for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
        into.put(name, value)


def _put_json(into: Parameters, body: bytes) -> None:
    """Store a JSON object's members: strings as they are, all other values as JSON text. Broken JSON is ignored."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw]) if body else {}
        for name, raw in members.items():
            text = bytes(raw)
            into.put(name, msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return


async def _read_multipart(body: Pieces, boundary: bytes, blobs: Blobs, into: Parameters) -> None:
    parser = MultipartParser(boundary)
    reader = _PartReader(blobs, into)
    try:
        while piece := await body():
            for event in parser.feed(piece):
                await reader.take(event)
    finally:
        await reader.give_up()
    if not parser.finished:
        raise MultipartError("the closing boundary is missing")


class _PartReader:
    """Handles a multipart body's events: texts become parameters, files are written to disk."""

    def __init__(self, blobs: Blobs, into: Parameters) -> None:
        self._blobs = blobs
        self._into = into
        self._part: PartStart | None = None
        self._text = bytearray()
        self._writer: BlobWriter | None = None

    async def take(self, event: PartStart | PartData | PartEnd) -> None:
        """Handle one event. Raises ReadError if a limit is exceeded, halfway through the part that exceeds it."""
        if isinstance(event, PartStart):
            self._part = event
            if event.filename is not None:
                if len(self._into.files) >= FILE_LIMIT_COUNT:
                    raise ReadError(413, "Request Entity Too Large", envelope=False)
                self._writer = self._blobs.writer()
        elif isinstance(event, PartData):
            await self._data(event.data)
        else:
            await self._end()

    async def give_up(self) -> None:
        """Remove the unfinished file, if there is one."""
        if self._writer is not None:
            await self._writer.discard()

    async def _data(self, data: bytes) -> None:
        if self._writer is None:
            self._text += data
            if len(self._text) > TEXT_LIMIT_BYTES:
                raise ReadError(413, "Request Entity Too Large", envelope=False)
            return
        if self._writer.size + len(data) > FILE_LIMIT_BYTES:
            raise ReadError(413, "Request Entity Too Large", envelope=True)
        await self._writer.write(data)

    async def _end(self) -> None:
        part = self._part
        assert part is not None
        if self._writer is None:
            self._into.put(part.name, self._text.decode("utf-8", "surrogateescape"))
            self._text.clear()
            return
        size = self._writer.size
        blob = await self._writer.finish()
        self._writer = None
        # Telegram's server keeps the last path component of the file name that a client gives.
        filename = (part.filename or "").replace("\\", "/").rpartition("/")[2]
        self._into.files.setdefault(part.name, StoredUpload(filename, part.content_type, blob, size))
