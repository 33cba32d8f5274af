"""What happens inside one download child: from an order to a file, or to a reason.

Owns the sequence. It runs in a process of its own that `worker` has confined, and sets yt-dlp's limits there. It never
writes to the process's output; its caller passes in `emit`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import msgspec
from yt_dlp.version import __version__ as yt_dlp_version

from doradura.child import ffmpeg, finding
from doradura.child.describing import believable, describe, has_own_title, performer_of, title_of
from doradura.child.encoding import ENCODE_SHARE, shorter_side
from doradura.child.facts import Facts, Stream, inspect
from doradura.child.failures import (
    JobError,
    NoMediaError,
    classify,
    failed,
    retry_after_seconds,
    unresolved_host,
    without_browser,
)
from doradura.child.fetching import Extractor, Info, fetch, parts_of, restrain
from doradura.child.floor import TransferTooSlowError, hold
from doradura.child.gate_replies import knock
from doradura.child.gauge import Gauge
from doradura.child.guard import is_guarded
from doradura.child.impersonating import hold_impersonation, why_not
from doradura.child.meter import Meter
from doradura.child.probing import look, probe
from doradura.child.products import product_of
from doradura.child.products.product import Made, Product, Recipe, SourceFile, Tags, had_by
from doradura.child.proving import prove
from doradura.child.stated import is_cut_off, measured_seconds
from doradura.child.stills import Stills
from doradura.child.timelimit import TimeIsUpError, at_most
from doradura.media.formats import Quality
from doradura.media.has import Lacks
from doradura.media.protocol import (
    FINDING_FILE,
    Door,
    Emit,
    Failure,
    Metadata,
    Order,
    Result,
    SelfTest,
    WorkerMessage,
)
from doradura.media.reasons import Reason
from doradura.media.sites import is_known_host

_GUESSED = frozenset({"aac", "mp3"})
"""Bare frames: FFmpeg guesses their length from the rate of the first, which says nothing where the rate varies."""

_SIZES_SECONDS = 5.0
"""The longest that a user waits to learn other sizes after a refusal is already certain."""


def run_job(order: Order, emit: Emit) -> None:
    """Carry out one order and emit its messages, the last one a final one.

    This is the job's barrier: any error becomes a `Failure`, even a stack or memory too small for what a site sent;
    only an error of `emit` itself for the final message is raised. It changes the process it runs in (yt-dlp's
    classes), so one process runs one job.
    """
    work = _Work(order, emit)
    try:
        final = work.perform()
    except (Exception, TransferTooSlowError) as error:  # noqa: BLE001 -- the barrier
        reason, detail = classify(error, generic=work.is_generic())
        unresolved = unresolved_host(error, work.last_url) if reason is Reason.GONE else ""
        if is_known_host(unresolved):
            # That site exists: if it cannot be found, our own network is at fault.
            reason, unresolved = Reason.NETWORK, ""
        failure = failed(error, reason, detail)
        if reason is Reason.TOO_LARGE and not failure.final:
            failure = work.with_other_choices(failure)
        failure = msgspec.structs.replace(
            failure,
            retry_after_seconds=retry_after_seconds(error, time.time()) if reason.retried else None,
            unresolved=unresolved[:255],
            lacks=failure.lacks or (work.lacks() if reason is Reason.UNSUPPORTED else ""),
            lines=work.height() if reason is Reason.UNSUPPORTED else failure.lines,
        )
        final = work.without_browser(failure, error)
    emit(final)


class _Work:
    """One order's state."""

    def __init__(self, order: Order, emit: Emit) -> None:
        self._order = order
        self._emit = emit
        self._directory = Path(order.directory)
        self._extractor: Extractor | None = None
        self._info: Info | None = None
        self._product: Product | None = None
        """The product that a download makes."""
        self._facts_found: list[Facts] = []
        """The facts of the fetched files, as read from the files themselves."""
        self._seconds: float | None = None
        """The length in seconds of what was fetched."""
        self._began = time.monotonic()

    def is_generic(self) -> bool:
        """Whether no extractor of a known site was at work."""
        return self._extractor is None or self._extractor.last_key in {None, "Generic"}

    @property
    def last_url(self) -> str:
        """The address requested last."""
        return self._order.url if self._extractor is None else self._extractor.last_url

    def lacks(self) -> Lacks:
        """What the product needs and the link lacks while it has something else; "" in doubt."""
        if self._product is None:
            return ""
        if self._facts_found:
            return had_by(self._facts_found).lacks(self._product.row.kind)
        told = self._told()
        return "" if told is None else told.has.lacks(self._product.row.kind)

    def without_browser(self, failure: Failure, error: BaseException) -> Failure:
        """Return the failure as it is to be understood if requests were to look like a browser's and could not."""
        if self._extractor is None or not self._extractor.missed_browser:
            return failure
        found = self._extractor.raw is not None or isinstance(error, JobError)  # or several items, which we refuse
        return without_browser(failure, why_not(self._order.wall), found=found)

    def height(self) -> int | None:
        """The shorter side of the picture in pixels; None if there is none or it is unknown."""
        if self._films():
            return self._fetched_lines()
        told = self._told()
        return None if told is None else told.height

    def _told(self) -> Metadata | None:
        """What the site says about the item; None before it has said anything."""
        if self._extractor is None or self._extractor.raw is None:
            return None
        return describe(self._extractor.raw, extraction_seconds=0.0)

    def _films(self) -> list[Stream]:
        return [facts.video for facts in self._facts_found if facts.video is not None]

    def _fetched_lines(self) -> int | None:
        """The shorter side of the largest picture that was fetched."""
        return max(map(shorter_side, self._films()), default=0) or None

    def with_other_choices(self, failure: Failure) -> Failure:
        """Return the failure together with what the link's other choices would weigh, after one was too large.

        The barrier of this second look: the job has already failed for a reason of its own, so if anything goes wrong
        here, or takes too long, the rest stays unknown, except for what the fetched files show.
        """
        if self._extractor is None or self._info is None:
            return failure
        lines = self._fetched_lines()
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
            has_audio=known.has_audio if heard is None or not self._films() else heard,
        )

    def perform(self) -> WorkerMessage:
        """Return the final message. Raises whatever went wrong."""
        order = self._order
        restrain()
        hold_impersonation(hold(order.floor_seconds))
        if order.task == "wall":
            return prove(order)
        if order.task == "selftest":
            if order.door is not None:
                _knock(order.door)
            return SelfTest(
                yt_dlp=yt_dlp_version,
                ffmpeg=ffmpeg.version(order.ffmpeg),
                guarded=is_guarded(),
                wall=order.wall,
                impersonation=not why_not(order.wall),
            )
        if order.task == "probe":
            self._extractor = Extractor(order, None)
            known = probe(order, self._extractor)
            finding.keep(self._extractor, self._extractor.raw or {}, order.url, self._directory / FINDING_FILE)
            return known
        assert order.variant is not None
        self._product = product_of(order.variant.row, order.variant.grade)
        return self._download(self._product)

    def _download(self, product: Product) -> Result:
        """Start from the probe's finding, if there is one that serves, else from a fresh look."""
        info = self._resumed(product) if self._order.finding else None
        if info is not None:
            try:
                return self._make(product, info, "found")
            except Exception as error:
                if not finding.is_outdated(error):
                    raise
        self._extractor = Extractor(self._order, product.selection())
        started = time.monotonic()
        info = self._extractor.find()
        self._emit(describe(info, extraction_seconds=time.monotonic() - started))
        self._facts_found = []
        return self._make(product, info, "source")  # what was fetched by an outdated finding has other names

    def _resumed(self, product: Product) -> Info | None:
        """Return what is to be fetched, by the probe's finding; None if that doesn't serve.

        The barrier for an odd finding: it comes from a child that read a hostile site.
        """
        item = finding.take(self._directory / FINDING_FILE, self._order.url)
        if item is None:
            return None
        self._extractor = Extractor(self._order, product.selection())
        try:
            info = self._extractor.resume(item)
            if finding.is_expired(parts_of(info)):
                return None
            known = describe(info, extraction_seconds=0.0)
        except Exception:  # noqa: BLE001 -- the barrier named above
            return None
        self._emit(msgspec.structs.replace(known, kept=True))
        return info

    def _make(self, product: Product, info: Info, name: str) -> Result:
        """Fetch what was chosen into files that begin with this name, and make the product of it."""
        order, extractor = self._order, self._extractor
        assert extractor is not None
        self._info = info
        gauge = Gauge(order, product, info, extractor.raw or {}, self._emit)
        paths = fetch(extractor, info, self._directory / name, gauge.hook)
        sources = [
            SourceFile(path, self._facts(path, product, whole=gauge.is_whole(n))) for n, path in enumerate(paths)
        ]
        self._facts_found = [source.facts for source in sources]
        self._seconds = max((s.facts.duration_seconds or 0.0 for s in sources), default=0.0) or None
        self._emit(gauge.converting())
        tags, stills = _tags(info, sources, order.url), Stills(order.ffmpeg, self._directory)
        recipe = Recipe(
            program=order.ffmpeg,
            path=self._directory / f"media.{product.row.extension}",
            tags=tags,
            stills=stills,
            site_picture=lambda film: stills.of_site(extractor, info, film),
            upload_bytes=order.limits.upload_bytes,
            seconds=self._seconds,
            encode_seconds=self._encode_seconds,
            told=Meter(self._emit, gauge.converting(), self._seconds),
        )
        made = product.make(recipe, sources)
        for path in paths:
            path.unlink(missing_ok=True)  # the product may wait for its upload; its source, if it is another, need not
        return _result(made, stills, tags, gauge.fetched_bytes)

    def _encode_seconds(self, grade: Quality) -> float:
        """Return how long an optional encode may still take."""
        return grade.timer_seconds * ENCODE_SHARE - (time.monotonic() - self._began)

    def _facts(self, path: Path, product: Product, *, whole: bool) -> Facts:
        """Read a file's facts.

        Raises JobError if it can't become such a product, or is not `whole` by its own headers.
        """
        facts = inspect(path)
        if not whole and is_cut_off(path, facts):
            raise JobError(
                Reason.NETWORK, f"the connection ended after {path.stat().st_size} bytes, before the file did"
            )
        if facts is None:
            raise NoMediaError
        if facts.is_still and not product.is_in(facts):
            raise JobError(Reason.UNSUPPORTED, "what was fetched is no film but a still")
        if facts.container in _GUESSED:
            facts = replace(facts, duration_seconds=measured_seconds(path) or facts.duration_seconds)
        return facts


def _knock(door: Door) -> None:
    try:
        knock(door)
    except OSError as error:
        raise JobError(Reason.TOOL_CRASH, f"the gate does not answer: {error}") from error


def _result(made: Made, stills: Stills, tags: Tags, fetched_bytes: int) -> Result:
    """Return the result that describes the product, with its thumbnail."""
    film = None if made.facts is None else made.facts.video
    thumbnail = None if made.cover is None else stills.thumbnail(made.cover)
    return Result(
        path=str(made.path),
        size_bytes=made.path.stat().st_size,
        title=tags.title,
        performer=tags.artist,
        duration_seconds=None if made.facts is None else believable(made.facts.duration_seconds),
        width=None if film is None else film.width,
        height=None if film is None else film.height,
        thumbnail_path=None if thumbnail is None else str(thumbnail),
        fetched_bytes=fetched_bytes,
    )


def _tags(info: Info, sources: list[SourceFile], url: str) -> Tags:
    """Return the tags: the site's title, or the file's own if the site's is only the file's name."""
    title, artist = title_of(info, url), performer_of(info)
    if not has_own_title(info):
        title = next((s.facts.title for s in sources if s.facts.title), None) or title
    return Tags(title, artist or next((s.facts.artist for s in sources if s.facts.artist), None))
