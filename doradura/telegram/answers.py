"""Reading Telegram's answers: the envelope, and which error a refusal is. No I/O.

The texts are those of the server's own source (tdlib/telegram-bot-api); https://core.telegram.org/bots/api#making-requests
describes the envelope.
"""

from __future__ import annotations

import re

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
    Outcome,
    QueryTooOldError,
    RateLimitedError,
    ServerError,
    TelegramError,
    TokenRefusedError,
    TooLargeError,
    UnconfirmedError,
    WrongFileIdError,
)

RETRY_AFTER_SECONDS = 5.0
"""How long to wait after a 429 that does not say."""

_BAD_REQUESTS: tuple[tuple[re.Pattern[str], type[BadRequestError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error)
    for pattern, error in (
        (r"message is not modified", MessageNotModifiedError),
        (r"message to (edit|delete|be replied|reply) not found|replied message not found", MessageNotFoundError),
        (r"MESSAGE_ID_INVALID|message identifier is not specified", MessageNotFoundError),
        (r"can't parse (caption )?entities", EntityParseError),
        (r"query is too old|query ID is invalid", QueryTooOldError),
        (r"wrong (remote )?file[ _]id|can't use file of type|invalid file_id", WrongFileIdError),
        (r"FILE_REFERENCE_|FILE_ID_INVALID", WrongFileIdError),
        (r"chat not found", ChatNotFoundError),
    )
)

_TOKEN_PROBES = frozenset({"getMe", "getUpdates"})
"""Methods every server has, so that a 404 there can only mean the token."""


class _Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    retry_after: int | None = None
    migrate_to_chat_id: int | None = None


class _Envelope(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw()
    error_code: int | None = None
    description: str = ""
    parameters: _Parameters = _Parameters()


_DECODER = msgspec.json.Decoder(_Envelope)


def read_answer(
    method: str, status: int, body: bytes, *, retry_after: str | None = None, secret: str | None = None
) -> msgspec.Raw:
    """Give the result of an answer, or raise the error that it is.

    `retry_after` is the header of that name. `secret` is taken out of the description: a server or a proxy between may
    quote the address it was asked for, which holds the token. Raises an ApiError for a refusal and UnconfirmedError
    for what is not the Bot API's answer at all: a proxy's page, a torn or foreign body.
    """
    try:
        envelope = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _without_envelope(method, status, len(body), retry_after) from exc
    if envelope.ok:
        return envelope.result
    raise classify(
        method,
        envelope.error_code or status,
        envelope.description.replace(secret, "<token>") if secret else envelope.description,
        {key: value for key, value in msgspec.structs.asdict(envelope.parameters).items() if value is not None},
        retry_after=retry_after,
    )


def classify(
    method: str, code: int, description: str, parameters: dict[str, int], *, retry_after: str | None = None
) -> ApiError:
    """Give the error that a refusal is, by its code and, for 400, by its text."""
    if code == 429:
        return RateLimitedError(method, description, retry_after_seconds=_wait(parameters, retry_after))
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
    """Say what an answer means that is not the Bot API's own.

    429 and 413 come from the front end or the server's request reader, with an HTML or an empty body, and are refusals
    all the same. Any other may have passed the request on, 502 and 504 above all.
    """
    if status == 429:
        return RateLimitedError(method, "Too Many Requests", retry_after_seconds=_wait({}, retry_after))
    if status == 413:
        return TooLargeError(method, status, "Request Entity Too Large")
    outcome: Outcome = "server_error" if status >= 500 else "network"
    return UnconfirmedError(method, f"status {status} with {length} bytes that are no answer", outcome=outcome)


def _wait(parameters: dict[str, int], header: str | None) -> float:
    if "retry_after" in parameters:
        return float(max(0, parameters["retry_after"]))
    if header is not None and header.isascii() and header.isdigit():
        return float(header)
    return RETRY_AFTER_SECONDS
