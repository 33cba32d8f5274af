"""The picture that goes with a product: a cover to embed, a thumbnail for Telegram.

Owns where it comes from: the site, else a cover in the file, else a frame of the film. A picture is a nicety: nothing
in here fails a job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.networking import Request

from doradura.downloads import ffmpeg
from doradura.downloads.fetching import Extractor
from doradura.downloads.floor import TransferTooSlowError

_COVER_PIXELS = 800
_THUMBNAIL_PIXELS = 320
_THUMBNAIL_BYTES = 200_000
_PICTURE_BYTES = 8 * 1024 * 1024
_TRIED = 3


@dataclass(frozen=True, slots=True)
class Stills:
    """Where a picture may be taken from, and where it goes."""

    program: str
    directory: Path

    def of_site(self, extractor: Extractor, info: Mapping[str, Any]) -> Path | None:
        """The site's own picture as JPEG, fetched by yt-dlp's networking so that the egress guard sees it."""
        for number, url in enumerate(_candidates(info)):
            raw = self.directory / f"picture{number}"  # no ending: see ffmpeg's list of containers
            try:
                with extractor.urlopen(Request(url, headers=info.get("http_headers") or {})) as response:
                    content = response.read(_PICTURE_BYTES + 1)
                raw.write_bytes(content[:_PICTURE_BYTES])
            except TransferTooSlowError:
                return None  # its other pictures would be as slow
            except Exception:  # noqa: BLE001, S112 -- the barrier: whatever yt-dlp stumbles over, the film is there
                continue
            if (cover := self._still(raw)) is not None:
                return cover
        return None

    def of_file(self, path: Path, facts: ffmpeg.Facts) -> Path | None:
        """The file's embedded cover, else a frame a little way into its film."""
        if facts.cover is not None:
            return self._still(path, stream=facts.pictures.index(facts.cover))
        if facts.video is not None:
            stream = facts.pictures.index(facts.video)
            into = min((facts.duration_seconds or 0) / 10, 10)
            return self._still(path, stream=stream, seek_seconds=into) or self._still(path, stream=stream)
        return None

    def thumbnail(self, cover: Path) -> Path | None:
        """What Telegram takes: JPEG of at most 320 pixels a side and 200 kB."""
        small = self.directory / "thumbnail.jpg"
        for quality in (4, 12, 31):
            if not self._write(cover, small, pixels=_THUMBNAIL_PIXELS, quality=quality):
                return None
            if small.stat().st_size < _THUMBNAIL_BYTES:
                return small
        return None

    def _still(self, source: Path, *, stream: int = 0, seek_seconds: float | None = None) -> Path | None:
        cover = self.directory / "cover"
        made = self._write(source, cover, pixels=_COVER_PIXELS, quality=3, stream=stream, seek_seconds=seek_seconds)
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
    ) -> bool:
        scale = f"scale=w='min({pixels},iw)':h='min({pixels},ih)':force_original_aspect_ratio=decrease"
        options = ["-map", f"0:v:{stream}", "-frames:v", "1", "-vf", scale, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]
        options += ["-q:v", str(quality), "-map_metadata", "-1", "-f", "mjpeg", f"file:{to}"]
        try:
            ffmpeg.run(self.program, [source], options, seek_seconds=seek_seconds)
            return to.stat().st_size > 0
        except (ffmpeg.FfmpegError, ffmpeg.ToolError, OSError):
            return False


def _candidates(info: Mapping[str, Any]) -> Iterator[str]:
    """The site's pictures, best first, a few of them."""
    known = [entry.get("url") for entry in info.get("thumbnails") or ()]
    for url in reversed(known[-_TRIED:]):
        if isinstance(url, str) and urlsplit(url).scheme in {"http", "https"}:
            yield url
