"""Which kinds of product a link is offered in, and what it is said to lack."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from doradura.media import variant
from doradura.media.formats import FORMATS, ProductKind
from doradura.media.has import Has
from doradura.media.variant import offered
from tests.tried_formats import TRIED

KINDS: tuple[ProductKind, ...] = get_args(ProductKind)
SEEN = (True, False, None)


@pytest.mark.parametrize(
    ("has", "kinds"),
    [
        (Has(), {"audio", "video"}),
        (Has(film=True, sound=True), {"audio", "video", "picture"}),
        (Has(film=True, sound=False, subtitles=False, picture=False), {"video", "picture"}),
        (Has(film=False, sound=True), {"audio"}),
        (Has(film=False, sound=True, picture=True), {"audio", "picture"}),
        (Has(film=True, sound=True, subtitles=True), {"audio", "video", "subtitles", "picture"}),
        (Has(film=False, sound=False, subtitles=True), {"subtitles"}),
    ],
)
def test_a_new_row_is_offered_where_the_link_has_what_it_is_made_of(
    has: Has, kinds: set[ProductKind], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of a film or a sound unless the link is known to have none; subtitles and pictures where they were seen."""
    rows = {**FORMATS, **{row.word: row for row in TRIED}}
    monkeypatch.setattr(variant, "FORMATS", rows)
    found = dict.fromkeys(each.format for each in offered(has, lines=None))
    assert list(found) == [word for word, row in rows.items() if row.kind in kinds]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_lacking_is_not_offered(kind: ProductKind) -> None:
    """Whatever is known: what a kind is said to lack is its own word, and it has no button then."""
    for film, sound, subtitles, picture in product(SEEN, repeat=4):
        has = Has(film=film, sound=sound, subtitles=subtitles, picture=picture)
        assert has.lacks(kind) in {"", kind}
        assert not (has.lacks(kind) and has.offers(kind))


def test_what_nobody_knows_is_not_said_to_be_lacking() -> None:
    """And nothing is, of what has nothing else either: then it is no media at all."""
    for kind in KINDS:
        assert Has().lacks(kind) == ""
        assert Has(film=False, sound=False, subtitles=False, picture=False).lacks(kind) == ""
