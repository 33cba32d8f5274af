"""Links in messages, links refused, and one spelling for each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.media.links import (
    Found,
    LinkError,
    canonical,
    check_link,
    read_address,
    read_links,
)


@dataclass(frozen=True)
class Entity:
    type: str
    offset: int
    length: int
    url: str | None = None


def find_links(text: str, entities: Sequence[Entity] = ()) -> list[str]:
    """Return the links of a message."""
    return [found.url for found in read_links(text, entities)[0]]


def find_link(text: str, entities: Sequence[Entity] = ()) -> str | None:
    """Return the first one."""
    return next(iter(find_links(text, entities)), None)


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("look: https://example.com/a.", "https://example.com/a"),
        ("(https://example.com/a_(b))", "https://example.com/a_(b)"),
        ("HTTP://EXAMPLE.com/A and https://second.example/", "HTTP://EXAMPLE.com/A"),
        ("see www.example.com/a?b=c!", "https://www.example.com/a?b=c"),
        ("youtu.be/abc", "https://youtu.be/abc"),
        ("it is m.youtube.com/watch?v=1, yes", "https://m.youtube.com/watch?v=1"),
        ("/download https://example.com/a mp3", "https://example.com/a"),
        ("<https://example.com/a>", "https://example.com/a"),
        ("https://example.com/a\u00bb", "https://example.com/a"),
        ("https://example.com/a\U0001f600", "https://example.com/a"),
        ("https://example.com/\U0001f355", "https://example.com/\U0001f355"),
        ("https://example.com/\U0001f355\U0001f355", "https://example.com/\U0001f355\U0001f355"),
        ("https://youtu.be/abc\U0001f468\u200d\U0001f469\u200d\U0001f467 mp3", "https://youtu.be/abc"),
        ("\u770bhttps://youtu.be/abc\uff0c\u5f88\u597d\u770b", "https://youtu.be/abc"),
        ("https://youtu.be/abc\u3002\u5f88\u597d", "https://youtu.be/abc"),
        ("\u300chttps://youtu.be/abc\u300d", "https://youtu.be/abc"),
        ("\u0634\u0627\u0647\u062f https://youtu.be/abc\u061f", "https://youtu.be/abc"),
        ("https://youtu.be/abc\u060c \u062b\u0645", "https://youtu.be/abc"),
        ("https://example.com/a\u200cb.mp4", "https://example.com/a\u200cb.mp4"),
        ("me@youtube.com/x", None),
        ("notyoutu.be/abc", None),
        ("words alone", None),
        ("example.com", None),
        ("", None),
    ],
)
def test_finding_a_link_in_a_text(text: str, link: str | None) -> None:
    """The first http link is found without what belongs to the sentence around it."""
    assert find_link(text) == link


def test_a_long_run_of_emoji_takes_no_time() -> None:
    """The longest message, made of emoji and full stops, is read in a moment: the whole program waits meanwhile."""
    text = "http://example.com/" + "\u2600" * 2000 + "a" + "." * 2000
    began = time.process_time()
    assert find_link(text) == text.rstrip(".")
    assert time.process_time() - began < 2.0


def test_entities_are_counted_in_utf16() -> None:
    """Telegram counts UTF-16 units: a smile before the link shifts nothing."""
    text = "\U0001f600 example.com/a here"
    assert find_link(text, [Entity("url", 3, 13)]) == "https://example.com/a"


def test_a_hidden_link_counts_where_it_stands() -> None:
    """A word that carries a link comes before a link written after it, and after one written before it."""
    hidden = Entity("text_link", 0, 4, "https://hidden.example/")
    assert find_link("this https://b.example/", [hidden]) == "https://hidden.example/"
    late = Entity("text_link", 21, 4, "https://hidden.example/")
    assert find_link("see https://b.example/ this", [late]) == "https://b.example/"


def test_an_entity_of_another_scheme_is_passed_over() -> None:
    """A marked link that is no http link gives way to the next that is one."""
    entities = [Entity("text_link", 0, 1, "tg://user?id=1"), Entity("mention", 2, 3)]
    assert find_link("a @bc https://b.example/", entities) == "https://b.example/"


@pytest.mark.parametrize(
    ("text", "link", "kind"),
    [
        ("get ftp://example.com/a, please", "ftp://example.com/a", "scheme"),
        ("file:///etc/passwd", "file:///etc/passwd", "scheme"),
        ("file:/etc/passwd", "file:/etc/passwd", "scheme"),
        ("FILE:///etc/passwd", "FILE:///etc/passwd", "scheme"),
        ("javascript:alert(1)", "javascript:alert(1)", "scheme"),
        ("data:text/html;base64,AAAA", "data:text/html;base64,AAAA", "scheme"),
        ("magnet:?xt=urn:btih:1", "magnet:?xt=urn:btih:1", "scheme"),
        ("rtmp://example.com/a", "rtmp://example.com/a", "scheme"),
        ("http://", "http://", "host"),
        ("see https:// there", "https://", "host"),
        ("http:/example.com/a", "http:/example.com/a", "host"),
    ],
)
def test_a_link_of_another_kind_is_found_to_be_refused(text: str, link: str, kind: str) -> None:
    """A link that is never fetched is given as it stands, and the judgement says what is wrong with it."""
    assert find_link(text) == link
    with pytest.raises(LinkError) as refused:
        check_link(link)
    assert (refused.value.reason, refused.value.kind) == ("unsupported", kind)


def test_an_http_link_comes_before_one_of_another_kind() -> None:
    """What can be fetched is taken, wherever in the message it stands."""
    assert find_link("ftp://a.example/ http:// and https://b.example/") == "https://b.example/"


@pytest.mark.parametrize(
    "text",
    [
        "note: hello",
        "12:30",
        "a:b",
        "std::vector",
        "data:",
        "data: 5",
        "javascript: good",
        "javascript:!",
        "so sad ://",
    ],
)
def test_a_colon_makes_no_link(text: str) -> None:
    """Words with a colon in them are words."""
    assert find_link(text) is None


def test_a_marked_name_with_a_port_is_a_link() -> None:
    """What stands before a port is no scheme."""
    assert find_link("example.com:8080/a", [Entity("url", 0, 18)]) == "https://example.com:8080/a"


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("http://[::ffff:127.0.0.1]/", Entity("url", 15, 9)),
        ("http://nas:8080/get?of=http://example.com/a", Entity("url", 23, 20)),
        ("look: http://nas/a, good", Entity("url", 8, 5)),
    ],
)
def test_a_mark_within_a_link_makes_no_second_one(text: str, mark: Entity) -> None:
    """Telegram marks a part of what it takes for no link; the whole of it is one."""
    assert find_links(text, [mark]) == [text.removeprefix("look: ").removesuffix(", good")]


@given(
    st.text(st.one_of(st.sampled_from(":/.?#@ahtpsfile\ud800"), st.characters(exclude_categories=())), max_size=80),
    st.lists(
        st.builds(
            Entity,
            st.sampled_from(["url", "text_link", "bold"]),
            st.integers(0, 100),
            st.integers(0, 100),
            st.one_of(st.none(), st.text(max_size=20)),
        ),
        max_size=3,
    ),
)
def test_a_link_is_looked_for_in_any_text(text: str, entities: list[Entity]) -> None:
    """No text makes the search fail, and what it gives is judged like any other link."""
    found = find_link(text, entities)
    if found is not None:
        with contextlib.suppress(LinkError):
            canonical(check_link(found).url)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("file:///etc/passwd", "scheme"),
        ("ftp://example.com/a", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("example.com/a", "scheme"),
        ("https://example.com/" + "a" * 8192, "length"),
        ("https://", "host"),
        ("https:///a", "host"),
        ("http://exa%6dple.com/", "host"),
        ("http://-/../a b", "characters"),
        ("http://example.com/\x00", "characters"),
        ("http://example.com/\n", "characters"),
        ("http://example.com\\@127.0.0.1/", "characters"),
        ("http://user:secret@example.com/", "credentials"),
        ("http://@example.com/", "credentials"),
        ("http://example.com:99999/", "port"),
        ("http://example.com:0/", "port"),
        ("http://example.com:x/", "port"),
        ("http://[::1/", "host"),
        ("http://exa mple.com/", "characters"),
    ],
)
def test_no_link_of_ours(url: str, kind: str) -> None:
    """What is no plain http link is unsupported, and says in which way."""
    with pytest.raises(LinkError) as refused:
        check_link(url)
    assert (refused.value.reason, refused.value.kind) == ("unsupported", kind)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "0",
        "0.0.0.0",
        "255.255.255.255",
        "999.1.1.1",
        "1.2.3.4.5",
        "4294967296",
        "08.1.1.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.0.0.1",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "printer.local",
        "metadata.google.internal",
        "router.lan",
        "intranet",
    ],
)
def test_addresses_that_are_not_public(host: str) -> None:
    """A host that is not public is refused in every spelling of it."""
    with pytest.raises(LinkError) as refused:
        check_link(f"http://{host}/a")
    assert refused.value.reason == "refused_address"


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "134744072", "[2606:4700::1111]", "example.com", "b\u00fccher.example", "a_b.example"]
)
def test_public_hosts_pass(host: str) -> None:
    """Public addresses and names pass; what a name stands for is judged when a worker connects."""
    assert check_link(f"https://{host}/a").port == 443


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8082/media/sample.mp4", "127.0.0.1:8082"),
        ("http://localhost:8082/media/sample.mp4", "localhost:8082"),
        ("http://localhost:8082/media/sample.mp4", "127.0.0.1:8082"),
        ("http://10.1.2.3/a", "10.0.0.0/8"),
        ("http://[::1]:8082/a", "[::1]:8082"),
    ],
)
def test_what_is_allowed_although_private(url: str, allowed: str) -> None:
    """An operator may open single endpoints and networks."""
    assert check_link(url, [allowed]).url == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8083/a", "http://127.0.0.2:8082/a", "http://127.0.0.1/a"])
def test_no_more_is_allowed_than_was_said(url: str) -> None:
    """An allowed endpoint opens neither its neighbours nor its other ports."""
    with pytest.raises(LinkError):
        check_link(url, ["127.0.0.1:8082"])


def test_a_link_tells_its_parts() -> None:
    """Host, port and site are read once, here."""
    link = check_link("https://WWW.YouTube.com:8443/watch?v=1")
    assert (link.host, link.port, link.site) == ("www.youtube.com", 8443, "youtube")


@given(st.integers(0, 2**32 - 1))
def test_one_number_in_every_spelling(number: int) -> None:
    """Decimal, octal, hexadecimal and dotted spellings of an address read the same."""
    plain = read_address(str(number))
    spellings = [f"0x{number:x}", f"0{number:o}", f"{number >> 24}.{number & 0xFFFFFF}"]
    assert plain is not None
    assert {read_address(spelling) for spelling in spellings} == {plain}


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    """No text makes the judgement fail otherwise than by its own error."""
    for url in (text, f"http://{text}/"):
        try:
            check_link(url)
        except LinkError:
            continue


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTP://Example.COM:80/A?b=C#", "http://example.com/A?b=C"),
        ("https://example.com/a#t=90", "https://example.com/a"),
        ("https://example.com/a?v=1#t=1m30s", "https://example.com/a?v=1"),
        ("https://example.com/a#t=10,20", "https://example.com/a"),
        ("https://example.com/#title=1", "https://example.com/#title=1"),
        ("https://music.163.com/#/song?id=1", "https://music.163.com/#/song?id=1"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://example.com/a?utm_source=x&b=1&fbclid=y&a=2", "https://example.com/a?b=1&a=2"),
        ("http://127.0.0.1:8082/media/big.mp4?mb=45", "http://127.0.0.1:8082/media/big.mp4?mb=45"),
        ("https://youtu.be/abc?si=track&t=10", "https://youtu.be/abc?t=10"),
        ("https://example.com/a?si=7", "https://example.com/a?si=7"),
        ("https://example.com/a?b=%2F&b=2", "https://example.com/a?b=%2F&b=2"),
        ("https://example.com/a?flag", "https://example.com/a?flag"),
        ("http://[::1]:8082/a", "http://[::1]:8082/a"),
    ],
)
def test_one_spelling(url: str, plain: str) -> None:
    """What does not say which media is meant goes; all else stays in its order, and a second time changes nothing."""
    assert canonical(url) == plain
    assert canonical(plain) == plain


@pytest.mark.parametrize(
    ("text", "url", "words"),
    [
        ("example.com/film.mp4 mp4", "https://example.com/film.mp4", ["mp4"]),
        ("mp3 media.example:8080/a, 320k", "https://media.example:8080/a", ["mp3", "320k"]),
        ("192.0.2.7/a m4a", "https://192.0.2.7/a", ["m4a"]),
    ],
)
def test_a_bare_address_where_one_is_awaited(text: str, url: str, words: list[str]) -> None:
    """Behind /download a word that can be an address is one, and its scheme is known to be a guess."""
    assert read_links(text)[0] == []
    found = read_links(text, bare=True)
    assert found == ([Found(url, guessed=True)], words)


@pytest.mark.parametrize("text", ["mp3 320k", "1.5", "hello", "a.b", "12:30"])
def test_words_that_are_no_addresses(text: str) -> None:
    """A quality, a number and a sentence are none."""
    assert read_links(text, bare=True)[0] == []


def test_the_words_beside_a_link() -> None:
    """What is glued to a link, marks and emoji are no words."""
    link = "https://example.com/a"
    assert read_links(f"{link}\U0001f600 mp3 320k!")[1] == ["mp3", "320k!"]
    assert read_links(f"mp4: {link}\uff0c\u5f88\u597d -")[1] == ["mp4:"]
    hidden = Entity("text_link", 0, 4, link)
    assert read_links("here m4a", [hidden]) == ([Found(link, guessed=False)], ["m4a"])
