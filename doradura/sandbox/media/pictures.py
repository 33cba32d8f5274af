"""Smaller pictures of what was uploaded: the sizes of a photo, the thumbnail of a video.

Owns which sizes there are. ffmpeg makes them, in a temporary folder; what it cannot read has none.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import trio

from doradura.sandbox.media.probe import PROBE_SECONDS, run_tool

PHOTO_SIDES = (90, 320, 800)
"""The longer side of a photo's smaller sizes; the largest is the upload itself."""

THUMBNAIL_SIDE = 320


async def shrink(ffmpeg: str, path: Path, sides: tuple[int, ...]) -> list[bytes]:
    """Return a JPEG of a picture, or of a video's first frame, for each length of its longer side."""
    if not sides:
        return []
    folder = Path(await trio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="doradura-picture-")))
    arguments: list[str | Path] = [ffmpeg, "-hide_banner", "-nostdin", "-protocol_whitelist", "file", "-i", path]
    for side in sides:
        fitted = f"scale='min({side},iw)':'min({side},ih)':force_original_aspect_ratio=decrease"
        arguments += ["-frames:v", "1", "-vf", fitted, "-q:v", "4", folder / f"{side}.jpg"]
    try:
        await run_tool(arguments, seconds=PROBE_SECONDS)
        return await trio.to_thread.run_sync(lambda: _read(folder, sides))
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def _read(folder: Path, sides: tuple[int, ...]) -> list[bytes]:
    paths = [folder / f"{side}.jpg" for side in sides]
    return [path.read_bytes() for path in paths if path.is_file() and path.stat().st_size]
