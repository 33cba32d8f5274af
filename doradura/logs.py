"""Log lines: text for people or JSON for machines, with every secret taken out.

Owns the root logger while `configure` is entered and gives it back as it was. Knows nothing else of ours. A line is
made whole, then redacted, then written, so that no message, argument, extra or traceback gets past; a line that can't
be made or written is lost, never raised, because a log must not take the program down.
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
from typing import Any, Literal, TextIO
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST_SECRET = 4
"""A secret shorter than this is left alone: taking it out would take half of every line with it and protect nothing."""

NESTING_LIMIT = 6
QUIET = ("httpx", "httpcore", "hpack")
"""httpx writes every URL at INFO, and Telegram's URLs have the token in them; the others write the bytes at DEBUG."""

_TOKEN = re.compile(r"\d+(?::|%3A|%253A)[A-Za-z0-9_-]{24,}", re.IGNORECASE)
_LINE_BREAKER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[^\s\"'=\\]+")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_RESERVED = frozenset({"time", "level", "logger", "message", "exception"})


class Redactor:
    """Takes secrets out of text: the given ones, as they are, in URLs, in JSON and in repr; and every bot token."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in _forms(secret)}
        # The longest first: a secret that holds another one must go as a whole.
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Give the text with `***` for each secret in it."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _TOKEN.sub(MASK, text)


def _forms(secret: str) -> set[str]:
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lowered = {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), text) for text in quoted}
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    # An Authorization header carries user:password as base64.
    return {secret, b64encode(secret.encode()).decode()} | quoted | lowered | escaped


def _visible(text: str) -> str:
    """Escape what would begin a new line or steer a terminal: a user's text must not look like a line of ours."""
    return _LINE_BREAKER.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


def _trace(record: logging.LogRecord) -> str:
    # The record's exc_text is another handler's cache and stays untouched: ours is redacted, theirs may not be.
    parts = [logging.Formatter().formatException(record.exc_info)] if record.exc_info else []
    return "\n".join(parts + ([record.stack_info] if record.stack_info else []))


def _text_line(record: logging.LogRecord, redact: Redactor) -> str:
    words = [_time(record), record.levelname, record.name, _visible(record.getMessage())]
    for key, value in _extras(record).items():
        text = str(value)
        words.append(f"{key}={text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)}")
    lines = [_visible(" ".join(words))]
    # Behind the bar, no line of an exception's text can pass for a line of the log.
    lines += [f"    | {_visible(line)}" for line in _trace(record).splitlines()]
    return redact("\n".join(lines))


def _json_line(record: logging.LogRecord, redact: Redactor) -> str:
    line = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name}
    line["message"] = redact(record.getMessage())
    for key, value in _extras(record).items():
        line[f"{key}_" if key in _RESERVED else key] = _jsonable(value, redact)
    trace = _trace(record)
    if trace:
        line["exception"] = redact(trace)
    # Strings are redacted one by one, not the line: a secret with a quote in it must not break the object.
    return json.dumps(line, ensure_ascii=False)


def _jsonable(value: Any, redact: Redactor, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict) and depth < NESTING_LIMIT:
        return {redact(str(key)): _jsonable(item, redact, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < NESTING_LIMIT:
        return [_jsonable(item, redact, depth + 1) for item in value]
    return redact(str(value))


class _LineHandler(logging.Handler):
    """Writes one record as one line (text: with its traceback below)."""

    def __init__(self, line: Callable[[logging.LogRecord, Redactor], str], redact: Redactor, stream: TextIO) -> None:
        super().__init__()
        self._line = line
        self._redact = redact
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. A barrier: whatever goes wrong with a line ends here.

        logging's own answer, a report on stderr, would show the arguments with their secrets.
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
            # A full disk, a reader that left (EPIPE), a closed stream: there is nobody left to tell.
            return

    def _unreadable(self, record: logging.LogRecord, error: Exception) -> logging.LogRecord:
        place = f"{record.filename}:{record.lineno}"
        said = record.msg[:200] if isinstance(record.msg, str) else type(record.msg).__name__
        message = f"a log call at {place} could not be written ({type(error).__name__}): {said}"
        return logging.LogRecord(record.name, logging.ERROR, record.pathname, record.lineno, message, None, None)


@contextmanager
def configure(
    format: Literal["text", "json"],  # noqa: A002 - the setting's name
    level: str,
    secrets: Iterable[str],
    stream: TextIO | None = None,
) -> Iterator[Redactor]:
    """Send all logging to `stream` (stderr when None) until left, then put everything back as it was.

    `level` is a name such as "info". Gives the redactor, for what is printed by other ways. Two at once, as two
    programs in one process have, write each line to both streams.
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
