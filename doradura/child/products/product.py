"""The interface of a kind of product, and the values that go through it.

It decides nothing. `Described` is what a site says before anything is fetched, `Looked` what a plain file's beginning
shows, `SourceFile` what was fetched, `Recipe` where and with what the product is made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from doradura.child.encoding import Footage
from doradura.child.facts import Facts, Stream
from doradura.child.fetching import Info, Selection
from doradura.child.stills import Stills
from doradura.media.formats import Format, Quality
from doradura.media.has import Has


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What was chosen of an item, as its site describes it."""

    parts: Sequence[Info]
    """The streams to fetch."""
    item: Mapping[str, Any]
    """The item with all its formats."""
    seconds: float | None
    upload_bytes: int
    """The largest file that can be sent, in bytes."""
    begun: Footage | None = None
    """The film itself, whose beginning has arrived, if it is over that limit; its size is the whole film's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A plain file whose beginning was read."""

    path: Path
    facts: Facts
    seconds: float | None
    size_bytes: int | None
    """The size of the whole file, if its server states it."""
    program: str
    """The path of ffmpeg."""
    upload_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What a product is going to weigh."""

    size_bytes: int
    height: int | None = None
    """The shorter side of the resulting picture in pixels, if it differs from the requested one."""


def had_by(found: Sequence[Facts]) -> Has:
    """Return what files have together."""
    return Has(
        film=any(facts.video is not None and not facts.is_still for facts in found),
        sound=any(facts.audio is not None for facts in found),
        subtitles=any(facts.subtitles is not None for facts in found),
        picture=any(facts.cover is not None or facts.is_still for facts in found),
    )


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A fetched file and what it is."""

    path: Path
    facts: Facts


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags written into the product."""

    title: str
    artist: str | None

    def options(self) -> list[str]:
        """Return the options for our tags instead of the source's, which hold encoders' names, links and worse."""
        options = ["-map_metadata", "-1", "-map_chapters", "-1", "-metadata", f"title={self.title}"]
        return options + (["-metadata", f"artist={self.artist}"] if self.artist else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Where a job's product is made, with what, and within which limits."""

    program: str
    """The path of ffmpeg."""
    path: Path
    """Where to write the product."""
    tags: Tags
    stills: Stills
    site_picture: Callable[[Stream | None], Path | None]
    """Fetches the site's own picture as JPEG; for a film only one of its shape."""
    upload_bytes: int
    seconds: float | None
    """The length of what was fetched."""
    encode_seconds: Callable[[Quality], float]
    """How long an optional encode may take from now on."""
    told: Callable[[float], None] | None = None
    """Called with how many seconds of the product exist."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished product."""

    path: Path
    facts: Facts | None
    """None for products without a length and a size in pixels."""
    cover: Path | None
    """The JPEG that its thumbnail is made of."""


class Product(ABC):
    """One format in one quality: chosen, made and weighed."""

    sampled: ClassVar[bool] = False
    """Whether weighing a plain file takes an encode of some seconds."""

    def __init__(self, row: Format, grade: Quality) -> None:
        self.row = row
        self.grade = grade

    @abstractmethod
    def selection(self) -> Selection:
        """What yt-dlp is to fetch for it."""

    @abstractmethod
    def is_in(self, facts: Facts) -> bool:
        """Return whether a file has what the product is made of."""

    @abstractmethod
    def passes(self, described: Described) -> bool | None:
        """Return whether what was chosen goes into the product as it is, so that the product weighs about the same.

        None if only the file can tell. The probe and the download ask the same question. Raises JobError (too_large) if
        the part of the file that has arrived shows that it can't be made to fit.
        """

    @abstractmethod
    def judge(self, described: Described, *, passes: bool | None) -> None:
        """Raise JobError (too_large) for what is known not to fit, before it is fetched.

        `passes` is that method's answer.
        """

    @abstractmethod
    def weigh(self, described: Described) -> Weight | None:
        """Return what it will weigh according to its site; for what is too large, a weight over the limit."""

    @abstractmethod
    def weigh_file(self, looked: Looked) -> Weight | None:
        """Return what a plain file's product will weigh, as `weigh` does."""

    @abstractmethod
    def make(self, recipe: Recipe, sources: Sequence[SourceFile]) -> Made:
        """Write the product, and find its picture. A source that already is the product is moved.

        Raises JobError for a source without what is asked for, and for a product that is, or would be, too large;
        FfmpegError and ToolError.
        """
