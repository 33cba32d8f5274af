"""What happens inside one download child: from an order to a file, or to a reason.

Owns the sequence. It runs in a process of its own that `worker` has shut in, and sets yt-dlp's limits there. It never
touches the process's output; whoever runs it hands over `emit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from yt_dlp.version import __version__ as yt_dlp_version

from doradura.child import ffmpeg
from doradura.child.describing import describe, has_own_title, performer_of, title_of
from doradura.child.encoding import ENCODE_SHARE, Bounds, Footage, Plan, plan, shorter_side
from doradura.child.facts import Facts, inspect
from doradura.child.failures import JobError, classify, failed, retry_after_seconds, unresolved_host
from doradura.child.fetching import Extractor, Info, fetch, restrain
from doradura.child.floor import TransferTooSlowError, hold
from doradura.child.gauge import Gauge
from doradura.child.guard import is_guarded
from doradura.child.making import Recipe, Source, Tags, is_copied, make, song_rate_within
from doradura.child.meter import Meter
from doradura.child.probing import look, probe
from doradura.child.stated import is_cut_off
from doradura.child.stills import Stills
from doradura.child.timelimit import TimeIsUpError, at_most
from doradura.media.formats import Format, Quality, select
from doradura.media.protocol import (
    Failure,
    Lacks,
    Order,
    Result,
    SelfTest,
    WorkerMessage,
)
from doradura.media.reasons import Reason
from doradura.media.sites import is_known_host
from doradura.media.variant import Variant

Emit = Callable[[WorkerMessage], None]

_SIZES_SECONDS = 5.0
"""So long the user waits at most to be told sizes with a refusal that stands already."""


def run_job(order: Order, emit: Emit) -> None:
    """Carry out one order and emit its messages, the last of them a final one.

    This is the job's barrier: any error becomes a `Failure`, a stack or memory too small for what a site sent among
    them, and only what `emit` itself raises for the final message travels. It changes the process it runs in
    (yt-dlp's classes), so one process is one job.
    """
    work = _Work(order, emit)
    try:
        final = work.perform()
    except (Exception, TransferTooSlowError) as error:  # noqa: BLE001 -- the barrier
        reason, detail = classify(error, generic=work.is_generic())
        unresolved = unresolved_host(error, work.last_url) if reason is Reason.GONE else ""
        if is_known_host(unresolved):
            # That site is there: what does not know it is our own network.
            reason, unresolved = Reason.NETWORK, ""
        final = failed(error, reason, detail)
        if reason is Reason.TOO_LARGE and not final.final:
            final = work.with_other_choices(final)
        final = msgspec.structs.replace(
            final,
            retry_after_seconds=retry_after_seconds(error, time.time()) if reason.retried else None,
            unresolved=unresolved,
            lacks=final.lacks or (work.lacks() if reason is Reason.UNSUPPORTED else ""),
            lines=work.height() if reason is Reason.UNSUPPORTED else final.lines,
        )
    emit(final)


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
        self._began = time.monotonic()

    def is_generic(self) -> bool:
        """Whether no known site's extractor was at work."""
        return self._extractor is None or self._extractor.last_key in {None, "Generic"}

    @property
    def last_url(self) -> str:
        """The address asked last."""
        return self._order.url if self._extractor is None else self._extractor.last_url

    def lacks(self) -> Lacks:
        """What was asked for and is not there, while the other is: the picture or the sound; nothing where in doubt."""
        if self._order.variant is None:
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
        if self._order.variant.row.kind == "video":
            return "" if films else "video"
        return "" if sounds else "audio"

    def height(self) -> int | None:
        """The shorter side of the picture in pixels; None where there is none, or nobody knows."""
        known = [shorter_side(facts.video) for facts in self._facts_found if facts.video is not None]
        if known or self._extractor is None or self._extractor.raw is None:
            return max(known, default=None) or None
        return describe(self._extractor.raw, extraction_seconds=0.0).height

    def with_other_choices(self, failure: Failure) -> Failure:
        """Add what the link's other choices would be and weigh, after one turned out too large.

        The barrier of this second look: the job has failed already for a reason of its own, so whatever goes wrong
        here, or takes too long, leaves that unknown, but for what the fetched files say.
        """
        if self._extractor is None or self._info is None:
            return failure
        films = [facts.video for facts in self._facts_found if facts.video is not None]
        lines = max(map(shorter_side, films), default=0) or None
        heard = any(facts.audio is not None for facts in self._facts_found) if self._facts_found else None
        try:
            with at_most(_SIZES_SECONDS):
                known = look(self._order, self._extractor, self._info, 0.0, duration=self._seconds)
        except (Exception, TransferTooSlowError, TimeIsUpError):  # noqa: BLE001 -- the barrier named above
            return msgspec.structs.replace(failure, lines=lines, has_audio=heard)
        return msgspec.structs.replace(
            failure,
            sizes=known.sizes,
            lines=known.height or lines,
            has_audio=known.has_audio if heard is None or not films else heard,
        )

    def perform(self) -> WorkerMessage:
        """Return the final message. Raises whatever went wrong."""
        order = self._order
        restrain()
        hold(order.floor_seconds)
        if order.task == "selftest":
            return SelfTest(yt_dlp=yt_dlp_version, ffmpeg=ffmpeg.version(order.ffmpeg), guarded=is_guarded())
        if order.task == "probe":
            self._extractor = Extractor(order, None)
            return probe(order, self._extractor)
        assert order.variant is not None
        return self._download(order.variant)

    def _download(self, variant: Variant) -> Result:
        order, row, grade = self._order, variant.row, variant.grade
        self._extractor = extractor = Extractor(order, select(row, grade))
        started = time.monotonic()
        self._info = info = extractor.find()
        self._emit(describe(info, extraction_seconds=time.monotonic() - started))
        gauge = Gauge(order, variant, info, extractor.raw or {}, self._emit)
        paths = fetch(extractor, info, self._directory, gauge.hook)
        sources = [Source(path, self._facts(path, whole=gauge.is_whole(n))) for n, path in enumerate(paths)]
        self._facts_found = [source.facts for source in sources]
        self._seconds = max((s.facts.duration_seconds or 0.0 for s in sources), default=0.0) or None
        self._emit(gauge.converting())
        song_rate = None
        if self._seconds and not any(s.facts.audio and is_copied(s.facts.audio, row, grade) for s in sources):
            gauge.judge_length(self._seconds)
            song_rate = song_rate_within(order.limits.upload_bytes, self._seconds, grade)

        stills = Stills(order.ffmpeg, self._directory)
        film = next((s for s in sources if s.facts.video is not None), None)
        shape = film.facts.video if film is not None and row.kind == "video" else None
        cover = stills.of_site(extractor, info, shape)
        covered = next((s for s in sources if s.facts.cover is not None), None)
        if cover is None and covered is not None:
            cover = stills.of_cover(covered.path, covered.facts, shape)
        if cover is None and film is not None and shape is None:
            cover = stills.of_film(film.path, film.facts)
        tags = _tags(info, sources, order.url)
        product = self._directory / f"media.{row.extension}"
        meter = Meter(self._emit, gauge.converting(), self._seconds)
        done = self._plan(row, grade, film, sources)
        make(Recipe(order.ffmpeg, row, grade, tags, cover, product, done, song_rate, told=meter), sources)
        for path in paths:
            path.unlink(missing_ok=True)  # the product may wait for its upload; its source, if it is another, need not
        result = self._result(row, product, tags, gauge.fetched_bytes)
        if cover is None and row.kind == "video":
            # Not of the source: here its colours are what a screen shows.
            cover = stills.of_film(product, self._facts(product, whole=True))
        thumbnail = None if cover is None else stills.thumbnail(cover)
        return msgspec.structs.replace(result, thumbnail_path=None if thumbnail is None else str(thumbnail))

    def _plan(self, row: Format, grade: Quality, film: Source | None, sources: list[Source]) -> Plan:
        """Decide what becomes of the film's picture, if there is one and it is wanted. Raise JobError."""
        if row.kind != "video" or film is None or film.facts.video is None:
            return Plan(copied=True)
        left = grade.timer_seconds * ENCODE_SHARE - (time.monotonic() - self._began)
        bounds = Bounds(upload_bytes=self._order.limits.upload_bytes, left_seconds=left)
        size = sum(source.path.stat().st_size for source in sources)
        footage = Footage(path=film.path, picture=film.facts.video, seconds=self._seconds, size_bytes=size)
        return plan(self._order.ffmpeg, footage, grade, bounds)

    def _facts(self, path: Path, *, whole: bool) -> Facts:
        """Read a file. Raise JobError for what is no film or song, or not `whole` by its own headers."""
        facts = inspect(path)
        if not whole and is_cut_off(path, facts):
            raise JobError(
                Reason.NETWORK, f"the connection ended after {path.stat().st_size} bytes, before the file did"
            )
        if facts is None or facts.is_still:
            raise JobError(
                Reason.UNSUPPORTED, f"what was fetched is no {'media file' if facts is None else 'film but a still'}"
            )
        return facts

    def _result(self, row: Format, product: Path, tags: Tags, fetched_bytes: int) -> Result:
        size = product.stat().st_size
        if size > self._order.limits.upload_bytes:
            raise JobError(Reason.TOO_LARGE, f"the {row.word} has {size} bytes")
        facts = self._facts(product, whole=True)
        return Result(
            path=str(product),
            size_bytes=size,
            title=tags.title,
            performer=tags.artist,
            duration_seconds=facts.duration_seconds,
            width=facts.video.width if facts.video is not None else None,
            height=facts.video.height if facts.video is not None else None,
            fetched_bytes=fetched_bytes,
        )


def _tags(info: Info, sources: list[Source], url: str) -> Tags:
    """The site's title; that of the file where the site's is only the file's name."""
    title, artist = title_of(info, url), performer_of(info)
    if not has_own_title(info):
        title = next((s.facts.title for s in sources if s.facts.title), None) or title
    return Tags(title, artist or next((s.facts.artist for s in sources if s.facts.artist), None))
