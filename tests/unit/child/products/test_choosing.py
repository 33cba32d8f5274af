"""What yt-dlp is told to fetch for each product."""

from __future__ import annotations

import yt_dlp

from doradura.child.products import product_of
from doradura.media.formats import FORMATS
from tests.tried_formats import PRODUCTS


def test_every_selection_is_bound_to_native_protocols() -> None:
    """No alternative of any selection may pick what only an external program could fetch."""
    for product in PRODUCTS:
        alternatives = product.selection().expression.replace("+", "/")
        # The filter holds slashes of its own in no place, so splitting is safe.
        assert all("[protocol~=" in part for part in alternatives.split("/"))


def test_every_selection_is_one_that_yt_dlp_reads() -> None:
    """No expression is a syntax error, which else the first job of a format would find."""
    with yt_dlp.YoutubeDL({"quiet": True}, auto_init=False) as chooser:
        for product in PRODUCTS:
            assert chooser.build_format_selector(product.selection().expression) is not None


def test_a_height_is_an_upper_bound() -> None:
    """A height is asked of yt-dlp as the largest allowed, before any codec."""
    assert product_of(FORMATS["mp4"], FORMATS["mp4"].grade("480p")).selection().order[0] == "res:480"
