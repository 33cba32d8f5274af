"""What happens inside one download child: from an order to a file, or to a reason.

Owns the sequence. It runs in a process of its own, which it settles in: working directory, environment, yt-dlp's
limits. It never touches the process's output; whoever runs it hands over `emit`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from yt_dlp.version import __version__ as yt_dlp_version

from doradura.downloads import ffmpeg
from doradura.downloads.describing import describe, has_own_title, performer_of, title_of
from doradura.downloads.egress import is_guarded
from doradura.downloads.facts import Facts, inspect
from doradura.downloads.failures import JobError, classify, retry_after_seconds, unresolved_host
from doradura.downloads.fetching import Extractor, Info, fetch, parts_of, restrain
from doradura.downloads.floor import TransferTooSlowError, hold
from doradura.downloads.formats import FORMATS, Choice, Format, select
from doradura.downloads.limits import SESSION_VARIABLE
from doradura.downloads.making import Recipe, Source, Tags, is_copied, make
from doradura.downloads.probing import look, probe
from doradura.downloads.protocol import (
    RETRIED_REASONS,
    Failure,
    Lacks,
    Order,
    Progress,
    Result,
    SelfTest,
    Size,
    WorkerMessage,
)
from doradura.downloads.sites import is_known_host
from doradura.downloads.stills import Stills
from doradura.downloads.time_limit import at_most

Emit = Callable[[WorkerMessage], None]

_KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", SESSION_VARIABLE)
_PROGRESS_SECONDS = 0.5
_SIZES_SECONDS = 5.0
"""So long the user waits at most to be told sizes with a refusal that stands already."""
_GUESS_FACTOR = 3
"""A size guessed from bit rate and length counts when it is so many times over the limit: rates told may be peaks."""


def run_job(order: Order, emit: Emit) -> None:
    """Carry out one order and emit its messages, the last of them a final one.

    This is the job's barrier: any error becomes a `Failure`, a stack or memory too small for what a site sent among
    them, and only what `emit` itself raises for the final message travels. It changes the process it runs in
    (directory, environment, yt-dlp's classes), so one process is one job.
    """
    work = _Work(order, emit)
    try:
        final = work.perform()
    except (Exception, TransferTooSlowError) as error:  # noqa: BLE001 -- the barrier
        reason, detail = classify(error, generic=work.is_generic())
        unresolved = unresolved_host(error, work.last_url) if reason == "gone" else ""
        if is_known_host(unresolved):
            # That site is there: what does not know it is our own network.
            reason, unresolved = "network", ""
        final = Failure(
            reason=reason,
            detail=detail,
            sizes=work.other_sizes() if reason == "too_large" else (),
            retry_after_seconds=retry_after_seconds(error, time.time()) if reason in RETRIED_REASONS else None,
            unresolved=unresolved,
            lacks=work.lacks() if reason == "unsupported" else "",
        )
    emit(final)


def settle(directory: str) -> None:
    """Make the job's directory this process's whole world, and forget the environment.

    Proxy variables would lead connections past the egress guard's judgement, HOME and XDG to other people's settings,
    and the bot's own variables hold secrets. PATH keeps the directory of our interpreter alone.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(
        dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), directory)
    )
    os.environ.update({"PATH": str(Path(sys.executable).parent), "YTDLP_NO_PLUGINS": "1"})
    tempfile.tempdir = directory
    os.chdir(directory)


class _Work:
    """One order's state."""

    def __init__(self, order: Order, emit: Emit) -> None:
        self._order = order
        self._emit = emit
        self._directory = Path(order.directory)
        self._extractor: Extractor | None = None
        self._info: Info | None = None
        self._facts_found: list[Facts] = []
        """Of what was fetched."""
        self._seconds: float | None = None
        """The length of what was fetched."""

    def is_generic(self) -> bool:
        """Whether no known site's extractor was at work."""
        return self._extractor is None or self._extractor.last_key in {None, "Generic"}

    @property
    def last_url(self) -> str:
        """The address asked last."""
        return self._order.url if self._extractor is None else self._extractor.last_url

    def lacks(self) -> Lacks:
        """What was asked for and is not there, while the other is: the picture or the sound; nothing where in doubt."""
        if self._order.task != "download":
            return ""
        if self._facts_found:
            films, sounds = (any(getattr(f, kind) for f in self._facts_found) for kind in ("video", "audio"))
        elif self._extractor is not None and self._extractor.raw is not None:
            told = describe(self._extractor.raw, extraction_seconds=0.0)
            films, sounds = told.has_video is not False, told.has_audio is not False
        else:
            return ""
        if films == sounds:
            return ""
        if FORMATS[self._order.format].kind == "video":
            return "" if films else "video"
        return "" if sounds else "audio"

    def other_sizes(self) -> tuple[Size, ...]:
        """What each choice of the link would weigh, after one turned out too large; nothing where that fails."""
        if self._extractor is None or self._info is None:
            return ()
        try:
            with at_most(_SIZES_SECONDS):
                return look(self._order, self._extractor, self._info, 0.0, duration=self._seconds).sizes
        except (Exception, TransferTooSlowError):  # noqa: BLE001 -- the job has failed already, for a reason of its own
            return ()

    def perform(self) -> WorkerMessage:
        """Give the final message. Raises whatever went wrong."""
        order = self._order
        settle(order.directory)
        restrain()
        hold(order.floor_seconds)
        if order.task == "selftest":
            return SelfTest(yt_dlp=yt_dlp_version, ffmpeg=ffmpeg.version(order.ffmpeg), guarded=is_guarded())
        if order.task == "probe":
            self._extractor = Extractor(order, None)
            return probe(order, self._extractor)
        return self._download(Choice(order.format, order.quality))

    def _download(self, choice: Choice) -> Result:
        order, row = self._order, FORMATS[choice.format]
        grade = row.grade(choice.quality)
        self._extractor = extractor = Extractor(order, select(choice))
        started = time.monotonic()
        self._info = info = extractor.find()
        self._emit(describe(info, extraction_seconds=time.monotonic() - started))
        gauge = _Gauge(order, choice, info, self._emit)
        paths = fetch(extractor, info, self._directory, gauge.hook)
        sources = [Source(path, self._facts(path)) for path in paths]
        self._facts_found = [source.facts for source in sources]
        self._seconds = max((s.facts.duration_seconds or 0.0 for s in sources), default=0.0) or None
        self._emit(gauge.converting())
        if self._seconds and not any(s.facts.audio and is_copied(s.facts.audio, row, grade) for s in sources):
            gauge.judge_length(self._seconds)

        stills = Stills(order.ffmpeg, self._directory)
        cover = stills.of_site(extractor, info)
        if cover is None:
            seen = next((s for s in sources if s.facts.cover or s.facts.video), None)
            cover = None if seen is None else stills.of_file(seen.path, seen.facts)
        tags = _tags(info, sources, order.url)
        product = self._directory / f"media.{row.extension}"
        make(Recipe(order.ffmpeg, row, grade, tags, cover, product), sources)
        for path in paths:
            path.unlink(missing_ok=True)  # the product may wait for its upload; its source, if it is another, need not
        return self._result(row, product, tags, None if cover is None else stills.thumbnail(cover), gauge.fetched_bytes)

    def _facts(self, path: Path) -> Facts:
        facts = inspect(path)
        if facts is None or facts.is_still:
            raise JobError(
                "unsupported", f"what was fetched is no {'media file' if facts is None else 'film but a still'}"
            )
        return facts

    def _result(self, row: Format, product: Path, tags: Tags, thumbnail: Path | None, fetched_bytes: int) -> Result:
        size = product.stat().st_size
        if size > self._order.limits.upload_bytes:
            raise JobError("too_large", f"the {row.word} has {size} bytes")
        facts = self._facts(product)
        return Result(
            path=str(product),
            size_bytes=size,
            title=tags.title,
            performer=tags.artist,
            duration_seconds=facts.duration_seconds,
            width=facts.video.width if facts.video is not None else None,
            height=facts.video.height if facts.video is not None else None,
            thumbnail_path=None if thumbnail is None else str(thumbnail),
            fetched_bytes=fetched_bytes,
        )


def _tags(info: Info, sources: list[Source], url: str) -> Tags:
    """The site's title; that of the file where the site's is only the file's name."""
    title, artist = title_of(info, url), performer_of(info)
    if not has_own_title(info):
        title = next((s.facts.title for s in sources if s.facts.title), None) or title
    return Tags(title, artist or next((s.facts.artist for s in sources if s.facts.artist), None))


class _Gauge:
    """Counts bytes over all parts, tells of them, and stops a fetch that cannot end well."""

    def __init__(self, order: Order, choice: Choice, info: Info, emit: Emit) -> None:
        self._emit = emit
        self._limits = order.limits
        self._parts = parts_of(info)
        self._fetched = [0] * len(self._parts)
        self._totals = [_whole(part.get("filesize")) for part in self._parts]
        row = FORMATS[choice.format]
        self._rate = row.grade(choice.quality).bits_per_second
        self._passes = passes_through(row, self._rate, self._parts)
        self._told = float("-inf")
        if info.get("duration") and not self._passes:
            self.judge_length(info["duration"])
        guessed = sum(_whole(part.get("filesize") or part.get("filesize_approx")) or 0 for part in self._parts)
        if self._passes and guessed > self._limits.upload_bytes * _GUESS_FACTOR:
            raise JobError("too_large", f"the source has about {guessed} bytes and is sent as it is")
        self._judge()

    @property
    def fetched_bytes(self) -> int:
        """Bytes of all parts so far."""
        return sum(self._fetched)

    def judge_length(self, seconds: float) -> None:
        """Raise JobError when the product of a bit rate of its own, encoded, would be too large at this length."""
        expected = int(seconds * (self._rate or 0) / 8)
        if expected > self._limits.upload_bytes:
            raise JobError("too_large", f"the product would have {expected} bytes")

    def hook(self, number: int, status: Mapping[str, Any]) -> None:
        """Take yt-dlp's word on one part. Raises JobError when the whole is, or is going to be, too large."""
        self._fetched[number] = max(self._fetched[number], _whole(status.get("downloaded_bytes")) or 0)
        self._totals[number] = _whole(status.get("total_bytes")) or self._totals[number]
        self._judge()
        now = time.monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            self._emit(self._progress(status))

    def converting(self) -> Progress:
        """The word that all is fetched."""
        return Progress(stage="converting", fetched_bytes=self.fetched_bytes, total_bytes=self.fetched_bytes)

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

    def _judge(self) -> None:
        known = sum(max(total or 0, got) for total, got in zip(self._totals, self._fetched, strict=True))
        if self._passes and known > self._limits.upload_bytes:
            raise JobError("too_large", f"the source has at least {known} bytes and is sent as it is")
        if known > self._limits.file_bytes * len(self._parts):
            raise JobError("too_large", f"the source has at least {known} bytes")


_SAID_CODECS = {"aac": ("mp4a.40", "aac", "m4a"), "mp3": ("mp3", "mp4a.6b", "mp4a.69")}
"""How sites and files call the codecs that a sound may keep."""


def passes_through(row: Format, rate: int | None, parts: list[Info]) -> bool:
    """Whether the product will be about as large as its parts, because they are copied into it.

    A codec that is not told is taken from the file's ending: an MP4 file is most likely what it should be. A product
    with a bit rate (bits per second) of its own keeps a sound that is known to have no higher one.
    """
    if row.kind == "audio":
        codec = str(parts[0].get("acodec") or parts[0].get("ext")).lower()
        kept = any(codec.startswith(_SAID_CODECS[each]) for each in row.copied_codecs)
        low = rate is None or (parts[0].get("abr") or float("inf")) * 1000 <= rate
        return parts[0].get("vcodec") == "none" and kept and low
    films = [part for part in parts if part.get("vcodec") != "none"]
    return all(str(p.get("vcodec") or p.get("ext")).startswith(("avc", "h264", "mp4", "m4v", "mov")) for p in films)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None
