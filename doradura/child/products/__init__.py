"""The kinds of product: how each is chosen of what a site has, made of what was fetched, and weighed beforehand.

Owns what differs between the kinds, one module each; `product` has the interface, `light` and `making` what several
share. Facts of one format are in its row (media/formats.py), and nothing here names one. It knows nothing of sites but
how they describe an item.
"""

from __future__ import annotations

from collections.abc import Mapping

from doradura.child.products.audio import Audio
from doradura.child.products.film import Film
from doradura.child.products.picture import Picture
from doradura.child.products.product import Product
from doradura.child.products.subtitles import Subtitles
from doradura.media.formats import FORMATS, Format, Kind, Quality

_KINDS: Mapping[Kind, type[Product]] = {"audio": Audio, "video": Film, "subtitles": Subtitles, "picture": Picture}


def product_of(row: Format, grade: Quality) -> Product:
    """Return what chooses, makes and weighs a format in one of its qualities."""
    return _KINDS[row.kind](row, grade)


def every_product() -> list[Product]:
    """Return what the table offers, in its order."""
    return [product_of(row, grade) for row in FORMATS.values() for grade in row.grades]
