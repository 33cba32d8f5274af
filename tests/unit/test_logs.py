from __future__ import annotations

import io
import json
import logging
from base64 import b64encode
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.logs import MESSAGE_CHARS, Redactor, configure

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
LOG = logging.getLogger("doradura.tests.logs")


def fail(error: Exception) -> None:
    """Raise from a frame of its own, as real errors do."""
    raise error


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


def test_text_line_has_time_level_logger_message_and_extras() -> None:
    """A text line is time in UTC, level, logger, message, then key=value, quoted where a space is in it."""
    stream = io.StringIO()
    with configure("text", "info", (), stream):
        LOG.info("job %s done", "j1", extra={"format": "mp3", "title": "two words", "none": ""})
    line = stream.getvalue()
    assert line.endswith('Z INFO doradura.tests.logs job j1 done format=mp3 title="two words" none=""\n')
    assert len(line.split(" ", maxsplit=1)[0]) == len("2026-01-02T03:04:05.678Z")


def test_json_line_is_one_object() -> None:
    """A JSON line is one object with the fixed keys, the extras, and the traceback under `exception`."""
    stream = io.StringIO()
    with configure("json", "info", (), stream):
        try:
            fail(ValueError("wrong\nwrong"))
        except ValueError:
            LOG.exception("it broke", extra={"count": 3, "level": "mine", "parts": ["a", {"b": None}], "ratio": 0.5})
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert "ValueError: wrong\nwrong" in found.pop("exception")
    assert found == {
        "level": "error",
        "logger": "doradura.tests.logs",
        "message": "it broke",
        "count": 3,
        "level_": "mine",
        "parts": ["a", {"b": None}],
        "ratio": 0.5,
    }


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("secret", ["s3cret/pass word", 'quote"and\\slash', "пароль", TOKEN])
def test_secret_is_in_no_part_of_a_line(style: str, secret: str) -> None:
    """A secret in message, arguments, extras, nested extras or a traceback's chain comes out as ***."""
    stream = io.StringIO()
    with configure("json" if style == "json" else "text", "debug", [secret], stream):
        try:
            try:
                fail(KeyError(secret))
            except KeyError as error:
                raise RuntimeError(f"for {secret!r}") from error
        except RuntimeError:
            LOG.exception(f"one {secret} two %s", secret, extra={"a": secret, "b": {"c": [secret]}, "d": secret.encode})  # noqa: G004
        LOG.info("json of it: %s", json.dumps({"k": secret}))
    written = stream.getvalue()
    assert "***" in written
    shown = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    assert not [form for form in shown if form in written]


@pytest.mark.parametrize(
    "text",
    [
        f"https://api.telegram.org/bot{TOKEN}/getMe",
        f"https://api.telegram.org/bot{TOKEN.replace(':', '%3A')}/getMe",
        f"?token={TOKEN.replace(':', '%3a')}&x=1",
        f"b'{TOKEN}'",
    ],
)
def test_any_bot_token_is_taken_out(text: str) -> None:
    """What looks like a bot token is taken out although nobody named it, as it is and in URLs."""
    assert "AAHdqTcv" not in Redactor(())(text)


def test_secret_is_taken_out_of_urls() -> None:
    """A secret is recognised percent-encoded, in either case of the digits, and as a form field."""
    redact = Redactor(["p/s w:rd"])
    assert redact("a p%2Fs%20w%3Ard b p%2fs%20w%3ard c p%2Fs+w%3Ard") == "a *** b *** c ***"


def test_secret_that_holds_another_goes_as_a_whole() -> None:
    """Of user:password nothing is left when password is a secret too; base64 of it goes as well."""
    assert Redactor(["pass", "password1"])("password1") == "***"
    assert Redactor(["password1", "user:password1"])("Basic user:password1 dXNlcjpwYXNzd29yZDE=") == "Basic *** ***"


def test_very_short_secret_is_left_alone() -> None:
    """A secret of three characters doesn't turn ordinary words into stars."""
    assert Redactor(["ing", ""])("working") == "working"


@given(st.text())
def test_no_text_makes_a_second_line(text: str) -> None:
    """Whatever a user writes, one log call is one line of visible characters."""
    stream = io.StringIO()
    with configure("text", "info", (), stream):
        LOG.info("said %s", text, extra={"title": text})
    assert stream.getvalue().count("\n") == 1
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_traceback_lines_stand_behind_a_bar() -> None:
    """An exception's text can't pass for a log line of ours."""
    stream = io.StringIO()
    with configure("text", "info", (), stream):
        try:
            fail(ValueError("x\n2026-01-01T00:00:00.000Z INFO doradura forged"))
        except ValueError:
            LOG.exception("it broke")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR doradura.tests.logs it broke")
    assert rest
    assert all(line.startswith("    | ") for line in rest)


@pytest.mark.parametrize("style", ["text", "json"])
def test_bad_log_call_is_reported_and_raises_nothing(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments or an object without text become a line that names the place, and nothing else is printed."""
    stream = io.StringIO()
    with configure("json" if style == "json" else "text", "info", (), stream):
        # pytest's own handler raises for such a call, so ours is asked directly.
        (ours,) = [item for item in logging.getLogger().handlers if type(item).__module__ == "doradura.logs"]
        for message, args in (("%d and %d", ("one",)), ("%s", (Unprintable(),)), (Unprintable(), ()), ("%z", (1,))):
            ours.handle(LOG.makeRecord(LOG.name, logging.INFO, __file__, 7, message, args, None))
    assert stream.getvalue().count("could not be written") == 4
    assert stream.getvalue().count("test_logs.py:7") == 4
    assert capsys.readouterr() == ("", "")


def test_broken_stream_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed stream and one whose reader left are no reason to fail, and nothing is printed for it."""
    tried: list[str] = []

    class Left(io.StringIO):
        def write(self, text: str) -> int:
            tried.append(text)
            raise BrokenPipeError(32, "Broken pipe")

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            tried.append(text)
            return super().write(text)

    for stream in (Left(), Closed()):
        stream.close()
        with configure("text", "info", (), stream):
            LOG.info("hello")
    assert len(tried) == 2
    assert capsys.readouterr() == ("", "")


def test_lone_surrogate_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file name that is no UTF-8 comes out escaped instead of losing its line."""
    # pytest's own handlers keep the line for their report, which xdist can't send.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    with configure("json", "info", (), stream):
        LOG.info("file \udcff")
    assert b"file" in raw.getvalue()


def test_configure_gives_logging_back() -> None:
    """After leaving, the root's handlers and every level are what they were; httpx was quiet meanwhile."""
    root, httpx = logging.getLogger(), logging.getLogger("httpx")
    before = (list(root.handlers), root.level, httpx.level)
    stream = io.StringIO()
    with configure("text", "debug", (), stream):
        assert root.level == logging.DEBUG
        httpx.info("HTTP Request: GET https://example.org")
        logging.getLogger("httpcore.http11").debug("receive_response_headers")
        LOG.debug("ours")
    LOG.warning("after")
    assert (list(root.handlers), root.level, httpx.level) == before
    assert len(stream.getvalue().splitlines()) == 1


def test_level_is_held() -> None:
    """Lines below the level are not written."""
    stream = io.StringIO()
    with configure("text", "warning", (), stream):
        LOG.info("no")
        LOG.warning("yes")
    assert [line.rsplit(" ", 1)[1] for line in stream.getvalue().splitlines()] == ["yes"]


def test_two_at_once_write_each_line_to_both() -> None:
    """Two programs in one process don't take each other's log away, in whatever order they leave."""
    one, two = io.StringIO(), io.StringIO()
    with configure("text", "info", (), one):
        with configure("json", "info", (), two):
            LOG.info("both")
        LOG.info("first alone")
    assert one.getvalue().count("\n") == 2
    assert two.getvalue().count("\n") == 1


HALF = TOKEN.partition(":")[2]


def everywhere(text: str) -> str:
    """Percent-encode every character, as a proxy may that trusts none."""
    return "".join(f"%{ord(character):02x}" for character in text)


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    "text",
    [
        HALF,
        f"secret={HALF}&x",
        everywhere(TOKEN),
        everywhere(HALF).upper(),
        everywhere(HALF).replace("%", "%2525"),
        HALF.replace("w", "%77").replace("A", "%41"),
        b64encode(HALF.encode()).decode(),
    ],
)
def test_the_secret_half_of_a_token_is_a_secret_alone(style: Literal["text", "json"], text: str) -> None:
    """In a message, an argument of an exception, a traceback and an extra; as it is and however it is encoded."""
    stream = io.StringIO()
    with configure(style, "info", [TOKEN], stream):
        try:
            fail(KeyError("x", {"url": text}))
        except KeyError as error:
            LOG.exception("said %s", text, extra={"a": text, "b": {text: [error]}})
    assert text not in stream.getvalue()
    assert stream.getvalue().count("***") >= 5


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize("filler", ["x", "\n", "\u2028", "9", "%25", "\u202e", HALF, everywhere(TOKEN)])
def test_a_megabyte_from_outside_makes_a_bounded_line(style: Literal["text", "json"], filler: str) -> None:
    """As message, extra, key, exception and many lines; its length is said, and no half of a secret is left."""
    text = filler * (1_000_000 // len(filler))
    stream = io.StringIO()
    with configure(style, "info", [TOKEN], stream):
        LOG.warning("%s", text)
        LOG.warning(
            "a", extra={"a": text, "b": [text] * 1000, "c": {text: text}, "d": dict.fromkeys(range(10_000), text)}
        )
        try:
            fail(ValueError(text))
        except ValueError:
            LOG.exception("b")
    written = stream.getvalue()
    assert len(written) < 500_000
    assert len([line for line in written.splitlines() if not line.startswith("    | ")]) == 3
    assert max(len(line) for line in written.splitlines()) < 100_000
    assert f"({len(text)} characters)" in written
    assert HALF[:12] not in written


@pytest.mark.parametrize("start", range(0, 60, 7))
def test_a_cut_leaves_no_part_of_a_secret(start: int) -> None:
    """Wherever the secret stands, at the cut too, and before a text so long that its end is not looked at."""
    for length in (MESSAGE_CHARS, MESSAGE_CHARS + 2000, MESSAGE_CHARS + 4000):
        text = "x" * (length - start) + TOKEN + "x" * 100_000
        assert HALF[:4] not in Redactor([TOKEN]).cut(text, MESSAGE_CHARS)
        assert TOKEN[:6] not in Redactor([TOKEN]).cut(text, MESSAGE_CHARS)


@given(st.text())
def test_json_is_one_line_too(text: str) -> None:
    """For every reader's idea of a line, and it stays JSON that says the same."""
    stream = io.StringIO()
    with configure("json", "info", (), stream):
        LOG.info("%s", text)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == text
