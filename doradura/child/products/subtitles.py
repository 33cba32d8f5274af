"""Subtitles: the spoken words of a film, as a text file.

Owns which of a file's subtitles are taken. No row has them yet; the tests make rows of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from doradura.child.facts import Facts
from doradura.child.failures import JobError
from doradura.child.fetching import NATIVE, Selection
from doradura.child.products.light import Light
from doradura.child.products.making import admit, write
from doradura.child.products.product import Made, Recipe, SourceFile
from doradura.media.reasons import Reason


class SubtitlesProduct(Light):
    """Timed text."""

    def selection(self) -> Selection:
        """The smallest file with picture and sound, which has the subtitles if any file does."""
        return Selection(f"w{NATIVE}/w*{NATIVE}", ())

    def is_in(self, facts: Facts) -> bool:
        """Return whether the file has subtitles as text."""
        return facts.subtitles is not None

    def make(self, recipe: Recipe, sources: Sequence[SourceFile]) -> Made:
        """Write the subtitles that a player would show. Raises JobError if there are none."""
        for source in sources:
            words = source.facts.subtitles
            if words is not None:
                write(recipe, self.row, [source.path], ["-map", f"0:s:{words.number}", *self.grade.encode])
                admit(recipe, self.row)
                return Made(recipe.path, None, None)
        raise JobError(Reason.UNSUPPORTED, "the source has no subtitles in text")
