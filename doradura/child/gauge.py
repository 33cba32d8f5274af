"""What has been fetched of a job's parts: counted, told, and held against what can come of it.

Owns the refusal of what can't end well, as early as it is known: before the first byte where the site tells sizes and
codecs, else from the file's own start while it comes in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from doradura.child.encoding import Footage, is_playable, rate_within
from doradura.child.facts import Stream, inspect
from doradura.child.failures import JobError
from doradura.child.fetching import Info, parts_of
from doradura.child.stated import stated_seconds
from doradura.media.formats import Format, Quality
from doradura.media.protocol import Order, Progress
from doradura.media.reasons import Reason
from doradura.media.variant import Variant

_PROGRESS_SECONDS: Final = 0.5
_GUESS_FACTOR: Final = 3
"""A size guessed from bit rate and length counts when it is so many times over the limit: rates told may be peaks."""
_FIRST_LOOK_BYTES: Final = 16 * 1024
_LAST_LOOK_BYTES: Final = 16 * 1024 * 1024
"""What does not say by then what it is says so at its end."""


class Gauge:
    """Counts bytes over all parts, tells of them, and stops a fetch that cannot end well."""

    def __init__(
        self, order: Order, variant: Variant, info: Info, item: Mapping[str, Any], emit: Callable[[Progress], None]
    ) -> None:
        """Take what was chosen (`info`) of an item with all its formats. Raise JobError for what is too large."""
        self._emit = emit
        self._limits = order.limits
        self._parts = parts_of(info)
        self._fetched = [0] * len(self._parts)
        self._totals = [_whole(part.get("filesize")) for part in self._parts]
        row, self._grade = variant.row, variant.grade
        self._rate = self._grade.bits_per_second
        self._passes = passes_through(row, self._grade, self._parts, item)
        self._measured: set[int] = set()
        """Parts whose length the server told, so that yt-dlp has held them to it."""
        self._look_at = _FIRST_LOOK_BYTES
        self._told = float("-inf")
        if info.get("duration") and self._passes is False:
            self.judge_length(info["duration"])
        guessed = sum(_whole(part.get("filesize")) or _guessed(part) for part in self._parts)
        if self._passes and guessed > self._limits.upload_bytes * _GUESS_FACTOR:
            raise JobError(Reason.TOO_LARGE, f"the source has about {guessed} bytes and is sent as it is")
        seconds, limit = info.get("duration"), self._limits.upload_bytes
        if row.kind == "video" and not can_fit(self._passes, self._grade, self._parts, seconds, limit):
            raise JobError(Reason.TOO_LARGE, f"{info['duration']:.0f} s of film can't be made to fit")
        self._judge()

    @property
    def fetched_bytes(self) -> int:
        """Bytes of all parts so far."""
        return sum(self._fetched)

    def is_whole(self, number: int) -> bool:
        """Whether a part is known to have come in whole: the server told its length, or it came in segments."""
        plain = self._parts[number].get("protocol") in {"http", "https"}
        return not plain or number in self._measured

    def judge_length(self, seconds: float) -> None:
        """Raise JobError when the product of a bit rate of its own, encoded, would be too large at this length."""
        expected = int(seconds * (self._rate or 0) / 8)
        if expected > self._limits.upload_bytes:
            raise JobError(Reason.TOO_LARGE, f"the product would have {expected} bytes")

    def hook(self, number: int, status: Mapping[str, Any]) -> None:
        """Take yt-dlp's word on one part. Raise JobError when the whole is, or is going to be, too large."""
        self._fetched[number] = max(self._fetched[number], _whole(status.get("downloaded_bytes")) or 0)
        self._totals[number] = _whole(status.get("total_bytes")) or self._totals[number]
        if status.get("status") == "downloading" and status.get("total_bytes"):  # at the end it is what came in
            self._measured.add(number)
        if self._passes is None and self._known_bytes > self._limits.upload_bytes:
            self._look(number, status)
        self._judge()
        now = time.monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            self._emit(self._progress(status))

    def converting(self) -> Progress:
        """The word that all is fetched."""
        return Progress(stage="converting", fetched_bytes=self.fetched_bytes, total_bytes=self.fetched_bytes)

    @property
    def _known_bytes(self) -> int:
        return sum(max(total or 0, got) for total, got in zip(self._totals, self._fetched, strict=True))

    def _progress(self, status: Mapping[str, Any]) -> Progress:
        guess = _whole(status.get("total_bytes_estimate")) if len(self._parts) == 1 else None
        known = sum(total for total in self._totals if total) if all(self._totals) else guess
        speed = status.get("speed")
        return Progress(
            stage="fetching",
            fetched_bytes=self.fetched_bytes,
            total_bytes=known if known and known >= self.fetched_bytes else None,
            bytes_per_second=float(speed) if speed else None,
        )

    def _look(self, number: int, status: Mapping[str, Any]) -> None:
        """Look into a film over the limit while it comes in: it may be no use to fetch the rest."""
        if not self._look_at <= self._fetched[number] or self._look_at > _LAST_LOOK_BYTES:
            return
        self._look_at = self._fetched[number] * 2
        path = Path(str(status.get("tmpfilename") or status.get("filename") or ""))
        facts = inspect(path) if path.is_file() else None
        if facts is None or facts.video is None:
            return
        with path.open("rb") as file:
            seconds = stated_seconds(file.read(_FIRST_LOOK_BYTES * 16), facts)
        known, limit = self._known_bytes, self._limits.upload_bytes
        film = Footage(path=path, picture=facts.video, seconds=seconds, size_bytes=known)
        if self._grade.height is None and is_playable(facts.video):
            self._passes = True
        elif seconds and rate_within(limit, film, self._grade) is None:
            raise JobError(Reason.TOO_LARGE, f"{seconds:.0f} s of film in {known} bytes can't be made to fit")
        elif seconds:
            self._passes = False

    def _judge(self) -> None:
        known = self._known_bytes
        if self._passes and known > self._limits.upload_bytes:
            raise JobError(Reason.TOO_LARGE, f"the source has at least {known} bytes and is sent as it is")
        if known > self._limits.file_bytes * len(self._parts):
            raise JobError(Reason.TOO_LARGE, f"the source has at least {known} bytes, more than is taken", final=True)


_SAID_CODECS: Final = {"aac": ("mp4a.40", "aac", "m4a"), "mp3": ("mp3", "mp4a.6b", "mp4a.69")}
"""How sites and files call the codecs that a sound may keep."""


def passes_through(row: Format, grade: Quality, parts: list[Info], item: Mapping[str, Any]) -> bool | None:
    """Whether what was chosen of an item goes into the product as it is, so that this is about as large as its parts.

    None where only the file can say. The one place where the look and the download decide that.
    """
    if row.kind == "audio":
        return _song_passes(row, grade.bits_per_second, parts)
    return _film_passes(grade, parts, _has_smaller(item, parts))


def can_fit(passes: bool | None, grade: Quality, parts: list[Info], seconds: float | None, upload_bytes: int) -> bool:  # noqa: FBT001 -- what `passes_through` gave
    """Whether a film that is encoded, or may be, can be made as small as the limit.

    True where its site tells too little. A size that the site guessed may be the peak's: it is taken for less.
    """
    told = sum(_whole(part.get("filesize")) or _guessed(part) // _GUESS_FACTOR for part in parts)
    if passes or not seconds or not told or (passes is None and told <= upload_bytes):
        return True
    largest = max(parts, key=lambda part: _whole(part.get("height")) or 0)
    width, height = _whole(largest.get("width")), _whole(largest.get("height"))
    picture = Stream(kind="video", number=0, codec="", width=width, height=height)
    film = Footage(path=Path(), picture=picture, seconds=seconds, size_bytes=told)
    return rate_within(upload_bytes, film, grade) is not None


def told_bytes(parts: list[Info]) -> int | None:
    """What the parts weigh together, where the site tells it of each."""
    told = [_whole(part.get("filesize")) or _guessed(part) for part in parts]
    return sum(told) if all(told) else None


def _guessed(part: Info) -> int:
    return _whole(part.get("filesize_approx")) or 0


def _song_passes(row: Format, rate: int | None, parts: list[Info]) -> bool:
    """Whether a song's sound is copied.

    A codec that is not told is taken from the file's ending. A product with a bit rate (bits per second) of its own
    keeps a sound that is known to have no higher one.
    """
    codec = str(parts[0].get("acodec") or parts[0].get("ext")).lower()
    kept = any(codec.startswith(_SAID_CODECS[each]) for each in row.copied_codecs)
    low = rate is None or (parts[0].get("abr") or float("inf")) * 1000 <= rate
    return parts[0].get("vcodec") == "none" and kept and low


def _film_passes(grade: Quality, parts: list[Info], has_smaller: bool) -> bool | None:  # noqa: FBT001 -- of one kind
    """Whether a film that is over the limit is refused for it: True, or False where it is encoded to fit.

    None where the file itself has to say. What plays as it is is encoded only where its site has no smaller one.
    """
    films = [part for part in parts if part.get("vcodec") != "none"]
    codecs = [str(part.get("vcodec") or "").lower() for part in films]
    if not all(codecs):
        return None
    if not all(codec.startswith(("avc", "h264")) for codec in codecs):
        return False
    return True if grade.height is None or has_smaller else None


def _has_smaller(item: Mapping[str, Any], parts: list[Info]) -> bool:
    """Whether the site has a film of fewer lines than the chosen one."""
    chosen = max((_whole(part.get("height")) or 0 for part in parts), default=0)
    return any(0 < (_whole(entry.get("height")) or 0) < chosen for entry in item.get("formats") or ())


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None
