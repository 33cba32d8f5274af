"""Films: a moving picture and its sound, as Telegram plays them.

Owns when a film is taken as it is, and when it is refused. `encoding` decides whether and how its picture is encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from doradura.child.describing import GUESS_FACTOR, guessed_bytes, told_bytes, whole
from doradura.child.encoding import (
    ENCODE_SHARE,
    SOUND_BITS,
    Bounds,
    EncodingPlan,
    Footage,
    is_kept,
    is_larger,
    is_playable,
    picture_options,
    plan,
    rate_within,
    shorter_side,
)
from doradura.child.facts import Facts, Stream
from doradura.child.failures import JobError
from doradura.child.fetching import NATIVE, Info, Selection
from doradura.child.products.boxes import is_streamable
from doradura.child.products.making import encoded_sound, found_cover, is_kept_sound, measured, write
from doradura.child.products.product import Described, Looked, Made, Product, Recipe, SourceFile, Weight
from doradura.media.reasons import Reason

_SLOWEST_ENCODE: Final = 3
"""Any machine encodes a second of film in this many seconds: a film that would end in time even so needs no sample."""
_SAMPLE_SECONDS: Final = 2.0
"""Seconds of the film to sample in a probe, which is shorter than a download."""


class FilmProduct(Product):
    """A moving picture with its sound, if it has one."""

    sampled: ClassVar[bool] = True

    def selection(self) -> Selection:
        """The best film at or under the requested height, else the smallest there is.

        Within a height H.264 and AAC come first, because they play in Telegram without encoding. `best` takes H.264 of
        720 lines or more before a larger picture in another codec, whose encoding takes minutes for each minute of
        film.
        """
        wide = f"bv*{NATIVE}+ba{NATIVE}/b{NATIVE}/bv*{NATIVE}"
        codecs = ("vcodec:h264", *(() if self.row.sought_codec is None else (f"acodec:{self.row.sought_codec}",)))
        if self.grade.height is not None:
            return Selection(wide, (f"res:{self.grade.height}", *codecs))
        large = f"{NATIVE}[vcodec~='^(avc|h264)'][height>=720]"
        return Selection(f"bv*{large}+ba{NATIVE}/b{large}/{wide}", ("res", *codecs))

    def is_in(self, facts: Facts) -> bool:
        """Return whether the file has a moving picture; FFmpeg reports a still as one."""
        return facts.video is not None and not facts.is_still

    def passes(self, described: Described) -> bool | None:
        """Return True if a film over the limit is refused for it, False if it is encoded to fit.

        A film that plays as it is is encoded only if its site has no smaller one. None if only the file can tell.
        Raises JobError (too_large).
        """
        if described.begun is not None:
            return self._passes_begun(described.begun, described.upload_bytes)
        films = [part for part in described.parts if part.get("vcodec") != "none"]
        codecs = [str(part.get("vcodec") or "").lower() for part in films]
        if not all(codecs):
            return None
        if not all(codec.startswith(("avc", "h264")) for codec in codecs):
            return False
        return True if self.grade.height is None or _has_smaller(described) else None

    def judge(self, described: Described, *, passes: bool | None) -> None:
        """Judge by length and size what is, or may be, encoded. Raises JobError (too_large)."""
        if not self.can_fit(described, passes=passes):
            raise JobError(Reason.TOO_LARGE, f"{described.seconds:.0f} s of film can't be made to fit")

    def can_fit(self, described: Described, *, passes: bool | None) -> bool:
        """Return whether a film that is, or may be, encoded can be made small enough.

        True if its site states too little. A size that the site guessed may be the peak's, so it is discounted.
        """
        parts, limit = described.parts, described.upload_bytes
        told = sum(whole(part.get("filesize")) or guessed_bytes(part) // GUESS_FACTOR for part in parts)
        if passes or not described.seconds or not told or (passes is None and told <= limit):
            return True
        largest = max(parts, key=lambda part: whole(part.get("height")) or 0)
        width, height = whole(largest.get("width")), whole(largest.get("height"))
        picture = Stream(kind="video", number=0, codec="", width=width, height=height)
        film = Footage(path=Path(), picture=picture, seconds=described.seconds, size_bytes=told)
        return rate_within(limit, film, self.grade) is not None

    def weigh(self, described: Described) -> Weight | None:
        """Return the site's size of what is taken as it is; the size of an encode is unknown beforehand."""
        told, passes = told_bytes(described.parts), self.passes(described)
        if not self.can_fit(described, passes=passes):
            passes = True  # practically: its size says that it is too large
        made = any(is_larger(_side(part), self.grade) for part in described.parts)
        fits = told is not None and told <= described.upload_bytes
        return Weight(size_bytes=told) if told and (passes or (passes is None and fits and not made)) else None

    def weigh_file(self, looked: Looked) -> Weight | None:
        """Return what a film of one file becomes: itself, or an encode that fits, whose size is unknown beforehand."""
        if looked.facts.video is None or not looked.size_bytes:
            return None
        film = Footage(
            path=looked.path, picture=looked.facts.video, seconds=looked.seconds, size_bytes=looked.size_bytes
        )
        bounds = Bounds(
            upload_bytes=looked.upload_bytes,
            left_seconds=self.grade.timer_seconds * ENCODE_SHARE,
            short_seconds=self.grade.timer_seconds / _SLOWEST_ENCODE,
            sample_seconds=_SAMPLE_SECONDS,
        )
        if not film.seconds and not is_kept(film, self.grade, bounds.upload_bytes):
            return None  # its beginning states no length: the download will know more
        try:
            as_it_is = plan(looked.program, film, self.grade, bounds).copied
        except JobError:  # its size says why
            as_it_is = film.size_bytes > bounds.upload_bytes
        if not as_it_is:
            return None
        side = shorter_side(film.picture)
        return Weight(size_bytes=film.size_bytes, height=side if is_larger(side, self.grade) else None)

    def make(self, recipe: Recipe, sources: Sequence[SourceFile]) -> Made:
        """Take the film as it is, or copy or encode its picture and its sound.

        Raises JobError if it can't be made to fit.
        """
        number = next((number for number, s in enumerate(sources) if self.is_in(s.facts)), None)
        if number is None:
            raise JobError(Reason.UNSUPPORTED, "the source has no moving picture")
        source = sources[number]
        picture = source.facts.video
        assert picture is not None
        size = sum(each.path.stat().st_size for each in sources)
        footage = Footage(path=source.path, picture=picture, seconds=recipe.seconds, size_bytes=size)
        cover = found_cover(recipe, sources, picture)
        bounds = Bounds(upload_bytes=recipe.upload_bytes, left_seconds=recipe.encode_seconds(self.grade))
        done = plan(recipe.program, footage, self.grade, bounds)
        if done.copied and len(sources) == 1 and self._is_finished(source):
            source.path.rename(recipe.path)
        else:
            options = ["-map", f"{number}:v:{picture.number}", *self._picture(picture, done)]
            heard = next(((n, s.facts.audio) for n, s in enumerate(sources) if s.facts.audio is not None), None)
            if heard is not None:
                options += ["-map", f"{heard[0]}:a:{heard[1].number}", *self._sound(heard[1], done)]
            write(recipe, self.row, [s.path for s in sources], [*options, "-sn", "-dn"])
        facts = measured(recipe, self.row)
        # A frame of the product, not of the source: its colours are those that a screen shows.
        return Made(recipe.path, facts, cover or recipe.stills.of_film(recipe.path, facts))

    def _passes_begun(self, film: Footage, upload_bytes: int) -> bool | None:
        if self.grade.height is None and is_playable(film.picture):
            return True
        if not film.seconds:
            return None
        if rate_within(upload_bytes, film, self.grade) is None:
            raise JobError(
                Reason.TOO_LARGE, f"{film.seconds:.0f} s of film in {film.size_bytes} bytes can't be made to fit"
            )
        return False

    def _is_finished(self, source: SourceFile) -> bool:
        """Return whether a fetched film already is what Telegram plays while it loads, so that nothing has to be made.

        Then it is as large as its site said, and needs no second file on the disk. Its plan says whether it must be
        made smaller. Making leaves out a cover or a second sound.
        """
        facts = source.facts
        return (
            self.row.muxer in facts.container.split(",")
            and len(facts.pictures) == 1
            and facts.video is not None
            and is_playable(facts.video)
            and len(facts.sounds) <= 1
            and all(is_kept_sound(self.row, sound) for sound in facts.sounds)
            and is_streamable(source.path)
        )

    def _picture(self, picture: Stream, done: EncodingPlan) -> list[str]:
        if done.copied and is_playable(picture):
            return ["-c:v", "copy"]
        return picture_options(picture, self.grade, done.rate)

    def _sound(self, sound: Stream, done: EncodingPlan) -> list[str]:
        """Copy the sound if possible, even surround, unless it would take most of the upload limit."""
        heavy = done.rate is not None and (sound.bits_per_second or 0) > SOUND_BITS
        if is_kept_sound(self.row, sound) and not heavy:
            return ["-c:a", "copy"]
        return encoded_sound(self.row, self.grade, sound)


def _has_smaller(described: Described) -> bool:
    """Return whether the site has a film with fewer lines than the chosen one."""
    chosen = max((whole(part.get("height")) or 0 for part in described.parts), default=0)
    return any(0 < (whole(entry.get("height")) or 0) < chosen for entry in described.item.get("formats") or ())


def _side(part: Info) -> int:
    return min(part.get("width") or 0, part.get("height") or 0)
