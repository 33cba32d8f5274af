"""The order of an MP4 file's outermost boxes, which decides whether a player can start before it has the whole file.

Owns the reading of box headers (ISO/IEC 14496-12, 4.2). It must not read the boxes' content: ffmpeg reports the
streams.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

_HEADERS: Final = 64
"""More outermost boxes than any unfragmented file has; a fragmented one has some for each second."""


def is_streamable(path: Path) -> bool:
    """Return whether the index precedes the media and covers all of it; false for a file that is cut off or not MP4.

    A fragmented file is not streamable in this sense: its index does not state the length, and players show none.
    """
    with path.open("rb") as file:
        seen = _outermost(file, os.fstat(file.fileno()).st_size)
    if seen is None or b"moof" in seen or b"moov" not in seen or b"mdat" not in seen:
        return False
    return seen[0] == b"ftyp" and seen.index(b"moov") < seen.index(b"mdat")


def _outermost(file: BinaryIO, size_bytes: int) -> list[bytes] | None:
    """Return the names of the outermost boxes; None if they do not fill the file exactly, or are too many."""
    seen: list[bytes] = []
    at = 0
    while at < size_bytes:
        file.seek(at)
        header = file.read(16)
        length, least = int.from_bytes(header[:4], "big"), 8
        if length == 0:  # to the end of the file
            length = size_bytes - at
        elif length == 1:
            length, least = int.from_bytes(header[8:], "big"), 16
        at += length
        if len(header) < least or length < least or at > size_bytes or len(seen) == _HEADERS:
            return None
        seen.append(header[4:8])
    return seen
