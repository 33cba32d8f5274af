from __future__ import annotations

import json

import pytest

from doradura.sandbox.api.keyboards import read_keyboard
from doradura.sandbox.api.parameters import Parameters, ReadError
from doradura.sandbox.http.content import parse_range
from doradura.sandbox.http.exchange import is_loopback_host
from doradura.sandbox.media.probe import Probed, parse_report, picture_size
from doradura.sandbox.server import BindError, parse_bind
from doradura.sandbox.state.refusal import RefusalError, bad_request
from doradura.sandbox.text.numbers import leading_integer


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", None),
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("pages=1-2", None),
    ],
)
def test_ranges(header: str, wanted: tuple[int, int] | None) -> None:
    """A Range header gives start and end, an empty stretch when nothing is there, and None when it means nothing."""
    assert parse_range(header, 100) == wanted


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3:80", True),
        ("LOCALHOST:8082", True),
        ("[::1]:8082", True),
        ("[::1]", True),
        ("", False),
        ("evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("localhost.evil.com:8082", False),
        ("192.168.0.1", False),
        ("0.0.0.0:1", False),
    ],
)
def test_only_loopback_hosts_are_answered(host: str, *, allowed: bool) -> None:
    """Names and addresses of this machine alone are taken, with any port."""
    assert is_loopback_host(host) is allowed


def test_bind_addresses() -> None:
    """Loopback addresses are taken; others are refused with a sentence that names them."""
    assert parse_bind("127.0.0.1:8082")[1:] == ("127.0.0.1", 8082)
    assert parse_bind("localhost:0")[1:] == ("127.0.0.1", 0)
    assert parse_bind("[::1]:1")[1:] == ("::1", 1)
    with pytest.raises(BindError, match=r"loopback only .* not on 0\.0\.0\.0:8082"):
        parse_bind("0.0.0.0:8082")
    for wrong in ("127.0.0.1", "example.org:80", "127.0.0.1:99999", ":80"):
        with pytest.raises(BindError):
            parse_bind(wrong)


def test_integers_are_read_as_the_server_does() -> None:
    """Leading digits count, garbage is 0."""
    assert [leading_integer(text) for text in ("12", " -3x", "abc", "", "7.9")] == [12, -3, 0, 0, 7]


def test_the_first_value_wins_and_texts_have_a_limit() -> None:
    """A second value of a name is ignored; a mebibyte of text is too much."""
    parameters = Parameters()
    parameters.put("a", "1")
    parameters.put("a", "2")
    assert parameters.text("a") == "1"
    with pytest.raises(ReadError):
        parameters.put("b", "x" * 1024 * 1024)


def keyboard_error(markup: object) -> str:
    """Return the description a keyboard is refused with."""
    parameters = Parameters()
    parameters.put("reply_markup", markup if isinstance(markup, str) else json.dumps(markup))
    with pytest.raises(RefusalError) as raised:
        read_keyboard(parameters)
    return raised.value.description


def test_keyboards_are_refused_in_the_servers_words() -> None:
    """Each fault of a keyboard has the description Telegram gives it."""
    button = "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
    url = "Bad Request: inline keyboard button URL 'http://localhost/' is invalid: Wrong HTTP URL"
    assert keyboard_error("{") == "Bad Request: can't parse reply keyboard markup JSON object"
    assert keyboard_error([]) == "Bad Request: object expected as reply markup"
    assert keyboard_error({"inline_keyboard": [[{"text": "a"}]]}) == button
    assert keyboard_error({"inline_keyboard": [[{"text": "a", "url": "http://localhost/"}]]}) == url
    long = {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 33}]]}
    assert keyboard_error(long) == "Bad Request: BUTTON_DATA_INVALID"
    many = {"inline_keyboard": [[{"text": "a", "callback_data": "x"}]] * 101}
    assert keyboard_error(many) == "Bad Request: reply markup is too long"


def test_sixty_four_bytes_of_data_are_allowed() -> None:
    """The limit is 64 bytes, included."""
    parameters = Parameters()
    keyboard = {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 32}]]}
    parameters.put("reply_markup", json.dumps(keyboard))
    assert read_keyboard(parameters).inline == keyboard


def test_descriptions_begin_small_but_for_constants() -> None:
    """The server writes the first letter small unless the second is a capital or an underscore."""
    assert bad_request("Message is bad").description == "Bad Request: message is bad"
    assert bad_request("BUTTON_DATA_INVALID").description == "Bad Request: BUTTON_DATA_INVALID"


def test_ffmpegs_report_is_read() -> None:
    """Length, size and names are taken from what ffmpeg says of a file, the file's own before a stream's."""
    report = b"""Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'x':
  Metadata:
    title           : Song: one
    artist          : Me
  Duration: 01:02:03.60, start: 0.000000, bitrate: 504 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 640x360 [SAR 1:1], 398 kb/s
"""
    assert parse_report(report) == Probed(3724, 640, 360, "Song: one", "Me")
    assert parse_report(b"x: Invalid data found when processing input") == Probed()


def test_pictures_tell_their_size() -> None:
    """JPEG, PNG, GIF and WebP headers give width and height; anything else gives nothing."""
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x10\x00\x20\x03"
    assert picture_size(jpeg) == (32, 16)
    assert picture_size(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03") == (2, 3)
    assert picture_size(b"GIF89a\x02\0\x03\0") == (2, 3)
    assert picture_size(b"RIFF....WEBPVP8X" + bytes(8) + b"\x01\0\0\x02\0\0") == (2, 3)
    assert picture_size(b"hello") is None
    assert picture_size(jpeg[:8]) is None
