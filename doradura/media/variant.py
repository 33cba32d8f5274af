"""A variant: what is wanted of a link, a format and a quality. The database and buttons carry its key.

Owns the value, its key, the only reader of what people type, and which variants a link offers. Like the table
(`formats`), it must not import yt-dlp or run anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from doradura.media.formats import FORMATS, Format, Quality
from doradura.media.has import Has

_SEPARATOR: Final = ":"


@dataclass(frozen=True, slots=True)
class Variant:
    """A format and one of its qualities.

    A further part (a cut, a language) becomes a field whose default means that it was not asked for. It follows the
    quality in the key, so today's keys stay the same.
    """

    format: str
    quality: str

    @property
    def key(self) -> str:
        """The text that identifies it in the database and in a button's data (`mp4:720p`)."""
        return f"{self.format}{_SEPARATOR}{self.quality}"

    @classmethod
    def parse_key(cls, text: str) -> Variant:
        """Read a key from outside, such as a button's.

        Raises VariantError for a format or quality that the table lacks. A key with a further part was made by a newer
        version (`newer`); it is not the variant without that part: what was asked for is what is made, or nothing.
        """
        word, separator, quality = text.partition(_SEPARATOR)
        if not separator:
            raise VariantError("malformed", text, format=None)
        if word not in FORMATS:
            raise VariantError("unknown_format", word, format=None)
        known, _, further = quality.partition(_SEPARATOR)
        if further and known in FORMATS[word].qualities:
            raise VariantError("newer", further, format=word)
        if quality not in FORMATS[word].qualities:
            raise VariantError("unknown_quality", quality, format=word)
        return cls(word, quality)

    @classmethod
    def from_stored(cls, key: str) -> Variant:
        """Return the variant of a key that we stored ourselves, even if the table no longer has it.

        It must not fail: one such row would keep all others from being read. Whatever needs its row of the table gets a
        KeyError, in that job only.
        """
        word, _, quality = key.partition(_SEPARATOR)
        return cls(word, quality)

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which metrics and the log name it."""
        return {"format": self.format, "quality": self.quality}

    @property
    def words(self) -> str:
        """How people type it: "mp3 320k", "m4a". `parse_variant` reads it back."""
        return self.format if self.quality == "default" else f"{self.format} {self.quality}"

    @property
    def is_offered(self) -> bool:
        """Whether the table has it: a stored one may come from another version."""
        return self.format in FORMATS and self.quality in FORMATS[self.format].qualities

    @property
    def row(self) -> Format:
        """The row of its format. Raises KeyError if there is none."""
        return FORMATS[self.format]

    @property
    def grade(self) -> Quality:
        """The row of its quality. Raises KeyError if there is none."""
        return self.row.grade(self.quality)


class VariantError(Exception):
    """A word that names no format or no quality of it, or a key that is malformed or a newer version's."""

    def __init__(
        self,
        kind: Literal["unknown_format", "unknown_quality", "malformed", "newer"],
        word: str,
        *,
        format: str | None,  # noqa: A002 -- the field's own word
    ) -> None:
        super().__init__(f"{kind}: {word}")
        self.kind = kind
        self.word = word
        self.format = format
        """The format whose qualities were meant, if one was named."""


DEFAULT_VARIANT = Variant("mp3", "320k")
"""The variant for a user who never chose (design.md, Chat)."""


def offered(has: Has, *, lines: int | None) -> list[Variant]:
    """Return the variants that a link offers, in the table's order.

    `lines` is the shorter side of the largest picture in pixels; None rules nothing out. Qualities that would bring the
    same picture are one variant: those up to the source's, and `best` if that is more than the last of them.
    """
    variants = []
    for row in FORMATS.values():
        if not has.offers(row.kind):
            continue
        grades = row.grades if lines is None or row.kind != "video" else _distinct(row.grades, lines)
        variants += [Variant(row.word, grade.word) for grade in grades]
    return variants


def _distinct(grades: Sequence[Quality], lines: int) -> list[Quality]:
    kept: list[Quality] = []
    for grade in grades:
        beyond = not kept or (kept[-1].height or lines) < lines
        if not kept or (beyond if grade.height is None else grade.height <= lines):
            kept.append(grade)
    return kept


def fitting(
    variant: Variant,
    sizes: Mapping[Variant, int],
    limit_bytes: int,
    *,
    lines: int | None = None,
    has_audio: bool | None = None,
) -> list[Variant]:
    """Return what to take instead of a variant that is over a limit, the best first.

    `sizes` (bytes) is what is known of the link's variants. Those known to be over the limit are left out; one of
    unknown size is included if it usually makes a smaller file. A sound with the source's own bit rate comes last, and
    only if it is known to fit: it may be the larger one. `lines` and `has_audio` as for `smaller`.
    """
    lower = smaller(variant, lines=lines, has_audio=has_audio)
    copied = [
        Variant(row.word, row.default_quality)
        for row in FORMATS.values()
        if row.kind == "audio" and row.has_sources_rate
    ]
    lower += [each for each in copied if each in sizes and each not in (variant, *lower) and has_audio is not False]
    return [each for each in lower if sizes.get(each, 0) <= limit_bytes]


def smaller(variant: Variant, *, lines: int | None = None, has_audio: bool | None = None) -> list[Variant]:
    """Return what makes a smaller file than this variant, the best first: its lower qualities, then a film's sound.

    Only what `offered` returns for a link with this many lines, and with or without sound.
    """
    there = offered(Has(sound=has_audio), lines=lines)
    return [each for each in _lower(variant) if each in there]


def _lower(variant: Variant) -> list[Variant]:
    row = variant.row
    lower = row.qualities[: row.qualities.index(variant.quality)]
    fewer = [Variant(row.word, word) for word in reversed(lower)]
    if row.kind == "video":
        return [*fewer, Variant("m4a", "default"), Variant("mp3", "128k")]
    if variant.grade.bits_per_second is None:
        fewer = [Variant("mp3", "128k")]
    return fewer


def parse_variant(words: Sequence[str], default: Variant = DEFAULT_VARIANT) -> Variant:
    """Read what a person typed after the link: a format, a quality, both in either order, or nothing.

    Case does not matter, and a quality may lack its unit ("mp4 720", "320", "320kbps"). A quality alone selects the
    first format that has it. Nothing at all means `default`. Raises VariantError.
    """
    named, asked = _sort_out(words)
    if named is None and asked is None:
        return default
    if named is None:
        assert asked is not None
        named = next((row for row in FORMATS.values() if _find_quality(row, asked) is not None), None)
        if named is None:
            raise VariantError("unknown_quality", asked, format=None)
    if asked is None:
        return Variant(named.word, default.quality if default.format == named.word else named.default_quality)
    found = _find_quality(named, asked)
    if found is None:
        raise VariantError("unknown_quality", asked, format=named.word)
    return Variant(named.word, found)


def _sort_out(words: Sequence[str]) -> tuple[Format | None, str | None]:
    """Tell the word for a format from the one for a quality. Raises VariantError for a third word."""
    named: Format | None = None
    asked: str | None = None
    for raw in words:
        word = raw.strip().strip(".,;:").lower()
        if not word:
            continue
        if named is None and word in FORMATS:
            named = FORMATS[word]
        elif asked is None and (named is not None or _looks_like_quality(word)):
            asked = word
        elif named is None:
            raise VariantError("unknown_format", raw, format=None)
        else:
            raise VariantError("unknown_quality", raw, format=named.word)
    return named, asked


def _looks_like_quality(word: str) -> bool:
    return word[0].isdigit() or word == "default" or any(word in row.qualities for row in FORMATS.values())


def _find_quality(row: Format, word: str) -> str | None:
    if word in row.qualities:
        return word
    figure = re.fullmatch(r"(\d{2,4})\s*(p|k|kbps|kbit|kbit/s|kb/s|kbits)?", word)
    if figure is None:
        return None
    number, unit = figure.groups()
    units = {"p": ("p",), None: ("p", "k")}.get(unit, ("k",))
    return next((number + unit for unit in units if number + unit in row.qualities), None)
