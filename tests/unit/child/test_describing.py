"""What a site says of an item, in our words."""

from __future__ import annotations

from typing import Any

import pytest

from doradura.child.describing import clean, describe, duration_of, has_own_title, performer_of, title_of


@pytest.mark.parametrize(
    ("info", "title"),
    [
        ({"title": "A song", "extractor_key": "Youtube"}, "A song"),
        ({"title": "A song (1)", "extractor_key": "Youtube"}, "A song (1)"),
        ({"title": "A page (1)", "extractor_key": "HTML5MediaEmbed"}, "A page"),
        ({"title": " two\nlines\x07 "}, "two lines"),
        ({"title": ""}, "example.com"),
        ({}, "example.com"),
    ],
)
def test_titles(info: dict[str, Any], title: str) -> None:
    """A title is one line and never empty; yt-dlp's count on a page's only film goes."""
    assert title_of(info, "https://www.example.com/x") == title


def test_a_plain_files_name_is_no_title() -> None:
    """Of a bare file the site says no more than its name."""
    assert not has_own_title({"title": "x", "id": "x", "extractor_key": "Generic"})
    assert not has_own_title({"title": "x", "id": "y", "extractor_key": "Generic", "direct": True})
    assert has_own_title({"title": "A page", "id": "y", "extractor_key": "Generic"})
    assert has_own_title({"title": "x", "id": "x", "extractor_key": "Youtube"})


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"artists": ["A", "B"], "uploader": "C"}, "A, B"),
        ({"artist": "A", "artists": ["B"]}, "A"),
        ({"channel": "C", "uploader": "U"}, "C"),
        ({"uploader": "U"}, "U"),
        ({"artist": " "}, None),
        ({}, None),
    ],
)
def test_performers(info: dict[str, Any], name: str | None) -> None:
    """The artist before the channel before the uploader; nothing is None."""
    assert performer_of(info) == name


@pytest.mark.parametrize(("value", "seconds"), [(10, 10.0), (0, None), (None, None), (-1, None), ("10", None)])
def test_nothing_is_never_zero(value: object, seconds: float | None) -> None:
    """A length that is not known is None, never 0:00."""
    assert duration_of({"duration": value}) == seconds


def test_a_description() -> None:
    """The best picture's height and whether there is one come from the formats."""
    info = {
        "title": "T",
        "extractor": "site",
        "webpage_url": "https://example.com/x",
        "formats": [{"vcodec": "none"}, {"vcodec": "h264", "height": 720}, {"vcodec": "h264", "height": 360}],
    }
    metadata = describe(info, extraction_seconds=0.5)
    assert (metadata.title, metadata.has_video, metadata.height, metadata.sizes) == ("T", True, 720, ())
    assert (metadata.performer, metadata.duration_seconds) == (None, None)
    assert describe({"formats": [{"vcodec": "none"}]}, extraction_seconds=0).has_video is False
    assert describe({"formats": [{"vcodec": None}]}, extraction_seconds=0).has_video is None


def test_texts_are_cut() -> None:
    """A text has an end."""
    assert clean("x" * 1000) == "x" * 300
    assert clean(7) is None


@pytest.mark.parametrize(
    ("name", "title"),
    [
        *(
            (name, "a.example")
            for name in ("i", "master", "Index", "index_0", "chunklist_b2000000", "master-720p", "init")
        ),
        *((name, name) for name in ("1080p", "movie", "video-call", "Index of fears", "Blade Runner 2049", "12345")),
    ],
)
def test_what_a_players_files_are_called_is_no_title(name: str, title: str) -> None:
    """A number or a quality behind such a name makes it none either; people's names stay."""
    assert title_of({"extractor_key": "Generic", "direct": True, "title": name}, "https://www.a.example/x") == title
