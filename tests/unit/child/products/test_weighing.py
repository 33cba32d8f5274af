"""What becomes of what a site describes: the look and the download ask the same question."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from doradura.child.describing import told_bytes
from doradura.child.failures import JobError
from doradura.child.products import product_of
from doradura.child.products.film import FilmProduct
from doradura.child.products.product import Described, Product
from doradura.media.formats import FORMATS
from tests.tried_formats import PRODUCTS, ROWS

MB = 1_000_000


def song(codec: str | None, rate: float | None = None, ending: str = "x", **more: Any) -> dict[str, Any]:
    """A sound as a site describes it."""
    return {"vcodec": "none", "acodec": codec, "abr": rate, "ext": ending, **more}


def film(codec: str | None, lines: int = 720, **more: Any) -> dict[str, Any]:
    """A film as a site describes it."""
    return {"vcodec": codec, "acodec": "mp4a.40.2", "height": lines, "width": lines * 16 // 9, "ext": "mp4", **more}


def described(part: dict[str, Any], item: dict[str, Any], seconds: float | None = None) -> Described:
    """One part of an item, with 50 MB at most."""
    return Described(parts=[part], item=item, seconds=seconds, upload_bytes=50 * MB)


@pytest.mark.parametrize(
    ("word", "quality", "part", "passes"),
    [
        ("m4a", "default", song("mp4a.40.2"), True),
        ("m4a", "default", song(None, ending="m4a"), True),
        ("m4a", "default", song("opus"), False),
        ("mp3", "320k", song("mp3", 128), True),
        ("mp3", "128k", song("mp3", 192), False),
        ("mp3", "320k", song("mp3"), False),
        ("opus", "default", song("opus", 160), True),
        ("opus", "default", song("mp4a.40.2", 128), False),
        ("flac", "default", song("flac"), True),
        ("wav", "default", song(None, ending="wav"), False),
        ("srt", "default", film("avc1.640028"), False),
        ("thumbnail", "default", film("avc1.640028"), False),
        ("mp4", "best", film("avc1.640028"), True),
        ("mp4", "720p", film("avc1.640028"), True),
        ("mp4", "best", film("vp9"), False),
        ("mp4", "720p", film(None), None),
    ],
)
def test_what_goes_in_as_it_is(word: str, quality: str, part: dict[str, Any], *, passes: bool | None) -> None:
    """By codec and rate; where the site does not tell the codec of a film, nobody knows yet."""
    row = {each.word: each for each in ROWS}[word]
    item = {"formats": [film("avc1", 360), film("avc1", 720)]}
    assert product_of(row, row.grade(quality)).passes(described(part, item)) is passes


def test_the_only_film_of_a_site_may_be_made_smaller() -> None:
    """What plays as it is and has no smaller one beside it is decided by its file."""
    part = film("avc1.640028")
    product = product_of(FORMATS["mp4"], FORMATS["mp4"].grade("720p"))
    assert product.passes(described(part, {"formats": [part]})) is None


@pytest.mark.parametrize(
    ("part", "seconds", "fits"),
    [
        (film("vp9", filesize=60 * MB), 300, True),
        (film("vp9", filesize=600 * MB), 7200, False),
        (film("vp9"), 7200, True),
        (film("vp9", filesize=600 * MB), None, True),
        (film("vp9", filesize_approx=60 * MB), 900, True),
    ],
)
def test_what_can_be_made_to_fit(part: dict[str, Any], seconds: float | None, *, fits: bool) -> None:
    """By length and limit; what the site does not tell rules nothing out."""
    product = FilmProduct(FORMATS["mp4"], FORMATS["mp4"].grade("720p"))
    assert product.can_fit(described(part, {}, seconds), passes=False) is fits


def test_what_parts_weigh() -> None:
    """Together, where each is told."""
    assert told_bytes([film("vp9", filesize=3), song("opus", filesize_approx=2.5)]) == 5
    assert told_bytes([film("vp9", filesize=3), song("opus")]) is None


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: f"{product.row.word}-{product.grade.word}")
def test_what_is_known_not_to_fit_is_refused_and_weighs_too_much(product: Product) -> None:
    """Five hours of film: a film, and a sound of a rate of its own, are refused with a weight over the limit."""
    told = described(film("vp9", filesize=2000 * MB), {}, 18_000.0)
    weight = product.weigh(told)
    known = product.row.kind == "video" or product.grade.bits_per_second is not None
    with pytest.raises(JobError) if known else nullcontext() as refused:
        product.judge(told, passes=product.passes(told))
    assert refused is None or refused.value.reason == "too_large"
    assert not known or (weight is not None and weight.size_bytes > told.upload_bytes)
