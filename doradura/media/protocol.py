"""The messages between the supervisor and a worker: one JSON object per line, in both directions.

Owns only the shapes. It must not import yt-dlp, Trio or anything that reads a file: both the main process and the
forked child import it. A line is at most `LINE_LIMIT_BYTES` long; a longer one ends the conversation as `tool_crash`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec

from doradura.media.has import Has, Lacks
from doradura.media.reasons import Reason
from doradura.media.variant import Variant

LINE_LIMIT_BYTES = 256 * 1024
LISTENER_BYTE: Final = b"\n"
"""Sent by a child behind a `notify` wall before its first line, with the listener of its connects (SCM_RIGHTS)."""
PLAYERS_DIRECTORY: Final = "players"
"""yt-dlp's cache of solved players, in a job's directory."""
COOKIES_COPY: Final = "cookies.txt"
"""The job's own copy of the cookies file, in its directory."""
FLOOR_SECONDS = 60.0
"""How long a job must have waited for its sites, and received less than the floor all that time, to be ended."""
READ_SECONDS = 15.0
"""A socket's timeout. Time beyond it in one read means that this process was stopped (SIGSTOP, a closed laptop)."""

FINDING_FILE: Final = "finding.json"
"""The name of a finding in a job's directory: a probe writes it there, and a download starts from it."""
FINDING_BYTES: Final = 5 * 1024 * 1024
"""The largest finding that is kept. YouTube's have up to a megabyte."""

MOST_CHARACTERS: Final = 16 * 1024
MOST_SECONDS: Final = 2**31 - 1
MOST_LINES: Final = 2**31 - 1
MOST_BYTES: Final = 2**53

# Bounds of what a worker says, for it has read what a hostile site sent: a message that is over one is no message.
Text = Annotated[str, msgspec.Meta(max_length=MOST_CHARACTERS)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=MOST_SECONDS)]
Lines = Annotated[int, msgspec.Meta(ge=0, le=MOST_LINES)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=4 * MOST_BYTES)]  # the sum of a few
Path = Annotated[str, msgspec.Meta(max_length=4096)]

WallKind = Literal["notify", "port", "hook"]
"""What confines a worker's connections, the best first. `notify`: the kernel has the gate answer each connect. `port`:
the kernel allows the gate's port alone. `hook`: the audit hook, which is not a wall."""

Task = Literal["download", "probe", "selftest", "wall"]
"""The task of an order."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one job may use. Bytes, seconds, counts."""

    file_bytes: int
    """RLIMIT_FSIZE: the largest file that any process of the job may write."""
    upload_bytes: int
    """The largest file that can be sent to Telegram; a source known to be larger is refused before it is fetched."""
    cpu_seconds: int
    memory_bytes: int
    """Resident memory of all processes in the job's session together."""
    processes: int


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """The gate as one job has it."""

    host: str
    """A literal address."""
    port: int
    token: str


class WallTargets(msgspec.Struct, frozen=True, kw_only=True):
    """What a `wall` order's worker tries to reach. All of it exists, and has to be out of reach."""

    tcp_port: int
    """On 127.0.0.1, as is the next."""
    udp_port: int
    datagrams: str
    """The abstract name of a local datagram socket."""
    file: str
    """A file of the bot's own, outside the job's directory."""
    pid: int
    """The bot's process."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One job for a worker, the first and only line sent to it."""

    job_id: int
    task: Task
    directory: str
    """The job's own empty directory, absolute; the worker's working directory and TMPDIR."""
    url: str = ""
    guessed_scheme: bool = False
    """Whether the link came without a scheme: if https does not answer, http is tried."""
    variant: Variant | None = None
    """What is wanted of the link; only a `download` has it."""
    finding: bool = False
    """Whether a probe's finding lies in the directory, for a `download` to start from."""
    limits: Limits
    ffmpeg: str
    """Absolute path of the ffmpeg program."""
    cookies_file: str | None = None
    door: Door | None = None
    """The way to the gate, for every connection. None: the child connects by itself, to what the judge allows."""
    allowed_private: tuple[str, ...] = ()
    """`host:port` or CIDR that may be reached although it is private."""
    wall: WallKind = "hook"
    """The wall that is set before the job begins."""
    pot_provider: str = ""
    """The address of a provider of PO tokens; "" for none."""
    players: bool = False
    """Whether players that were solved lie in the directory, and new ones are to be left there."""
    targets: WallTargets | None = None
    """Only a `wall` has them."""
    floor_seconds: float = FLOOR_SECONDS
    """How long the site may send less than the floor of speed; shorter only in tests."""
    read_seconds: float = READ_SECONDS
    """After how long a silent connection is given up; shorter for a probe of a guessed scheme, and in tests."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant would weigh, as far as the site says."""

    variant: Variant
    size_bytes: Bytes
    height: Lines | None = None
    """The shorter side of the resulting picture in pixels, if it differs from the requested one."""


Sizes = Annotated[tuple[Size, ...], msgspec.Meta(max_length=200)]


class Metadata(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="metadata"):
    """What is known of the link after looking at it. Absent values are None, never 0 or an empty text."""

    title: Text | None = None
    performer: Text | None = None
    duration_seconds: Seconds | None = None
    extractor: Text | None = None
    has_video: bool | None = None
    has_audio: bool | None = None
    has_subtitles: bool | None = None
    has_picture: bool | None = None
    """A picture beside its film: its cover, or the site's own."""
    height: Lines | None = None
    """The shorter side of the best picture in pixels, which names its quality."""
    sizes: Sizes = ()
    extraction_seconds: Seconds = 0.0
    kept: bool = False
    """Whether this is from a finding, so that the site was not asked."""

    @property
    def has(self) -> Has:
        """What it has, as one value."""
        return Has(film=self.has_video, sound=self.has_audio, subtitles=self.has_subtitles, picture=self.has_picture)


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="progress"):
    """Sent at most twice a second."""

    stage: Literal["fetching", "converting"]
    fetched_bytes: Bytes = 0
    total_bytes: Bytes | None = None
    bytes_per_second: Annotated[float, msgspec.Meta(ge=0)] | None = None
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """For `converting`: the finished share, from 0 to 1, if the length is known."""
    seconds_left: Seconds | None = None
    """For `converting`: how many seconds are left, once that can be estimated."""


class Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="result"):
    """The job's product, in its directory, as measured on the file itself and not as the site says."""

    path: Path
    """Absolute; we choose the name (`media.mp3`), never the site."""
    size_bytes: Bytes
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]
    """Never empty: the site's title, else the host's name."""
    performer: Text | None = None
    duration_seconds: Seconds | None = None
    width: Lines | None = None
    height: Lines | None = None
    thumbnail_path: Path | None = None
    """JPEG, at most 320 px a side and 200 kB."""
    fetched_bytes: Bytes = 0


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="failure"):
    """The end of a job without a product."""

    reason: Reason
    detail: str
    """One line for the log, at most 500 characters; never shown to the user as it is."""
    final: bool = False
    """Whether trying again would end the same way, whatever the reason says about others. For `too_large`: the source
    itself exceeds the limit, so no variant of this link would fit."""
    sizes: Sizes = ()
    """For `too_large`: what the link's other variants would weigh, as far as that is known."""
    lines: Lines | None = None
    """For `too_large` and `lacks`: the shorter side of the link's best picture in pixels; no choice has more."""
    has_audio: bool | None = None
    """For `too_large`: whether there is a sound to take instead."""
    retry_after_seconds: Seconds | None = None
    """How long the site asks to be left alone, if it says so (Retry-After, RFC 9110, 10.2.3)."""
    unresolved: Text = ""
    """For `gone`: the host that has no address."""
    lacks: Lacks = ""
    """For `unsupported`: what the link lacks while it has the rest. For `bot_check`: "browser", or nothing."""


class SelfTest(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="selftest"):
    """The answer to a `selftest` order: the child ran, ffmpeg answered, the guard is in place."""

    yt_dlp: Text
    ffmpeg: Text
    guarded: bool
    wall: WallKind = "hook"
    """What was set before the test."""
    impersonation: bool = False
    """Whether requests can look like a browser's."""


READ_A_FILE: Final = "read a file"
"""The attempt that gets through a wall where the data directory lies among what a worker has to read."""


class WallProof(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="wallproof"):
    """The answer to a `wall` order, where the gate and ffmpeg were reached."""

    passed: Annotated[tuple[Text, ...], msgspec.Meta(max_length=50)]
    """The attempts that got through, as far as the worker can tell."""


WorkerMessage = Metadata | Progress | Result | Failure | SelfTest | WallProof
"""A line from the worker. All but `Progress` and `Metadata` end the conversation; a `probe` ends with `Metadata`."""
Emit = Callable[[WorkerMessage], None]
"""Sends one message to the bot."""


class WorkerLostError(Exception):
    """The worker was lost for reasons that are not the job's: the job goes back to the queue as not tried."""
