"""What Telegram finds in a text by itself, and what it does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from doradura.sandbox.text import addresses as addresses_module
from doradura.sandbox.text.addresses import addresses
from doradura.sandbox.text.detect import detect_entities, find_entities
from doradura.sandbox.text.markup import parse_html


def value(text: str, entity: dict[str, Any]) -> str:
    """Return the part of a text an entity is about."""
    return text.encode("utf-16-le")[2 * entity["offset"] :][: 2 * entity["length"]].decode("utf-16-le")


def found(text: str) -> list[tuple[str, str]]:
    """Return what is found in a text, by name and value."""
    return [(entity["type"], value(text, entity)) for entity in find_entities(text)]


def of_kind(text: str, kind: str) -> list[str]:
    """Return the values of one kind that are found in a text; nothing else may be there."""
    assert {name for name, _ in found(text)} <= {kind}
    return [each for _, each in found(text)]


def test_a_sentence() -> None:
    """Everything is found where Telegram finds it, with UTF-16 offsets, without the sentence's punctuation."""
    text = "😀 /start@some_bot see https://x.org/a_(b). or youtube.com/watch?v=1, @user1 #tag (mail a.b@c.org!) $USD"
    assert found(text) == [
        ("bot_command", "/start@some_bot"),
        ("url", "https://x.org/a_(b)"),
        ("url", "youtube.com/watch?v=1"),
        ("mention", "@user1"),
        ("hashtag", "#tag"),
        ("email", "a.b@c.org"),
        ("cashtag", "$USD"),
    ]
    assert find_entities(text)[0] == {"type": "bot_command", "offset": 3, "length": 15}
    assert found("1/2 and/or a@b #1 Yes.No file.txt 12:30 1,000.00") == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@four @abc @gif @PIC @nft @ufc @vid @no", ["@four", "@gif", "@PIC", "@nft", "@ufc", "@vid"]),
        (f"@{'a' * 32} @{'b' * 33}", [f"@{'a' * 32}"]),
        ("(@name), @name's @name_1! @@twice", ["@name", "@name", "@name_1", "@twice"]),
        ("mail@name ж@name @nameж @name² _@name", []),
        ("@first@second", ["@first"]),
    ],
)
def test_mentions(text: str, names: list[str]) -> None:
    """Names have 4 to 32 letters and digits, but for some short ones that exist, and stand apart from words."""
    assert of_kind(text, "mention") == names


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("/a /b_1, (/c) /D", ["/a", "/b_1", "/c", "/D"]),
        (f"/{'a' * 64} /{'b' * 65}", [f"/{'a' * 64}"]),
        ("/go@bot /go@ab /go@ /go@bot_", ["/go@bot", "/go@bot_"]),
        ("and/or //x </b> /usr/bin /жук /goж 1/2 />", []),
        ("/go.", ["/go"]),
    ],
)
def test_commands(text: str, commands: list[str]) -> None:
    """Commands have up to 64 letters and digits and stand apart from words, slashes and angle brackets."""
    assert of_kind(text, "bot_command") == commands


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#a #Ж1 #_b #1c (#d)", ["#a", "#Ж1", "#_b", "#1c", "#d"]),
        ("#1 #_ # ## a#b #a# #a#b", []),
        ("#a²", ["#a"]),
        ("#te·st", ["#te·st"]),
        ("#tag@abc #tag@ab", ["#tag@abc", "#tag"]),
        (f"#{'1' * 255}a #{'1' * 256}a", [f"#{'1' * 255}a"]),
        (f"#{'a' * 300}", [f"#{'a' * 256}"]),
        (f"#{'a' * 257}@abc", [f"#{'a' * 256}"]),
    ],
)
def test_hashtags(text: str, tags: list[str]) -> None:
    """Tags need a letter, end with the 256th character, and may name a chat."""
    assert of_kind(text, "hashtag") == tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("$A $ABCDEFGH, ($USD)", ["$A", "$ABCDEFGH", "$USD"]),
        ("$ABCDEFGHI $usd $USd $US1 $1USD a$USD $$USD $USD$ $ $5", []),
        ("$1INCH $1INC", ["$1INCH"]),
        ("$TON@abc $TON@ab", ["$TON@abc", "$TON"]),
        (f"$TON@{'a' * 32} $TON@{'a' * 33}", [f"$TON@{'a' * 32}", "$TON"]),
    ],
)
def test_cashtags(text: str, tags: list[str]) -> None:
    """Cashtags are 1 to 8 capital letters, or 1INCH, with no letter, digit or dollar beside them."""
    assert [each for kind, each in found(text) if kind == "cashtag"] == tags


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("4111111111111111", ["4111111111111111"]),
        ("4111 1111 1111 1111, 4111-1111-1111-1111", ["4111 1111 1111 1111", "4111-1111-1111-1111"]),
        ("4111111111111112 411111111111111, 220000000000004, 41111111111111111111", []),
        (
            "378282246310005, 5555555555554444, 2200000000000004",
            ["378282246310005", "5555555555554444", "2200000000000004"],
        ),
        ("a4111111111111111 4111111111111111ж 4111111111111111_", []),
        ("_4111111111111111", []),
        ("-4111111111111111, 0.4111111111111111 +4111111111111111", []),
        ("4111111111111111 5", ["4111111111111111"]),
        ("4  1  1  1  1  1  1  1  1  1  1  1  1  1  1  1", []),
        ("6200000000000005 620000000000003", ["6200000000000005"]),
    ],
)
def test_bank_cards(text: str, cards: list[str]) -> None:
    """13 to 19 digits whose last checks the others, of a length the network has; groups may be parted."""
    assert of_kind(text, "bank_card_number") == cards


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("+1-212-555-0123", ["+1-212-555-0123"]),
        ("call +7 (999) 123-45-67 now, or +44 20 7946 0958.", ["+7 (999) 123-45-67", "+44 20 7946 0958"]),
        ("+123456 +1234567890123456 a+79991234567 ++79991234567 +79991234567a 1+1 +0123456789", []),
    ],
)
def test_phone_numbers(text: str, phones: list[str]) -> None:
    """A plus and 7 to 15 digits, in groups parted by one space or hyphen or in brackets."""
    assert of_kind(text, "phone_number") == phones


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        # With and without a scheme, and what may stand in front.
        (
            "x.org X.ORG http://x.org HTTPS://x.org ftp://x.org",
            ["x.org", "X.ORG", "http://x.org", "HTTPS://x.org", "ftp://x.org"],
        ),
        ("'x.org' \"x.org\" (x.org) «x.org» <x.org>", ["x.org"] * 5),
        ("sftp://x.org shttp://x.org rdar://x.org ://x.org", []),
        ("seehttp://x.org", ["http://x.org"]),
        ("/x.org #x.org #1.org .x.org -x.org", ["-x.org"]),
        # Top level domains.
        (
            "x.museum x.онлайн x.рф x.onion x.ton x.xn--p1ai",
            ["x.museum", "x.онлайн", "x.рф", "x.onion", "x.ton", "x.xn--p1ai"],
        ),
        ("end.Org x.oRG x.py x.notld x.o x.xn--", ["x.oRG", "x.py"]),
        ("http://x.notld http://x.o http://x.no-tld", ["http://x.notld"]),
        # Hosts.
        ("пример.com xn--e1afmkfd.com 🤙.tk", ["пример.com", "xn--e1afmkfd.com", "🤙.tk"]),
        ("a_b.x.org a_b.org _.org a-.org a-b.org a..org", ["a_b.x.org", "a-b.org"]),
        (f"{'a' * 63}.org {'a' * 64}.org", [f"{'a' * 63}.org"]),
        ("a_b.xn--p1ai a.xn--p1ai", ["a.xn--p1ai"]),
        ("teiegram.org", []),
        # IPv4 addresses.
        ("1.2.3.4 255.255.255.255 http://127.0.0.1:80/x", ["1.2.3.4", "255.255.255.255", "http://127.0.0.1:80/x"]),
        ("256.1.1.1 1.2.3 01.2.3.4 1.2.3.4.5 1.0", []),
        ("http://[::1]/", []),
        # Ports.
        ("x.org:80 x.org:65535/a x.org:00080/a", ["x.org:80", "x.org:65535/a", "x.org:00080/a"]),
        ("x.org:0/a x.org:65536/a x.org:/a x.org:100000", ["x.org"] * 4),
        # Who, before the host.
        ("http://u@x.org http://u:p@x.org:8080/a", ["http://u@x.org", "http://u:p@x.org:8080/a"]),
        ("http://@x.org http://@@x.org", []),
        # Paths, queries, fragments, and where they end.
        (
            "x.org/? x.org? x.org# x.org/# x.org## x.org?q",
            ["x.org/", "x.org", "x.org", "x.org/#", "x.org##", "x.org?q"],
        ),
        ("x.org/a. x.org/a?! x.org/a), x.org/a'", ["x.org/a"] * 4),
        (
            "x.org/a_(b) (x.org/a_(b)) x.org/a(b x.org/a[b] x.org/a]b",
            ["x.org/a_(b)", "x.org/a_(b)", "x.org/a(b", "x.org/a[b]", "x.org/a"],
        ),
        (
            "x.org/a\u00bb x.org/a\u2026 x.org/a\u3000b x.org/ж\u2014",
            ["x.org/a", "x.org/a", "x.org/a", "x.org/ж\u2014"],
        ),
        ("x.org... x.org, x.org; x.org!", ["x.org"] * 4),
        ("x.org,y.org", ["x.org", "y.org"]),
        # Telegram's own.
        ("tg://a TON://b_-/c tonsite://d", ["tg://a", "TON://b_-/c", "tonsite://d"]),
        ("tg:a tg:/a tg:// tg://ж tg://x.org", ["tg://x"]),
        ("tg://a/? tg://a? tg://a?b=c). stg://a", ["tg://a/", "tg://a", "tg://a?b=c)", "tg://a"]),
    ],
)
def test_urls(text: str, urls: list[str]) -> None:
    """Addresses of all forms, without what only ends a sentence or closes a bracket they did not open."""
    assert [each for kind, each in found(text) if kind == "url"] == urls


@pytest.mark.parametrize(
    ("text", "emails"),
    [
        ("a@b.org a+b.c-d_e@f-g.museum mailto:x@y.org", ["a@b.org", "a+b.c-d_e@f-g.museum", "x@y.org"]),
        ("a@b.c a@b a@b.123 a@-b.org a@b.abcdefghi", []),
        (f"{'a' * 35}@b.org {'a' * 36}@b.org", [f"{'a' * 35}@b.org"]),
        ("x@[1.2.3.4]", []),
    ],
)
def test_emails(text: str, emails: list[str]) -> None:
    """E-mail addresses of ASCII letters, with the lengths Telegram allows; other addresses with an @ are links."""
    assert [text[begin:end] for (begin, end), kind in addresses(text) if kind == "email"] == emails


def test_what_overlaps() -> None:
    """What begins first stays, and of two beginnings at one place the longer."""
    assert found("x.org/@name #tag") == [("url", "x.org/@name"), ("hashtag", "#tag")]
    assert found("https://x.org/#tag/go") == [("url", "https://x.org/#tag/go")]
    assert found("me@name.org") == [("email", "me@name.org")]
    assert found("/go@some.org") == [("bot_command", "/go@some")]
    assert found("@name.org") == [("mention", "@name")]
    assert found("tonsite://x.ton/a") == [("url", "tonsite://x.ton/a")]


@pytest.mark.parametrize(
    ("markup", "kinds"),
    [
        ("<code>/start</code> /help", ["code", "bot_command"]),
        ("<pre>@name</pre>", ["pre"]),
        ('<a href="http://y.org">x.org</a>', ["text_link"]),
        ('<a href="http://y.org">see</a> x.org', ["text_link", "url"]),
        ("<code>x</code>.org", ["code"]),
        ("<blockquote>@name</blockquote>", ["blockquote", "mention"]),
        ("<blockquote>@na</blockquote>me", ["blockquote"]),
        ("@na<blockquote>me</blockquote>", ["blockquote"]),
        ("<b>@name</b>", ["mention", "bold"]),
        ("<b>a @name b</b>", ["bold", "mention", "bold", "bold"]),
        ("@na<b>me</b>", ["mention", "bold"]),
    ],
)
def test_beside_what_is_given(markup: str, kinds: list[str]) -> None:
    """Code and links hold nothing, a quotation only the whole of it, and styles are cut where it begins and ends."""
    assert [entity["type"] for entity in detect_entities(*parse_html(markup))] == kinds


def test_no_text_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The characters read grow as the text does, however often something seems to begin in it; no number is retried."""
    counted = 0
    before, after, path = (getattr(addresses_module, name) for name in ("_run_before", "_run_after", "_after_path"))

    def run_before(pattern: re.Pattern[str], backward: str, end: int, begin: int) -> int:
        nonlocal counted
        first: int = before(pattern, backward, end, begin)
        counted += end - first + 1
        return first

    def run_after(pattern: re.Pattern[str], text: str, begin: int) -> int:
        nonlocal counted
        end: int = after(pattern, text, begin)
        counted += end - begin + 1
        return end

    def after_path(text: str, begin: int) -> int:
        nonlocal counted
        end: int = path(text, begin)
        counted += end - begin + 1
        return end

    monkeypatch.setattr(addresses_module, "_run_before", run_before)
    monkeypatch.setattr(addresses_module, "_run_after", run_after)
    monkeypatch.setattr(addresses_module, "_after_path", after_path)
    for piece in (
        *("(", "@", ".", "a.", "@.", "a@.", "#.a", "/a.b", "x.y@", "://.", "a.b:", "a.ru(", "/a.ru/b", "http://a.com/"),
        *("+1", "+1 1", "1 ", "1-", "$A", "#a", "tg://a?", "tg://a/."),
    ):
        text = piece * (32_000 // len(piece))
        counted = 0
        find_entities(text)
        assert counted <= 4 * len(text), piece
    for number in ("1" * 4000, "1 " * 2000, "1-" * 2000, "(1)" * 1000):
        assert of_kind(f"+1{number}a", "phone_number") == []
