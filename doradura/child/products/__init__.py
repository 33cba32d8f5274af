"""The kinds of product: how each is chosen from what a site has, made from what was fetched, and weighed beforehand.

Owns the differences between the kinds, one module each; `product` has the interface, `light` and `making` what several
share. Facts of one format are in its row (media/formats.py), and nothing here names a format. It knows sites only by
how they describe an item.
"""

from __future__ import annotations

from collections.abc import Mapping

from doradura.child.products.audio import AudioProduct
from doradura.child.products.film import FilmProduct
from doradura.child.products.picture import PictureProduct
from doradura.child.products.product import Product
from doradura.child.products.subtitles import SubtitlesProduct
from doradura.media.formats import FORMATS, Format, ProductKind, Quality

_KINDS: Mapping[ProductKind, type[Product]] = {
    "audio": AudioProduct,
    "video": FilmProduct,
    "subtitles": SubtitlesProduct,
    "picture": PictureProduct,
}


def product_of(row: Format, grade: Quality) -> Product:
    """Return the product that chooses, makes and weighs a format in one of its qualities."""
    return _KINDS[row.kind](row, grade)


def every_product() -> list[Product]:
    """Return every product that the table offers, in its order."""
    return [product_of(row, grade) for row in FORMATS.values() for grade in row.grades]
