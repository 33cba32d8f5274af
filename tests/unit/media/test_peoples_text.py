"""Text that people wrote, and what of it goes."""

from __future__ import annotations

import pytest

from doradura.child.describing import clean, title_of
from doradura.media.links import LinkError, check_link
from doradura.media.peoples_text import on_one_line

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


@pytest.mark.parametrize("text", [FAMILY, PERSIAN, "sun\u00adshine", "\U0001fae8 new", "caf\u00e9\ufe0f", "a\u200eb"])
def test_what_people_see_stays(text: str) -> None:
    """Joiners, soft hyphens, marks and emoji newer than this Python are part of a title."""
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("two\nlines\u2028three\x00\x85end", "two lines three end"),
        ("abc\u202egpj.exe", "abcgpj.exe"),
        ("\u2067abc\u2069", "abc"),
        ("half \ud83d", "half"),
        ("\u200b \u200d\u00ad", ""),
    ],
)
def test_what_breaks_a_line_or_turns_it_goes(text: str, left: str) -> None:
    """Controls, line breaks, overrides and half characters go; what shows nothing is nothing."""
    assert on_one_line(text) == left


def test_links_keep_joiners_and_hosts_may_not_have_them() -> None:
    """A joiner in a path is part of the page's address; in a host it leads to another one than is read."""
    url = f"https://example.com/{PERSIAN}/{FAMILY}/\U0001fae8"
    assert check_link(url).url == url
    for bad in ("https://exam\u00adple.com/a", "https://exam\u200cple.com/a", "https://example.com/a\u202eb"):
        with pytest.raises(LinkError):
            check_link(bad)


@pytest.mark.parametrize("name", ["i", "master", "Index", "playlist"])
def test_a_files_part_in_a_player_is_no_title(name: str) -> None:
    """A plain file of such a name is called by its host; a page's own title counts whatever it is."""
    plain = {"title": name, "id": name, "extractor_key": "Generic"}
    assert title_of(plain, "https://www.example.com/x/i.mp4") == "example.com"
    assert title_of({**plain, "extractor_key": "Youtube"}, "https://www.example.com/") == name
