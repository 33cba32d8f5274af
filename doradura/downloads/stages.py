"""How far a job is: what the progress message shows, and how a job ends. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from doradura.media.has import Lacks
from doradura.media.protocol import Size
from doradura.media.reasons import Reason
from doradura.telegram.media import MediaKind


@dataclass(frozen=True, slots=True)
class Accepted:
    """It was asked for. Nothing in this becomes untrue, whatever becomes of the job."""


@dataclass(frozen=True, slots=True)
class Starting:
    """In the queue, and a place is free for it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """In the queue, with so many jobs before it."""

    before: int
    gave_up: bool = False
    """It had a place and gave it up for somebody else."""


@dataclass(frozen=True, slots=True)
class Paused:
    """In the queue, and its site is left alone for a while."""

    site: str


@dataclass(frozen=True, slots=True)
class Working:
    """A worker looks at the link."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """The file comes in."""

    title: str
    done_bytes: int
    total_bytes: int | None
    bytes_per_second: float | None


@dataclass(frozen=True, slots=True)
class Converting:
    """ffmpeg works on it."""

    title: str
    share: float | None = None
    """How much of it is done, from 0 to 1, where the length is known."""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """It goes out to Telegram."""

    title: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed, the next one comes after a pause."""

    reason: Reason
    seconds: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The file is with the user."""

    kind: MediaKind
    size_bytes: int
    file_id: str
    title: str
    in_progress_message: bool
    """The progress message itself became the file."""
    lines: int | None = None
    """The shorter side of a film's picture in pixels."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended without a file. `detail` is for the log alone.

    `maybe_sent`: for all that, a file may be there, as a sending of it was never answered.
    """

    reason: Reason
    detail: str = ""
    sizes: tuple[Size, ...] = ()
    """Of `too_large`: what variants of the link would weigh, where that is known. Gone once the process ends."""
    lines: int | None = None
    """Of `too_large`, what died over a limit, and `lacks`: the shorter side of the link's best picture in pixels."""
    has_audio: bool | None = None
    """Of the same: whether the link has a sound; None where that is not known."""
    maybe_sent: bool = False
    final: bool = False
    """Trying again would end the same way."""
    retry_after_seconds: float | None = None
    """How long the site asks to be left alone, where it says so."""
    unresolved: str = ""
    """The host that has no address, of `gone`."""
    lacks: Lacks = ""
    """What the link was found not to have, of `unsupported`."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The user did not want it any more, or an admin ended it."""

    by_admin: bool = False
    title: str | None = None
    """What the site calls it, where that is known."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The job gives its place up for somebody else and is queued again: no end."""


Stage = (
    Accepted | Starting | Waiting | Paused | Working | Fetching | Converting | Sending | Retrying | Failed | Cancelled
)
"""What a progress message can show."""

Outcome = Delivered | Failed | Cancelled
"""How a job ends."""
