"""The text and the buttons of a job's progress message. No I/O; `downloads.board` sends and edits it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from doradura.chat.figures import span_text
from doradura.chat.job_buttons import PickInstead, again_keyboard, button_rows, cancel_keyboard, variant_label
from doradura.chat.texts import Catalogues, Texts, attribute_url, limit_text, size_text
from doradura.downloads.stages import (
    Accepted,
    Cancelled,
    Converting,
    Failed,
    Fetching,
    Paced,
    Paused,
    Retrying,
    Sending,
    Stage,
    Starting,
    Waiting,
    Working,
)
from doradura.media.has import Has, Lacks
from doradura.media.protocol import Size
from doradura.media.reasons import Reason
from doradura.media.variant import Variant, fitting, offered, smaller
from doradura.storage.jobs import Job
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

BAR_CELLS = 10
TITLE_UNITS = 120
LINK_UNITS = 80
LONGEST_LEFT_SECONDS = 10 * 3600
"""A longer estimate is not shown, as it only means that the download is slow at the moment."""
LONGEST_PAUSE_SECONDS = 24 * 3600
"""If a site asks for a longer pause, the text names no time: nobody waits that long, and the site may mean never."""


class ProgressTexts:
    """Renders progress messages for `downloads.board`."""

    def __init__(self, catalogues: Catalogues, upload_limit_bytes: int) -> None:
        self._catalogues = catalogues
        self._upload_limit_bytes = upload_limit_bytes

    def stage(self, job: Job, stage: Stage) -> tuple[str, Keyboard | None]:
        """Return the HTML text and the buttons for a job's stage."""
        t = self._catalogues.for_language(job.language)
        if isinstance(stage, Failed):
            return self._failure(t, job, stage)
        keyboard = None if isinstance(stage, Cancelled | Sending) else cancel_keyboard(t, job.job_id)
        return self._text(t, job, stage), keyboard

    def _failure(self, t: Texts, job: Job, end: Failed) -> tuple[str, Keyboard | None]:
        """Return the text and the buttons of a failed job; the buttons offer what may succeed."""
        if end.reason is Reason.TOO_LARGE and not end.maybe_sent:
            if end.final:
                return failure_text(t, "too_large.source", _unquoted(job), self._upload_limit_bytes), None
            return too_large(t, job, end, self._upload_limit_bytes)
        if end.reason is Reason.TOOL_CRASH and end.final and not end.maybe_sent:
            return too_heavy(t, job, end)
        if end.lacks and not end.maybe_sent:
            return _lacking(t, job, end.lacks, end.lines)
        return self._text(t, job, end), again_keyboard(t, job.job_id) if is_passing(end) else None

    def _text(self, t: Texts, job: Job, stage: Stage) -> str:  # noqa: C901, PLR0911, PLR0912 - one return a stage
        choice = job.variant.words
        match stage:
            case Accepted():
                return t("progress.got_it", choice=choice)
            case Starting():
                return t("progress.starting", choice=choice)
            case Waiting():
                return _waiting(t, stage, choice)
            case Paused():
                return t("progress.paused", choice=choice, site=stage.site)
            case Paced():
                return t("progress.paced", choice=choice, site=stage.site, time=span_text(t, stage.seconds))
            case Working():
                return t("progress.working", choice=choice)
            case Fetching():
                return _fetching(t, stage, choice)
            case Converting():
                return _converting(t, stage, choice)
            case Sending():
                return t("progress.sending", title=shorten(stage.title, TITLE_UNITS), choice=choice)
            case Retrying():
                why = t.plain(f"why.{stage.reason}")
                return t("progress.retrying", choice=choice, why=why, seconds=stage.seconds)
            case Failed(maybe_sent=True):
                return _failed(t, t.plain("maybe_sent"), _unquoted(job))
            case Failed():
                late = stage.reason is Reason.DEADLINE
                minutes = max(1, round(job.variant.grade.timer_seconds / 60)) if late else 1
                return failure_text(
                    t,
                    stage.reason,
                    _unquoted(job),
                    self._upload_limit_bytes,
                    minutes=minutes,
                    unresolved=stage.unresolved,
                    retry_after_seconds=stage.retry_after_seconds,
                )
            case Cancelled():
                title = shorten(stage.title or job.title or job.url, TITLE_UNITS)
                return t("cancelled.by_admin" if stage.by_admin else "cancelled", title=title)


def failure_text(
    t: Texts,
    reason: Reason | Literal["too_large.source", "lacks.unlocked", "lacks.browser"],
    url: str | None,
    upload_limit_bytes: int,
    *,
    minutes: int = 1,
    unresolved: str = "",
    retry_after_seconds: float | None = None,
) -> str:
    """Return the text (HTML) that says what went wrong, what to do, and which link it is about.

    `url` is None if the message is a reply to the link. `unresolved` is the host name that has no address,
    `retry_after_seconds` the pause that the site asks for, `minutes` the limit of a deadline.
    """
    if reason is Reason.DEADLINE:
        return _failed(t, t.counted("failed.deadline", minutes), url)
    if reason is Reason.GONE and unresolved:
        return _failed(t, t.plain("failed.unresolved", host=shorten(unresolved, TITLE_UNITS)), url)
    if reason is Reason.RATE_LIMITED and retry_after_seconds is not None:
        if retry_after_seconds > LONGEST_PAUSE_SECONDS:
            return _failed(t, t.plain("failed.rate_limited.long"), url)
        rounded = 60 if retry_after_seconds > 60 else 1
        pause = max(1, math.ceil(retry_after_seconds / rounded)) * rounded
        return _failed(t, t.plain("failed.rate_limited.until", span=span_text(t, pause)), url)
    return _failed(t, t.plain(f"failed.{reason}", limit=limit_text(upload_limit_bytes)), url)


def too_large(t: Texts, job: Job, end: Failed, limit_bytes: int) -> tuple[str, Keyboard | None]:
    """Return the text and the buttons of a job whose file is too large: smaller variants, with sizes if known."""
    known = {size.variant: size.size_bytes for size in end.sizes}
    instead = fitting(job.variant, known, limit_bytes, lines=end.lines, has_audio=end.has_audio)
    limit = limit_text(limit_bytes)
    own = known.get(job.variant, 0)
    if own > limit_bytes:
        what = t.plain("failed.too_large.known", size=size_text(t, own), limit=limit)
    else:
        what = t.plain("failed.too_large.unknown", limit=limit)
    next_step = t.plain("failed.too_large.smaller" if instead else "failed.too_large.none")
    return _failed(t, f"{what} {next_step}", _unquoted(job)), _instead(t, job, instead, end.sizes)


def too_heavy(t: Texts, job: Job, end: Failed) -> tuple[str, Keyboard | None]:
    """Return the text and the buttons of a job whose conversion exceeds its limits: variants that need less."""
    rows = _instead(t, job, smaller(job.variant, lines=end.lines, has_audio=end.has_audio))
    return _failed(t, t.plain("failed.too_heavy" if rows else "failed.too_heavy.none"), _unquoted(job)), rows


def _instead(t: Texts, job: Job, variants: Iterable[Variant], sizes: Sequence[Size] = ()) -> Keyboard | None:
    """Return buttons that request other variants of a job's link, with size and height if known."""
    known = {size.variant: size for size in sizes}
    buttons = [
        Button(text=variant_label(t, each, known.get(each)), callback_data=PickInstead(job.job_id, each).encode())
        for each in variants
    ]
    return button_rows(buttons) or None


def _lacking(t: Texts, job: Job, lacks: Lacks, lines: int | None) -> tuple[str, Keyboard | None]:
    """Return the text and the buttons of a job whose link lacks what was requested: the variants that it has."""
    if lacks in {"one_coding", "unlocked", "browser"}:
        return _failed(t, t.plain(f"failed.lacks.{lacks}"), _unquoted(job)), None
    variants = offered(Has(film=lacks != "video", sound=lacks != "audio"), lines=lines)
    return _failed(t, t.plain(f"failed.lacks.{lacks}"), _unquoted(job)), _instead(t, job, variants)


def _unquoted(job: Job) -> str | None:
    """Return the link to name in a job's failure; None if its message is a reply to the link."""
    return job.url if job.reply_to is None else None


def _failed(t: Texts, what: str, url: str | None) -> str:
    if url is None:
        return t("failed.quoted", what=what)
    return t("failed", what=what, url=attribute_url(url), shown=shorten(url, LINK_UNITS))


def is_passing(failed: Failed) -> bool:
    """Return whether the same job may succeed later, so that its failure gets a button to try again."""
    return failed.reason.passes and not failed.final and not failed.maybe_sent


def _waiting(t: Texts, stage: Waiting, choice: str) -> str:
    if not stage.before:
        return t("progress.again_next" if stage.gave_up else "progress.next", choice=choice)
    if stage.gave_up:
        return t.counted("progress.again", stage.before, choice=choice)
    return t.counted("progress.waiting", stage.before, choice=choice)


def _fetching(t: Texts, stage: Fetching, choice: str) -> str:
    speed = t.plain("progress.speed", rate=size_text(t, stage.bytes_per_second)) if stage.bytes_per_second else ""
    if stage.bytes_per_second and stage.total_bytes:
        speed += _left(t, (stage.total_bytes - stage.done_bytes) / stage.bytes_per_second)
    title = shorten(stage.title, TITLE_UNITS)
    if not stage.total_bytes:
        return t(
            "progress.fetching_unknown", title=title, choice=choice, done=size_text(t, stage.done_bytes), speed=speed
        )
    share = min(1.0, stage.done_bytes / stage.total_bytes)
    return t(
        "progress.fetching",
        title=title,
        choice=choice,
        bar=_bar(share),
        percent=round(share * 100),
        done=size_text(t, stage.done_bytes),
        total=size_text(t, stage.total_bytes),
        speed=speed,
    )


def _converting(t: Texts, stage: Converting, choice: str) -> str:
    title = shorten(stage.title, TITLE_UNITS)
    if stage.share is None:
        return t("progress.converting", title=title, choice=choice)
    left = "" if stage.seconds_left is None else _left(t, stage.seconds_left)
    percent = round(stage.share * 100)
    return t("progress.converting_share", title=title, choice=choice, bar=_bar(stage.share), percent=percent, left=left)


def _bar(share: float) -> str:
    full = round(share * BAR_CELLS)
    return "▓" * full + "░" * (BAR_CELLS - full)


def _left(t: Texts, seconds: float) -> str:
    """Return the time left, rounded to minutes above one; "" if it is under a second or too long to be believed."""
    if not 1 <= seconds < LONGEST_LEFT_SECONDS:
        return ""
    whole = round(seconds) if seconds < 60 else round(seconds / 60) * 60
    return t.plain("progress.left", time=span_text(t, whole))
