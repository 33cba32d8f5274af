"""The picture that accompanies a product: a cover to embed, a thumbnail for Telegram.

Owns where it comes from: the site, else a cover in the file, else a frame of the film. A picture is optional: nothing
in here fails a job, and all of it together takes a few seconds at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from yt_dlp.networking import Request

from doradura.child import ffmpeg
from doradura.child.facts import Facts, Stream, inspect
from doradura.child.fetching import Extractor
from doradura.child.floor import TransferTooSlowError
from doradura.child.timelimit import TimeIsUpError, at_most

_COVER_PIXELS: Final = 800
_THUMBNAIL_PIXELS: Final = 320
_THUMBNAIL_BYTES: Final = 200_000
_PICTURE_BYTES: Final = 8 * 1024 * 1024
_TRIED: Final = 3
_TINY_PIXELS: Final = 90
"""A picture whose longer side has fewer pixels is useless on any screen."""
_SHAPE_TOLERANCE: Final = 0.04
"""By what share a preview's aspect ratio may differ from its film's before it looks like another film."""
_SECONDS: Final = 5.0
"""Seconds for all pictures of one job together, fetching and converting; then the product goes without."""

_SQUARE: Final = "scale=w='max(1,iw*min(1,{0}))':h='max(1,ih/max(1,{0}))',setsar=1".format(
    "if(between(sar,0.05,20),sar,1)"
)
"""Square pixels, by shrinking the longer side; a ratio outside the bounds is a broken header (see facts.py)."""


class Stills:
    """Where a picture may be taken from, and where it is written. Belongs to one job."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._left_seconds = _SECONDS

    def of_site(self, extractor: Extractor, info: Mapping[str, Any], film: Stream | None) -> Path | None:
        """Return the site's own picture as JPEG, fetched by yt-dlp's networking so that the egress guard sees it.

        For a film, only a picture of its shape, as another would be a strange preview. Never a tiny one.
        """
        return self._in_time(lambda: self._of_site(extractor, info, film))

    def of_cover(self, path: Path, facts: Facts, film: Stream | None) -> Path | None:
        """Return the cover embedded in a file, by the same rule."""
        cover = facts.cover
        if cover is None:
            return None
        return self._in_time(lambda: self._fit(self._still(path, stream=cover.number), film))

    def of_film(self, path: Path, facts: Facts) -> Path | None:
        """Return a frame from a little way into a file's film, as it is shown: upright, in its own shape."""
        film = facts.video
        if film is None:
            return None
        into = min((facts.duration_seconds or 0) / 10, 10)
        return self._in_time(
            lambda: self._still(path, stream=film.number, seek_seconds=into) or self._still(path, stream=film.number)
        )

    def thumbnail(self, cover: Path) -> Path | None:
        """Return a thumbnail that Telegram accepts: JPEG of at most 320 pixels a side and 200 kB."""
        return self._in_time(lambda: self._thumbnail(cover))

    def _in_time(self, work: Callable[[], Path | None]) -> Path | None:
        if self._left_seconds <= 0:
            return None
        began = time.monotonic()
        try:
            with at_most(self._left_seconds):
                return work()
        except (TimeIsUpError, TransferTooSlowError):
            self._left_seconds = 0.0  # the rest would be as slow
            return None
        finally:
            self._left_seconds -= time.monotonic() - began

    def _of_site(self, extractor: Extractor, info: Mapping[str, Any], film: Stream | None) -> Path | None:
        """Try the site's pictures in turn. The barrier of one picture: if anything goes wrong, the next is tried."""
        for number, url in enumerate(_candidates(info, film)):
            raw = self._directory / f"picture{number}"  # no ending: see ffmpeg's list of containers
            try:
                with extractor.urlopen(Request(url, headers=info.get("http_headers") or {})) as response:
                    content = response.read(_PICTURE_BYTES + 1)
                raw.write_bytes(content[:_PICTURE_BYTES])
            except Exception:  # noqa: BLE001, S112 -- the barrier named above
                continue
            if (cover := self._fit(self._still(raw, unbroken=True), film)) is not None:
                return cover
        return None

    def _thumbnail(self, cover: Path) -> Path | None:
        small = self._directory / "thumbnail.jpg"
        for quality in (4, 12, 31):
            if not self._write(cover, small, pixels=_THUMBNAIL_PIXELS, quality=quality):
                return None
            if small.stat().st_size < _THUMBNAIL_BYTES:
                return small
        return None

    def _fit(self, still: Path | None, film: Stream | None) -> Path | None:
        """Return the picture if it is useful, and of the film's shape if there is a film."""
        facts = None if still is None else inspect(still)
        picture = next(iter(facts.pictures), None) if facts is not None else None
        if picture is None or max(picture.width or 0, picture.height or 0) < _TINY_PIXELS:
            return None
        return still if film is None or _alike(picture.width, picture.height, film) else None

    def _still(
        self, source: Path, *, stream: int = 0, seek_seconds: float | None = None, unbroken: bool = False
    ) -> Path | None:
        cover = self._directory / "cover"
        made = self._write(
            source,
            cover,
            pixels=_COVER_PIXELS,
            quality=3,
            stream=stream,
            seek_seconds=seek_seconds,
            unbroken=unbroken,
        )
        return cover if made else None

    def _write(
        self,
        source: Path,
        to: Path,
        *,
        pixels: int,
        quality: int,
        stream: int = 0,
        seek_seconds: float | None = None,
        unbroken: bool = False,
    ) -> bool:
        scale = f"scale=w='min({pixels},iw)':h='min({pixels},ih)':force_original_aspect_ratio=decrease"
        options = ["-map", f"0:v:{stream}", "-frames:v", "1", "-vf", f"{_SQUARE},{scale}", "-c:v", "mjpeg"]
        options += ["-pix_fmt", "yuvj420p"]
        options += ["-q:v", str(quality), "-map_metadata", "-1", "-f", "mjpeg", f"file:{to}"]
        try:
            ffmpeg.run(self._program, [source], options, seek_seconds=seek_seconds, unbroken=unbroken)
            return to.stat().st_size > 0
        except (ffmpeg.FfmpegError, ffmpeg.ToolError, OSError):
            return False


def _alike(width: object, height: object, film: Stream) -> bool:
    """Return whether a size has the film's shape. An unknown size may have."""
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
        return True
    if not film.width or not film.height:
        return True
    # Small pictures can't have every shape: each side may be off by a pixel.
    tolerance = max(_SHAPE_TOLERANCE, 1 / min(width, height))
    return abs(width * film.height / (height * film.width) - 1) <= tolerance


def _candidates(info: Mapping[str, Any], film: Stream | None) -> Iterator[str]:
    """Yield a few of the site's pictures, best first; for a film only those of its shape, if sizes are known."""
    known = [
        entry.get("url")
        for entry in info.get("thumbnails") or ()
        if film is None or _alike(entry.get("width"), entry.get("height"), film)
    ]
    for told in reversed(known[-_TRIED:]):
        url = urljoin(str(info.get("webpage_url") or ""), told) if isinstance(told, str) else ""
        if urlsplit(url).scheme in {"http", "https"}:
            yield url
