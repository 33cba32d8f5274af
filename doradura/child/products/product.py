"""The interface of a kind of product, and the values that go through it.

Owns no decision. `Described` is what a site says before anything is fetched, `Looked` what a plain file's start says,
`SourceFile` what was fetched, `Recipe` where and with what the product is made.
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
from doradura.media.protocol import Lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What was chosen of an item, as its site describes it."""

    parts: Sequence[Info]
    """The streams to fetch."""
    item: Mapping[str, Any]
    """With all its formats."""
    seconds: float | None
    upload_bytes: int
    """The largest file that can be sent."""
    begun: Footage | None = None
    """The film itself, of which the beginning has come in, where it is over that limit; its size is the whole's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A plain file of which the beginning was read."""

    path: Path
    facts: Facts
    seconds: float | None
    size_bytes: int | None
    """The whole file's, where its server tells it."""
    program: str
    """ffmpeg."""
    upload_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What a product is going to weigh."""

    size_bytes: int
    height: int | None = None
    """The shorter side of the picture that will come, in pixels, where it is another than the one asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """What a link has; True also where nobody knows."""

    film: bool
    sound: bool
    subtitles: bool
    picture: bool

    @classmethod
    def of(cls, found: Sequence[Facts]) -> Has:
        """What files have, together."""
        return cls(
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
    """What is written into the product."""

    title: str
    artist: str | None

    def options(self) -> list[str]:
        """Our tags instead of the source's: those hold encoders' names, links and worse."""
        options = ["-map_metadata", "-1", "-map_chapters", "-1", "-metadata", f"title={self.title}"]
        return options + (["-metadata", f"artist={self.artist}"] if self.artist else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Where a job's product is made, with what, and within which limits."""

    program: str
    """ffmpeg."""
    path: Path
    """Where the product goes."""
    tags: Tags
    stills: Stills
    site_picture: Callable[[Stream | None], Path | None]
    """Fetches the site's own picture as JPEG; with a film only one of its shape."""
    upload_bytes: int
    seconds: float | None
    """The length of what was fetched."""
    encode_seconds: Callable[[Quality], float]
    """How long an encode may take that is not necessary, from now on."""
    told: Callable[[float], None] | None = None
    """Is told how many seconds of the product are there."""


@dataclass(frozen=True, slots=True)
class Made:
    """A product, written."""

    path: Path
    facts: Facts | None
    """None of what has no length and no size in pixels."""
    cover: Path | None
    """The JPEG that its thumbnail is made of."""


class Product(ABC):
    """One format in one quality: chosen, made and weighed."""

    sampled: ClassVar[bool] = False
    """Whether weighing it of a plain file costs an encode of some seconds."""

    def __init__(self, row: Format, grade: Quality) -> None:
        self.row = row
        self.grade = grade

    @abstractmethod
    def selection(self) -> Selection:
        """What yt-dlp is to fetch for it."""

    @abstractmethod
    def is_in(self, facts: Facts) -> bool:
        """Whether a file has what it is made of."""

    @abstractmethod
    def lacks(self, has: Has) -> Lacks:
        """What it needs and the link was found not to have; "" where that is there, or is not known."""

    @abstractmethod
    def passes(self, described: Described) -> bool | None:
        """Whether what was chosen goes into the product as it is, so that this is about as large as its parts.

        None where only the file can say. The look and the download ask the same. Raise JobError (too_large) where what
        has come in of the file shows that it can't be made to fit.
        """

    @abstractmethod
    def judge(self, described: Described, *, passes: bool | None) -> None:
        """Raise JobError (too_large) for what is known not to fit, before it is fetched. `passes`: as it answered."""

    @abstractmethod
    def weigh(self, described: Described) -> Weight | None:
        """Return what it will weigh by its site's word; what is too large has a weight over the limit."""

    @abstractmethod
    def weigh_file(self, looked: Looked) -> Weight | None:
        """Return what it will weigh of a plain file, as `weigh`."""

    @abstractmethod
    def make(self, recipe: Recipe, sources: Sequence[SourceFile]) -> Made:
        """Write the product, and find its picture. A source that is one already is moved.

        Raise JobError for a source without what is asked for, and for a product that is, or would be, too large;
        FfmpegError and ToolError.
        """
