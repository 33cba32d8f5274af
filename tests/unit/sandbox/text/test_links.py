"""Links a bot gives are kept in one form, or refused in TDLib's words."""

from __future__ import annotations

import pytest

from doradura.sandbox.text.links import (
    BadLinkError,
    checked_link,
    custom_emoji_id,
    emoji_id_in,
    kept_link,
    time_in,
    user_id_in,
)


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("X.org", "http://x.org/"),
        ("HTTPS://X.org?Q=1", "https://x.org/?Q=1"),
        ("https://x.org/Path#F", "https://x.org/Path#F"),
        ("http://U:p@X.org:0080/a b\n", "http://U:p@x.org:80/a%20b"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
        ("пример.рф", "http://пример.рф/"),
        ("http://a%20b.org", "http://a%20b.org/"),
        ("tg:resolve?domain=x", "tg://resolve?domain=x"),
        ("TG://resolve/a", "tg://resolve/a"),
        ("ton://x-_", "ton://x-_/"),
        ("tonsite://x.ton", "tonsite://x.ton/"),
    ],
)
def test_kept_links(link: str, kept: str) -> None:
    """With a scheme, the host in small letters, and at least a slash behind it."""
    assert checked_link(link) == kept
    assert kept_link(link) == kept


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("", "URL host is empty"),
        ("http://", "URL host is empty"),
        ("nodot", "Wrong HTTP URL"),
        (".", "Host is invalid"),
        ("ftp://x.org", "Unsupported URL protocol"),
        ("http://x.org:0", "Wrong port number specified in the URL"),
        ("http://x.org:65536", "Wrong port number specified in the URL"),
        ("http://x.org:y", "Wrong port number specified in the URL"),
        ("http://a b.org", "Disallowed character in URL host"),
        ("http://a\\b@x.org", "Disallowed character in URL userinfo"),
        ("http://a%2.org", "Wrong percent-encoded symbol in URL host"),
        ("http://[1]/", "Wrong IPv6 address specified in the URL"),
        ("tg:http://x.org", "Wrong tg URL"),
        ("tg://x:80", "Wrong tg URL"),
        ("ton://u@x", "Wrong ton URL"),
        ("ton://x.y", "Unallowed characters in URL host"),
    ],
)
def test_refused_links(link: str, why: str) -> None:
    """What Telegram does not keep, and what it says of it."""
    with pytest.raises(BadLinkError) as refused:
        checked_link(link)
    assert str(refused.value) == why
    assert kept_link(link) == ""


def test_what_own_links_say() -> None:
    """Users, emoji and times, in every spelling; the first of two counts; other links say nothing."""
    assert user_id_in("tg://user?id=7") == user_id_in("TG:User/?a=1&ID=7&id=8#id=9") == 7
    assert [user_id_in(link) for link in ("tg://user?id=07", "tg://user?id=-7", "tg://users?id=7", "x.org?id=7")] == [
        0
    ] * 4
    assert kept_link("tg:user/?id=7") == "tg://user?id=7"
    assert emoji_id_in("TG:EMoji/?a=1&id=25#id=3") == emoji_id_in("tg://emoji?id=25") == "25"
    assert [emoji_id_in(link) for link in ("tg://emoji", "tg://emoji?id=025", "tg://emoji?id=0", "t://emoji?id=1")] == [
        ""
    ] * 4
    assert [custom_emoji_id(each) for each in ("-5", "9223372036854775807", "9223372036854775808")] == [
        "-5",
        "9223372036854775807",
        "",
    ]
    assert time_in("tg://time?unix=5&format=wDT") == (5, "wDT")
    assert time_in("TG:Time/?unix=5") == (5, "")
    assert [time_in(link) for link in ("tg://time?unix=0", "tg://time?format=t", "tg://time?unix=2147483648")] == [
        None
    ] * 3
