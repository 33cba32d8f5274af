"""Audio: a song, or the sound of a film, with its title and, where the container holds one, its cover.

Owns when a sound is copied and at which rate it is encoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from doradura.child.describing import told_bytes
from doradura.child.facts import Facts, Stream
from doradura.child.failures import JobError
from doradura.child.fetching import NATIVE, Selection
from doradura.child.products.making import encoded_sound, found_cover, is_kept_sound, measured, write
from doradura.child.products.product import Described, Looked, Made, Product, Recipe, SourceFile, Weight
from doradura.media.reasons import Reason

_LEAST_BITS: Final = 64_000
"""Bits per second of music in AAC, below which it is not worth hearing."""
_FILLED: Final = 0.95
"""The share of the upload limit that may be used; the rest is for the container and the cover."""
_SAID_CODECS: Final[Mapping[str, tuple[str, ...]]] = {
    "aac": ("mp4a.40", "aac", "m4a"),
    "mp3": ("mp3", "mp4a.6b", "mp4a.69"),
}
"""Names of codecs at sites and in files that differ from FFmpeg's (RFC 6381)."""


class AudioProduct(Product):
    """A sound."""

    def selection(self) -> Selection:
        """The best sound alone; if it is only in films, the smallest film with a good one."""
        sought = () if self.row.sought_codec is None else (f"acodec:{self.row.sought_codec}",)
        return Selection(f"ba{NATIVE}/b{NATIVE}/ba*{NATIVE}", ("hasaud", *sought, "abr", "res:480"))

    def is_in(self, facts: Facts) -> bool:
        """Return whether the file has a sound."""
        return facts.audio is not None

    def passes(self, described: Described) -> bool:
        """Return whether the sound is copied. An unknown codec is guessed from the file's ending.

        A product with a bit rate of its own keeps a sound that is known to have no higher one.
        """
        part = described.parts[0]
        codec = str(part.get("acodec") or part.get("ext")).lower()
        kept = any(codec.startswith(_SAID_CODECS.get(each, (each,))) for each in self.row.copied_codecs)
        rate = self.grade.bits_per_second
        low = rate is None or (part.get("abr") or float("inf")) * 1000 <= rate
        return part.get("vcodec") == "none" and kept and low

    def judge(self, described: Described, *, passes: bool | None) -> None:
        """Judge by the length, if it is encoded at a rate of its own. Raises JobError (too_large)."""
        if not passes:
            self._judge_length(described.seconds, described.upload_bytes)

    def weigh(self, described: Described) -> Weight | None:
        """Return the site's size of what is copied; else length times rate."""
        if self.passes(described):
            told = told_bytes(described.parts)
            return _weight(told or _bytes(described.seconds, int((described.parts[0].get("abr") or 0) * 1000)))
        return self._encoded(described.seconds, described.upload_bytes)

    def weigh_file(self, looked: Looked) -> Weight | None:
        """Return length times the rate of the sound or the product."""
        sound = looked.facts.audio
        if sound is None:
            return None
        if self._is_copied(sound):
            return _weight(_bytes(looked.seconds, sound.bits_per_second))
        return self._encoded(looked.seconds, looked.upload_bytes)

    def make(self, recipe: Recipe, sources: Sequence[SourceFile]) -> Made:
        """Copy or encode the sound that a player would play. Raises JobError if there is none or it is too large."""
        source = next((s for s in sources if self.is_in(s.facts)), None)
        if source is None:
            raise JobError(Reason.UNSUPPORTED, "the source has no sound")
        sound = source.facts.audio
        assert sound is not None
        options = ["-map", f"0:a:{sound.number}", *self._sound(recipe, sound)]
        cover, inputs = _cover(recipe, sources), [source.path]
        if cover is not None and self.row.holds_cover:
            inputs.append(cover)
            options += ["-map", "1:v:0", "-c:v", "copy", "-disposition:v:0", "attached_pic"]
            options += ["-metadata:s:v", "title=Cover", "-metadata:s:v", "comment=Cover (front)"]
        write(recipe, self.row, inputs, options)
        return Made(recipe.path, measured(recipe, self.row), cover)

    def _is_copied(self, sound: Stream) -> bool:
        """Return whether a sound goes into the product as it is.

        Surround does not: players of songs have two speakers. If the product has a bit rate of its own, only a sound of
        at most that rate does: encoded again it would be larger and worse.
        """
        if not is_kept_sound(self.row, sound) or (sound.channels or 2) > 2:
            return False
        rate = self.grade.bits_per_second
        return rate is None or (sound.bits_per_second is not None and sound.bits_per_second <= rate)

    def _sound(self, recipe: Recipe, sound: Stream) -> list[str]:
        if self._is_copied(sound):
            return ["-c:a", "copy"]
        self._judge_length(recipe.seconds, recipe.upload_bytes)
        rate = self._rate_within(recipe.upload_bytes, recipe.seconds)
        return encoded_sound(self.row, self.grade, sound, rate=rate)

    def _judge_length(self, seconds: float | None, upload_bytes: int) -> None:
        """Raise JobError if a product with its own bit rate would be too large at this length."""
        expected = _bytes(seconds, self.grade.bits_per_second) or 0
        if expected > upload_bytes:
            raise JobError(Reason.TOO_LARGE, f"the product would have {expected} bytes")

    def _rate_within(self, upload_bytes: int, seconds: float | None) -> int | None:
        """Return the bits per second of an encode that fits the limit, if its quality's rate would not.

        None if the quality's rate fits, or if the encoder takes no rate. Raises JobError (too_large) before the encode
        if too few would be left.
        """
        if self.grade.encoded_bits_per_second is None or not seconds:
            return None
        rate = int(upload_bytes * 8 * _FILLED / seconds)
        if rate < _LEAST_BITS:
            raise JobError(Reason.TOO_LARGE, f"{seconds:.0f} s of song are more than can be sent")
        return rate if rate < self.grade.encoded_bits_per_second else None

    def _encoded(self, seconds: float | None, upload_bytes: int) -> Weight | None:
        """Return what an encode weighs: by its rate, else its smallest size if that is more than can be sent."""
        known = _bytes(seconds, self.grade.bits_per_second)
        least = _bytes(seconds, _LEAST_BITS if self.grade.encoded_bits_per_second else None)
        return _weight(known or (least if least and least > upload_bytes else None))


def _cover(recipe: Recipe, sources: Sequence[SourceFile]) -> Path | None:
    """Return the site's picture of any shape, else the file's cover, else a frame of its film."""
    cover = found_cover(recipe, sources, None)
    film = next((s for s in sources if s.facts.video is not None), None)
    if cover is None and film is not None:
        cover = recipe.stills.of_film(film.path, film.facts)
    return cover


def _bytes(seconds: float | None, bits_per_second: int | None) -> int | None:
    return int(seconds * bits_per_second / 8) if seconds and bits_per_second else None


def _weight(size_bytes: int | None) -> Weight | None:
    return Weight(size_bytes=size_bytes) if size_bytes else None
