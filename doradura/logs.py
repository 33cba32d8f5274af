"""Log lines: text for people or JSON for machines, with every secret removed.

Owns the root logger while `configure` is entered, and then restores it. Knows nothing else of ours. Every message,
extra and traceback is redacted and then cut to a bounded length, so that nothing from outside leaks through, makes a
second line or fills the disk. A line that can't be made or written is lost, never raised: a log must not end the
program.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, TextIO

MASK = "***"
SHORTEST_SECRET = 4
"""A shorter secret is not redacted: that would remove half of every line and protect nothing."""

NESTING_LIMIT = 6
ITEMS_LIMIT = 50
"""How many items of a list or an object are written."""
MESSAGE_CHARS = 2000
VALUE_CHARS = 1000
NESTED_CHARS = 8000
"""A list or an object that is longer than this as JSON is written as a text, cut."""
TRACE_LINES = 160
"""Of a longer traceback the first and the last half of this many lines are written."""
TRACE_LINE_CHARS = 500
QUIET = ("httpx", "httpcore", "hpack")
"""httpx logs every URL at INFO, and Telegram's URLs contain the token; the others log the bytes at DEBUG."""

# No unbounded \d+: a megabyte of digits would be scanned again from each of them.
_TOKEN = re.compile(r"\d{1,20}(?::|%(?:25){0,3}3A)(?:[A-Za-z0-9_-]|%(?:25){0,3}(?:2D|5F)){24,}", re.IGNORECASE)
_OWN_TOKEN = re.compile(r"\d+:([A-Za-z0-9_-]{16,})")
_LINE_BREAKER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[^\s\"'=\\]+")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_RESERVED = frozenset({"time", "level", "logger", "message", "exception"})


class Redactor:
    """Removes secrets from text: the given ones, plain, in URLs, in JSON and in repr; and every bot token.

    The half of a given bot token after the colon is a secret by itself.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        given = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
        given |= {match[1] for secret in given if (match := _OWN_TOKEN.fullmatch(secret))}
        # The longest first: a secret that contains another one must be removed as a whole.
        ordered = sorted(given, key=len, reverse=True)
        patterns = [pattern for secret in ordered for pattern in _patterns(secret)]
        self._known = re.compile("|".join(patterns)) if patterns else None
        self._longest = max([_LONGEST_ENCODED * len(secret.encode(errors="replace")) for secret in ordered], default=0)

    def cut(self, text: str, limit: int) -> str:
        """Return the redacted text, cut to `limit` characters; if it was longer, with its length.

        What is far beyond the limit is not examined, and no half of a secret is left at the end.
        """
        length = len(text)
        margin = max(self._longest, 1000)
        if length <= limit + 2 * margin:
            text = self(text)
        else:
            text = self(text[: limit + 2 * margin])
            text = text[: max(0, len(text) - margin)]
        if len(text) <= limit and length <= limit + 2 * margin:
            return text
        return f"{text[:limit]}… ({length} characters)"

    def __call__(self, text: str) -> str:
        """Return the text with `***` for each secret in it."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _TOKEN.sub(MASK, text)


_LONGEST_ENCODED = 9
"""The most characters that one byte of a secret can take: "%25252541"."""


def _patterns(secret: str) -> list[str]:
    """Return patterns for a secret in all forms that it may have in a text."""
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    # An Authorization header carries user:password in base64.
    encoded = b64encode(secret.encode(errors="surrogateescape")).decode()
    forms = sorted({secret, encoded} | escaped, key=len, reverse=True)
    return [*map(re.escape, forms), "".join(map(_encoded, secret))]


def _encoded(character: str) -> str:
    """Return a pattern for one character, plain or percent-encoded up to four times, necessary or not."""
    percent = "".join(f"%(?:25){{0,3}}{byte:02X}" for byte in character.encode(errors="surrogateescape"))
    return f"(?:{re.escape(character)}|(?i:{percent}){'|[+]' if character == ' ' else ''})"


def _visible(text: str) -> str:
    """Escape what would begin a new line or control a terminal: a user's text must not look like a line of ours."""
    return _LINE_BREAKER.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    escaped = json.dumps(match[0])[1:-1]
    return escaped if escaped != match[0] else f"\\u{ord(match[0]):04x}"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def _trace(record: logging.LogRecord, redact: Redactor) -> list[str]:
    """Return the traceback's lines, redacted, with a bounded length each and in all."""
    # The record's exc_text is another handler's cache and stays untouched: ours is redacted, theirs may not be.
    parts = [logging.Formatter().formatException(record.exc_info)] if record.exc_info else []
    lines = "\n".join(parts + ([record.stack_info] if record.stack_info else [])).splitlines()
    if (left_out := len(lines) - TRACE_LINES) > 0:
        lines[TRACE_LINES // 2 : -TRACE_LINES // 2] = [f"… {left_out} lines left out"]
    return [redact.cut(line, TRACE_LINE_CHARS) for line in lines]


def _text_line(record: logging.LogRecord, redact: Redactor) -> str:
    words = [_time(record), record.levelname, record.name, redact.cut(record.getMessage(), MESSAGE_CHARS)]
    for key, value in _extras(record).items():
        shown = _shown(value, redact)
        text = json.dumps(shown, ensure_ascii=False) if isinstance(shown, dict | list) else str(shown)
        words.append(f"{key}={text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)}")
    # Behind the bar, no line of an exception's text can look like a line of the log.
    lines = [" ".join(words), *[f"    | {line}" for line in _trace(record, redact)]]
    return "\n".join(map(_visible, lines))


def _json_line(record: logging.LogRecord, redact: Redactor) -> str:
    line: dict[str, Any] = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name}
    line["message"] = redact.cut(record.getMessage(), MESSAGE_CHARS)
    for key, value in _extras(record).items():
        line[f"{key}_" if key in _RESERVED else key] = _shown(value, redact)
    trace = _trace(record, redact)
    if trace:
        line["exception"] = "\n".join(trace)
    # Strings are redacted one by one, not the line: a secret with a quote in it must not break the object.
    return _visible(json.dumps(line, ensure_ascii=False))


def _shown(value: Any, redact: Redactor) -> Any:
    """Return an extra as JSON, redacted; a list or an object that is too long as a text, cut."""
    shown = _jsonable(value, redact)
    if isinstance(shown, dict | list) and len(text := json.dumps(shown, ensure_ascii=False)) > NESTED_CHARS:
        return f"{text[:VALUE_CHARS]}… ({len(text)} characters)"
    return shown


def _jsonable(value: Any, redact: Redactor, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**64):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict) and depth < NESTING_LIMIT:
        items = islice(value.items(), ITEMS_LIMIT)
        shown = {redact.cut(str(key), VALUE_CHARS): _jsonable(item, redact, depth + 1) for key, item in items}
        return shown if len(value) <= ITEMS_LIMIT else {**shown, "…": f"{len(value)} items"}
    if isinstance(value, list | tuple | set | frozenset) and depth < NESTING_LIMIT:
        listed = [_jsonable(item, redact, depth + 1) for item in islice(value, ITEMS_LIMIT)]
        return listed if len(value) <= ITEMS_LIMIT else [*listed, f"… {len(value)} items"]
    return redact.cut(str(value), VALUE_CHARS)


class _LineHandler(logging.Handler):
    """Writes one record as one line (text: with its traceback below)."""

    def __init__(self, line: Callable[[logging.LogRecord, Redactor], str], redact: Redactor, stream: TextIO) -> None:
        super().__init__()
        self._line = line
        self._redact = redact
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. A barrier: any error with a line ends here.

        logging's own handling, a report on stderr, would show the arguments with their secrets.
        """
        try:
            try:
                line = self._line(record, self._redact)
            except Exception as error:  # noqa: BLE001 - the barrier: any object's __str__ may raise anything
                line = self._line(self._unreadable(record, error), self._redact)
            # A lone surrogate, from a file name for example, can't be encoded by every stream.
            self._stream.write(line.encode(errors="backslashreplace").decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # A full disk, a reader that left (EPIPE), a closed stream: nobody is left to tell.
            return

    def _unreadable(self, record: logging.LogRecord, error: Exception) -> logging.LogRecord:
        place = f"{record.filename}:{record.lineno}"
        said = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        message = f"a log call at {place} could not be written ({type(error).__name__}): {said}"
        return logging.LogRecord(record.name, logging.ERROR, record.pathname, record.lineno, message, None, None)


@contextmanager
def configure(
    format: Literal["text", "json"],  # noqa: A002 - the setting's name
    level: str,
    secrets: Iterable[str],
    stream: TextIO | None = None,
) -> Iterator[Redactor]:
    """Send all logging to `stream` (stderr if None) for the block, then restore everything.

    `level` is a name such as "info". Yields the redactor, for what is printed by other means. Two at once, as with two
    programs in one process, write each line to both streams.
    """
    redact = Redactor(secrets)
    lines = {"text": _text_line, "json": _json_line}
    handler = _LineHandler(lines[format], redact, sys.stderr if stream is None else stream)
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, QUIET)]
    before = [logger.level for logger in loggers]
    root.addHandler(handler)
    root.setLevel(level.upper())
    for logger in loggers[1:]:
        logger.setLevel(logging.WARNING)
    try:
        yield redact
    finally:
        root.removeHandler(handler)
        handler.close()
        for logger, old in zip(loggers, before, strict=True):
            logger.setLevel(old)
