"""Pictures: the image that stands for a link, as a file of its own.

Owns where it is taken from. No row has one yet; the tests make rows of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from doradura.child.facts import Facts
from doradura.child.failures import JobError
from doradura.child.fetching import NATIVE, Selection
from doradura.child.products.light import Light
from doradura.child.products.making import measured, write
from doradura.child.products.product import Made, Recipe, SourceFile
from doradura.media.reasons import Reason


class PictureProduct(Light):
    """The site's own picture, else the file itself if it is one, its cover, or a frame of its film."""

    def selection(self) -> Selection:
        """The smallest film, or the smallest sound, which may have a cover."""
        return Selection(f"wv*{NATIVE}/w*{NATIVE}", ())

    def is_in(self, facts: Facts) -> bool:
        """Return whether the file has a still, a cover, or a film."""
        return bool(facts.pictures)

    def make(self, recipe: Recipe, sources: Sequence[SourceFile]) -> Made:
        """Write the picture in its row's container. Raises JobError if there is none."""
        picture = recipe.site_picture(None) or next(filter(None, (_taken(recipe, source) for source in sources)), None)
        if picture is None:
            raise JobError(Reason.UNSUPPORTED, "the source has no picture")
        write(recipe, self.row, [picture], ["-map", "0:v:0", "-frames:v", "1", *self.grade.encode])
        return Made(recipe.path, measured(recipe, self.row), picture)


def _taken(recipe: Recipe, source: SourceFile) -> Path | None:
    if source.facts.is_still:
        return source.path
    return recipe.stills.of_cover(source.path, source.facts, None) or recipe.stills.of_film(source.path, source.facts)
