"""DORADURA_DOWNLOAD_PROXY by site."""

from __future__ import annotations

import pytest

from doradura.media.sites import SITES
from doradura.workers.ways import WaysError, parse_ways


def test_one_proxy_is_for_all() -> None:
    """As it has always been; none is no proxy for anybody. An `=` in its password makes no list of it."""
    assert set(parse_ways("socks5://u:p=@h:1").values()) == {"socks5://u:p=@h:1"}
    assert set(parse_ways(None).values()) == {None}
    assert parse_ways(None).keys() == set(SITES)


@pytest.mark.parametrize(
    ("setting", "youtube", "vimeo", "other"),
    [
        ("youtube=socks5://a:1,*=direct", "socks5://a:1", None, None),
        ("youtube=socks5://a:1", "socks5://a:1", None, None),
        ("*=http://b,youtube=direct", None, "http://b", "http://b"),
        ("youtube=socks5://a:1,other=http://c,*=http://b", "socks5://a:1", "http://b", "http://c"),
    ],
)
def test_each_site_has_its_way(setting: str, youtube: str | None, vimeo: str | None, other: str | None) -> None:
    """The site's own entry, else that of the rest, else none."""
    ways = parse_ways(setting)
    assert (ways["youtube"], ways["vimeo"], ways["other"]) == (youtube, vimeo, other)


def test_a_site_that_is_none_is_refused() -> None:
    """A slip of the pen must not lead that site's downloads out by another way; no password is repeated."""
    with pytest.raises(WaysError, match=r"names youtub, which is not a site .* there are youtube, ") as raised:
        parse_ways("youtub=socks5://u:hunter22@a:1,*=direct")
    assert "hunter22" not in str(raised.value)
