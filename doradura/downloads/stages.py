"""The stages of a job, as its progress message shows them, and its outcomes. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from doradura.media.has import Lacks
from doradura.media.protocol import Size
from doradura.media.reasons import Reason
from doradura.telegram.media import MediaKind


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job was accepted. The text for this stage stays true whatever happens to the job."""


@dataclass(frozen=True, slots=True)
class Starting:
    """The job is in the queue, and a worker slot is free for it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job is in the queue. `before` is the number of jobs ahead of it."""

    before: int
    gave_up: bool = False
    """Whether it had a worker slot and gave it up for somebody else."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The job is in the queue, and its site's breaker is open."""

    site: str


@dataclass(frozen=True, slots=True)
class Paced:
    """The job is in the queue until its site may be asked about another link, in about so many seconds."""

    site: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Working:
    """A worker is examining the link."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """The file is being downloaded."""

    title: str
    done_bytes: int
    total_bytes: int | None
    bytes_per_second: float | None


@dataclass(frozen=True, slots=True)
class Converting:
    """ffmpeg is converting the file."""

    title: str
    share: float | None = None
    """How much is done, from 0 to 1; None if the length is not known."""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """The file is being sent to Telegram."""

    title: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed, and the next one follows after so many seconds."""

    reason: Reason
    seconds: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The user has the file."""

    kind: MediaKind
    size_bytes: int
    file_id: str
    title: str
    in_progress_message: bool
    """Whether the file was put into the progress message."""
    lines: int | None = None
    """The shorter side of a film's picture in pixels."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended without a file. `detail` is only for the log.

    `maybe_sent` means that the user may have the file nevertheless, since an upload of it was never answered.
    """

    reason: Reason
    detail: str = ""
    sizes: tuple[Size, ...] = ()
    """For `too_large`: the sizes of the link's variants, if known. They are not stored."""
    lines: int | None = None
    """For `too_large`, an exceeded limit, and `lacks`: the shorter side of the link's best picture in pixels."""
    has_audio: bool | None = None
    """For the same: whether the link has sound; None if that is not known."""
    maybe_sent: bool = False
    final: bool = False
    """Whether another attempt would fail in the same way."""
    retry_after_seconds: float | None = None
    """How long the site asks the bot to wait; None if it does not say."""
    unresolved: str = ""
    """For `gone`: the host name that has no address."""
    lacks: Lacks = ""
    """For `unsupported`: what the link does not have. For `bot_check`: "browser", or nothing."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The user or an admin cancelled the job."""

    by_admin: bool = False
    title: str | None = None
    """The title on the site; None if it is not known."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The job gives its worker slot up for somebody else and is queued again. This is not an outcome."""


Stage = (
    Accepted
    | Starting
    | Waiting
    | Paused
    | Paced
    | Working
    | Fetching
    | Converting
    | Sending
    | Retrying
    | Failed
    | Cancelled
)
"""What a progress message can show."""

Outcome = Delivered | Failed | Cancelled
"""How a job ends."""
