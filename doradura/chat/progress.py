"""Words and buttons for a job's progress message."""

from __future__ import annotations

import math
from collections.abc import Sequence

from doradura.chat.texts import Catalogues, Texts, limit_text, size_text
from doradura.downloads.formats import FORMATS, Choice, fitting, offered
from doradura.downloads.protocol import Lacks, Size
from doradura.downloads.stages import (
    Accepted,
    Cancelled,
    Converting,
    Failed,
    Fetching,
    Paused,
    Retrying,
    Sending,
    Stage,
    Starting,
    Waiting,
    Working,
)
from doradura.storage.jobs import Job
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

NO_BREAK = "\u00a0"
"""So that a narrow button does not break inside a size."""
BAR_CELLS = 10
BUTTONS_A_ROW = 2
"""Telegram cuts a button's words to one line."""
TITLE_UNITS = 120
LINK_UNITS = 80


def choice_text(fmt: str, quality: str) -> str:
    """Show a format and quality as people type them: "mp3 320k", "m4a"."""
    return fmt if quality == "default" else f"{fmt} {quality}"


class ProgressTexts:
    """The presenter the board is given."""

    def __init__(self, catalogues: Catalogues, upload_limit_bytes: int) -> None:
        self._catalogues = catalogues
        self._upload_limit_bytes = upload_limit_bytes

    def stage(self, job: Job, stage: Stage) -> tuple[str, Keyboard | None]:
        """Give the HTML text and the buttons for a job's stage."""
        t = self._catalogues.for_language(job.language)
        if isinstance(stage, Failed) and stage.reason == "too_large" and not stage.maybe_sent:
            return too_large(t, job, stage.sizes, self._upload_limit_bytes)
        if isinstance(stage, Failed) and stage.lacks and not stage.maybe_sent:
            return _lacking(t, job, stage.lacks)
        text = self._text(t, job, stage)
        if isinstance(stage, Failed | Cancelled | Sending):
            return text, None
        return text, cancel_keyboard(t, job.job_id)

    def _text(self, t: Texts, job: Job, stage: Stage) -> str:  # noqa: C901, PLR0911 - one return a stage
        choice = choice_text(job.format, job.quality)
        match stage:
            case Accepted():
                return t("progress.got_it", choice=choice)
            case Starting():
                return t("progress.starting", choice=choice)
            case Waiting():
                return _waiting(t, stage, choice)
            case Paused():
                return t("progress.paused", choice=choice, site=stage.site)
            case Working():
                return t("progress.working", choice=choice)
            case Fetching():
                return _fetching(t, stage, choice)
            case Converting():
                return t("progress.converting", title=shorten(stage.title, TITLE_UNITS), choice=choice)
            case Sending():
                return t("progress.sending", title=shorten(stage.title, TITLE_UNITS), choice=choice)
            case Retrying():
                why = t.plain(f"why.{stage.reason}")
                return t("progress.retrying", choice=choice, why=why, seconds=stage.seconds)
            case Failed(maybe_sent=True):
                return _failed(t, t.plain("maybe_sent"), job.url)
            case Failed():
                late = stage.reason == "deadline"
                minutes = round(FORMATS[job.format].timer_seconds(job.quality) / 60) if late else 0
                return failure_text(
                    t,
                    stage.reason,
                    job.url,
                    self._upload_limit_bytes,
                    minutes=minutes,
                    unresolved=stage.unresolved,
                    retry_after_seconds=stage.retry_after_seconds,
                )
            case Cancelled():
                return t("cancelled.by_admin" if stage.by_admin else "cancelled")


def failure_text(
    t: Texts,
    reason: str,
    url: str,
    upload_limit_bytes: int,
    *,
    minutes: int = 1,
    unresolved: str = "",
    retry_after_seconds: float | None = None,
) -> str:
    """Say what went wrong, what to do, and which link it is about.

    `unresolved` is the host that has no address, `retry_after_seconds` what a site asks for.
    """
    if reason == "gone" and unresolved:
        return _failed(t, t.plain("failed.unresolved", host=shorten(unresolved, TITLE_UNITS)), url)
    if reason == "rate_limited" and retry_after_seconds is not None:
        pause = max(1, math.ceil(retry_after_seconds / 60))
        return _failed(t, t.plain("failed.rate_limited.until", minutes=pause), url)
    return _failed(t, t.plain(f"failed.{reason}", limit=limit_text(upload_limit_bytes), minutes=minutes), url)


def too_large(t: Texts, job: Job, sizes: Sequence[Size], limit_bytes: int) -> tuple[str, Keyboard | None]:
    """Say that a job's file is too large, and offer what is smaller: with its size, where that is known to fit."""
    known = {Choice(size.format, size.quality): size.size_bytes for size in sizes}
    asked = Choice(job.format, job.quality)
    instead = fitting(asked, known, limit_bytes)
    limit = limit_text(limit_bytes)
    own = known.get(asked, 0)
    if own > limit_bytes:
        what = t.plain("failed.too_large.known", size=size_text(own), limit=limit)
    else:
        what = t.plain("failed.too_large.unknown", limit=limit)
    next_step = t.plain("failed.too_large.smaller" if instead else "failed.too_large.none")
    buttons = [
        Button(
            text=sized_label(choice_text(each.format, each.quality), known.get(each)),
            callback_data=f"s:{job.job_id}:{each.format}:{each.quality}",
        )
        for each in instead
    ]
    return _failed(t, f"{what} {next_step}", job.url), button_rows(buttons) or None


def _lacking(t: Texts, job: Job, lacks: Lacks) -> tuple[str, Keyboard | None]:
    """Say that there is only sound, or only a film without any, with a button for each choice there is."""
    choices = offered(has_video=lacks != "video", has_audio=lacks != "audio", lines=None)
    buttons = [
        Button(
            text=choice_text(each.format, each.quality), callback_data=f"s:{job.job_id}:{each.format}:{each.quality}"
        )
        for each in choices
    ]
    return _failed(t, t.plain(f"failed.lacks.{lacks}"), job.url), button_rows(buttons) or None


def sized_label(label: str, size_bytes: int | None) -> str:
    """Give a button's words with the size of what it brings, where that is known."""
    if not size_bytes:
        return label
    return f"{label}{NO_BREAK}· {size_text(size_bytes).replace(' ', NO_BREAK)}"


def _failed(t: Texts, what: str, url: str) -> str:
    return t("failed", what=what, url=url.replace('"', "%22"), shown=shorten(url, LINK_UNITS))


def cancel_keyboard(t: Texts, job_id: int) -> Keyboard:
    """Give the button that cancels a job."""
    return ((Button(text=t.plain("button.cancel"), callback_data=f"c:{job_id}"),),)


def button_rows(buttons: Sequence[Button]) -> Keyboard:
    """Give buttons in rows that a phone has room for."""
    return tuple(tuple(buttons[start : start + BUTTONS_A_ROW]) for start in range(0, len(buttons), BUTTONS_A_ROW))


def _waiting(t: Texts, stage: Waiting, choice: str) -> str:
    if not stage.before:
        return t("progress.again_next" if stage.gave_up else "progress.next", choice=choice)
    if stage.gave_up:
        return t.counted("progress.again", stage.before, choice=choice)
    return t.counted("progress.waiting", stage.before, choice=choice)


def _fetching(t: Texts, stage: Fetching, choice: str) -> str:
    speed = t.plain("progress.speed", rate=size_text(stage.bytes_per_second)) if stage.bytes_per_second else ""
    title = shorten(stage.title, TITLE_UNITS)
    if not stage.total_bytes:
        return t("progress.fetching_unknown", title=title, choice=choice, done=size_text(stage.done_bytes), speed=speed)
    share = min(1.0, stage.done_bytes / stage.total_bytes)
    full = round(share * BAR_CELLS)
    return t(
        "progress.fetching",
        title=title,
        choice=choice,
        bar="▓" * full + "░" * (BAR_CELLS - full),
        percent=round(share * 100),
        done=size_text(stage.done_bytes),
        total=size_text(stage.total_bytes),
        speed=speed,
    )
