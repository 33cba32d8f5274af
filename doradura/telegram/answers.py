"""Reads Telegram's answers: the envelope, and which error a refusal stands for. No I/O.

The texts come from the server's own source (tdlib/telegram-bot-api); https://core.telegram.org/bots/api#making-requests
describes the envelope.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from doradura.telegram.errors import (
    ApiError,
    BadRequestError,
    ChatMigratedError,
    ChatNotFoundError,
    ConflictError,
    EntityParseError,
    ForbiddenError,
    MessageNotFoundError,
    MessageNotModifiedError,
    NotAllowedError,
    QueryTooOldError,
    RateLimitedError,
    RequestOutcome,
    ServerError,
    TelegramError,
    TokenRefusedError,
    TooLargeError,
    TopicNotFoundError,
    UnconfirmedError,
    UnexpectedResultError,
    WrongFileIdError,
)
from doradura.telegram.nesting import decode_nested

RETRY_AFTER_SECONDS = 5.0
"""How long to wait after a 429 that names no time."""
LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
"""A longer wait than this, however many digits it has, is not believed."""

LONGEST_READ_CHARS = 50_000
"""Longer descriptions are cut to this before they are read."""

_BAD_REQUESTS: tuple[tuple[re.Pattern[str], type[BadRequestError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error)
    for pattern, error in (
        (r"message is not modified", MessageNotModifiedError),
        (r"message to (edit|delete|be replied|reply) not found|replied message not found", MessageNotFoundError),
        (r"message can't be edited|MESSAGE_EDIT_TIME_EXPIRED", MessageNotFoundError),
        (r"MESSAGE_ID_INVALID|message identifier is not specified", MessageNotFoundError),
        (r"can't parse (caption )?entities", EntityParseError),
        (r"query is too old|query ID is invalid", QueryTooOldError),
        (r"wrong (remote )?file[ _]id|can't use file of type|invalid file_id", WrongFileIdError),
        (r"FILE_REFERENCE_|FILE_ID_INVALID", WrongFileIdError),
        (r"chat not found|PEER_ID_INVALID", ChatNotFoundError),
        (r"message thread not found|TOPIC_DELETED|TOPIC_ID_INVALID", TopicNotFoundError),
        (r"not enough rights to send|have no rights to send|CHAT_WRITE_FORBIDDEN|TOPIC_CLOSED", NotAllowedError),
        (r"need administrator rights in the channel|CHAT_ADMIN_REQUIRED", NotAllowedError),
    )
)

_TOKEN_PROBES = frozenset({"getMe", "getUpdates"})
"""Methods that every server has, so a 404 to one of them can only mean a wrong token."""

_T = TypeVar("_T")


class _Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    retry_after: msgspec.Raw = msgspec.Raw()
    """Kept undecoded: a value that cannot be a number (400 digits, a text) must not make the refusal unreadable."""
    migrate_to_chat_id: int | None = None


class _Envelope(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw()
    error_code: int | None = None
    description: str = ""
    parameters: _Parameters = _Parameters()


def read_answer(
    method: str, status: int, body: bytes, *, retry_after: str | None = None, secret: str | None = None
) -> msgspec.Raw:
    """Return the result of an answer, or raise the error that it stands for.

    `retry_after` is the header of that name. `secret` is removed from the description, because a server or a proxy may
    quote the requested address, which contains the token. Raises an ApiError for a refusal, and UnconfirmedError for
    anything that is not a Bot API answer: a proxy's page, a torn or foreign body.
    """
    try:
        envelope = decode_nested(body, _Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _without_envelope(method, status, len(body), retry_after) from exc
    if envelope.ok:
        return envelope.result
    new_chat_id = envelope.parameters.migrate_to_chat_id
    raise classify(
        method,
        envelope.error_code or status,
        _hide(envelope.description, secret) if secret else envelope.description,
        {} if new_chat_id is None else {"migrate_to_chat_id": new_chat_id},
        retry_after=(bytes(envelope.parameters.retry_after).strip(b'"'), retry_after),
    )


def _hide(text: str, token: str) -> str:
    """Remove the token, or its secret half alone, from a text, percent-encoded forms included, and shorten the text.

    The text keeps enough that `tidy` never cuts through a partly removed secret, however many were removed.
    """
    halves = [token, token.partition(":")[2] or token]
    patterns = ["".join(map(_encoded, half)) for half in halves]
    return re.sub("|".join(patterns), "<token>", text[:LONGEST_READ_CHARS])


def _encoded(character: str) -> str:
    percent = "".join(f"%(?:25){{0,3}}{byte:02X}" for byte in character.encode())
    return f"(?:{re.escape(character)}|(?i:{percent}))"


def read_result(method: str, raw: msgspec.Raw, result: type[_T]) -> _T:
    """Decode a result as the type that its method returns. Raises UnexpectedResultError."""
    try:
        return decode_nested(raw, result)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UnexpectedResultError(method, f"done, but its result has another shape: {exc}") from exc


def classify(
    method: str, code: int, description: str, parameters: dict[str, int], *, retry_after: Iterable[bytes | str | None]
) -> ApiError:
    """Return the error that a refusal stands for, judged by its code and, for 400, by its text.

    `retry_after` are the candidates for the wait after a 429; the first readable one counts.
    """
    if code == 429:
        return RateLimitedError(method, description, retry_after_seconds=_wait(retry_after))
    if code == 401 or (code == 404 and method in _TOKEN_PROBES):
        return TokenRefusedError(method, code, description, parameters)
    if code == 400:
        return _bad_request(description, parameters)(method, code, description, parameters)
    by_code = {403: ForbiddenError, 409: ConflictError, 413: TooLargeError}
    error = by_code.get(code, ServerError if code >= 500 else ApiError)
    return error(method, code, description, parameters)


def _bad_request(description: str, parameters: dict[str, int]) -> type[BadRequestError]:
    if "migrate_to_chat_id" in parameters:
        return ChatMigratedError
    return next((error for pattern, error in _BAD_REQUESTS if pattern.search(description)), BadRequestError)


def _without_envelope(method: str, status: int, length: int, retry_after: str | None) -> TelegramError:
    """Return the error for an answer without the Bot API's envelope.

    429 and 413 come from the front end or from the server's request reader, with an HTML or an empty body, and count as
    refusals. Any other status (502 and 504 above all) may come after the request was passed on.
    """
    if status == 429:
        return RateLimitedError(method, "Too Many Requests", retry_after_seconds=_wait((retry_after,)))
    if status == 413:
        return TooLargeError(method, status, "Request Entity Too Large")
    outcome: RequestOutcome = "server_error" if status >= 500 else "network"
    return UnconfirmedError(method, f"status {status} with {length} bytes that are no answer", outcome=outcome)


def _wait(said: Iterable[bytes | str | None]) -> float:
    """Return the seconds to wait, from 0 to one day; RETRY_AFTER_SECONDS if no value is a number."""
    for text in said:
        try:
            seconds = float(text or "")
        except ValueError:
            continue
        if not math.isnan(seconds):
            return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)
    return RETRY_AFTER_SECONDS
