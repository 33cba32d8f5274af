"""Reading answers: which refusal is which error."""

from __future__ import annotations

import json

import pytest

from doradura.telegram import errors
from doradura.telegram.answers import read_answer

DAY = 24 * 3600.0
DEEP = b"[" * 20_000 + b"]" * 20_000

REFUSALS = [
    ("sendMessage", 400, "Bad Request: message text is empty", errors.BadRequestError),
    (
        "editMessageText",
        400,
        "Bad Request: message is not modified: specified new message content and reply markup are exactly the same",
        errors.MessageNotModifiedError,
    ),
    ("editMessageText", 400, "Bad Request: message to edit not found", errors.MessageNotFoundError),
    ("deleteMessage", 400, "Bad Request: message to delete not found", errors.MessageNotFoundError),
    ("sendMessage", 400, "Bad Request: message to be replied not found", errors.MessageNotFoundError),
    ("editMessageText", 400, "Bad Request: MESSAGE_ID_INVALID", errors.MessageNotFoundError),
    ("editMessageText", 400, "Bad Request: message can't be edited", errors.MessageNotFoundError),
    ("deleteMessage", 400, "Bad Request: message can't be deleted", errors.BadRequestError),
    ("sendVideo", 400, "Bad Request: FILE_REFERENCE_EXPIRED", errors.WrongFileIdError),
    (
        "sendMessage",
        400,
        'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 3',
        errors.EntityParseError,
    ),
    (
        "sendMessage",
        400,
        "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        errors.BadRequestError,
    ),
    (
        "answerCallbackQuery",
        400,
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
        errors.QueryTooOldError,
    ),
    ("sendAudio", 400, "Bad Request: wrong file identifier/HTTP URL specified", errors.WrongFileIdError),
    (
        "sendAudio",
        400,
        "Bad Request: wrong remote file identifier specified: can't unserialize it. Wrong last symbol",
        errors.WrongFileIdError,
    ),
    ("sendAudio", 400, "Bad Request: can't use file of type Video as Audio", errors.WrongFileIdError),
    ("sendMessage", 400, "Bad Request: chat not found", errors.ChatNotFoundError),
    ("sendMessage", 401, "Unauthorized", errors.TokenRefusedError),
    ("getMe", 404, "Not Found", errors.TokenRefusedError),
    ("getUpdates", 404, "Not Found", errors.TokenRefusedError),
    ("sendFoo", 404, "Not Found: method not found", errors.ApiError),
    (
        "sendMessage",
        400,
        "Bad Request: not enough rights to send text messages to the chat",
        errors.NotAllowedError,
    ),
    ("sendMessage", 400, "Bad Request: have no rights to send a message", errors.NotAllowedError),
    ("sendMessage", 400, "Bad Request: CHAT_WRITE_FORBIDDEN", errors.NotAllowedError),
    ("sendMessage", 400, "Bad Request: TOPIC_CLOSED", errors.NotAllowedError),
    ("sendMessage", 400, "Bad Request: PEER_ID_INVALID", errors.ChatNotFoundError),
    ("sendMessage", 403, "Forbidden: bot was blocked by the user", errors.ForbiddenError),
    ("sendMessage", 403, "Forbidden: user is deactivated", errors.ForbiddenError),
    ("sendMessage", 403, "Forbidden: bot can't initiate conversation with a user", errors.ForbiddenError),
    ("sendMessage", 403, "Forbidden: bot was kicked from the supergroup chat", errors.ForbiddenError),
    ("sendMessage", 403, "Forbidden: the group chat was deleted", errors.ForbiddenError),
    (
        "getUpdates",
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        errors.ConflictError,
    ),
    ("sendVideo", 413, "Request Entity Too Large", errors.TooLargeError),
    ("sendMessage", 421, "Misdirected Request: unallowed token specified", errors.ApiError),
    ("sendMessage", 500, "Internal Server Error: restart", errors.ServerError),
]


def refused(code: int, description: str, **parameters: int) -> bytes:
    """Return the body of a refusal."""
    return json.dumps({"ok": False, "error_code": code, "description": description, "parameters": parameters}).encode()


@pytest.mark.parametrize(("method", "code", "description", "expected"), REFUSALS)
def test_a_refusal_is_the_error_that_says_it(
    method: str, code: int, description: str, expected: type[errors.ApiError]
) -> None:
    """Each of the server's own refusals is exactly one error, which carries method, code and description."""
    with pytest.raises(errors.ApiError) as caught:
        read_answer(method, code, refused(code, description))

    assert type(caught.value) is expected
    assert (caught.value.method, caught.value.code, caught.value.description) == (method, code, description)
    assert caught.value.outcome == ("server_error" if code >= 500 else "client_error")


def test_a_result_is_given_undecoded() -> None:
    """The result stays JSON: what it is depends on the method."""
    assert bytes(read_answer("getMe", 200, b'{"ok": true, "result": {"id": 1}}')) == b'{"id": 1}'


def test_a_migrated_group_names_its_new_id() -> None:
    """An upgraded group is told apart by its parameter, whatever the text, and ids of 52 bits pass."""
    body = refused(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1002222222222)

    with pytest.raises(errors.ChatMigratedError) as caught:
        read_answer("sendMessage", 400, body)

    assert caught.value.new_chat_id == -1002222222222


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        (refused(429, "Too Many Requests: retry after 17", retry_after=17), None, 17.0),
        (refused(429, "Too Many Requests: retry after 17", retry_after=17), "99", 17.0),
        (refused(429, "Too Many Requests: retry after 17"), "12", 12.0),
        (refused(429, "Too Many Requests: retry after 17"), None, 5.0),
        (b"<html>slow down</html>", "3", 3.0),
        (b"", None, 5.0),
        (b"", "Wed, 21 Oct 2026 07:28:00 GMT", 5.0),
        (b"", "9" * 400, DAY),
        (b"", "-3", 0.0),
        (b"", "nan", 5.0),
        (refused(429, "slow", retry_after=-17), None, 0.0),
        (refused(429, "slow", retry_after=int("9" * 400)), None, DAY),
        (refused(429, "slow").replace(b"{}", b'{"retry_after": %s}' % (b"9" * 9000)), None, DAY),
        (refused(429, "slow").replace(b"{}", b'{"retry_after": -1e999}'), None, 0.0),
        (refused(429, "slow").replace(b"{}", b'{"retry_after": 1.5}'), "99", 1.5),
        (refused(429, "slow").replace(b"{}", b'{"retry_after": "17"}'), "99", 17.0),
        (refused(429, "slow").replace(b"{}", b'{"retry_after": "soon"}'), "12", 12.0),
        (refused(429, "slow").replace(b"{}", b'{"retry_after": null}'), "12", 12.0),
        (refused(429, "slow").replace(b"{}", b'{"retry_after": {"seconds": [1]}}'), None, 5.0),
    ],
)
def test_a_429_says_how_long(body: bytes, header: str | None, expected: float) -> None:
    """The parameter counts first, then the header, then 5 s, within a day and as far as either is a number."""
    with pytest.raises(errors.RateLimitedError) as caught:
        read_answer("sendMessage", 429, body, retry_after=header)

    assert caught.value.retry_after_seconds == expected
    assert caught.value.outcome == "rate_limited"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (502, b"<html><h1>502 Bad Gateway</h1></html>", "server_error"),
        (504, b"", "server_error"),
        (200, b'{"ok": true, "result": {"message_', "network"),
        (200, b"<html>please log in to the wireless network</html>", "network"),
        (200, b"[]", "network"),
        (200, b"\xff\xfe", "network"),
        (302, b"", "network"),
        (404, b"<html>nginx</html>", "network"),
        (200, DEEP, "network"),
        (200, DEEP[:20_000], "network"),
        (200, b'{"ok": ' + DEEP + b"}", "network"),
    ],
)
def test_what_is_no_envelope_leaves_the_outcome_open(status: int, body: bytes, outcome: str) -> None:
    """A proxy's page or a torn body says nothing of what Telegram did."""
    with pytest.raises(errors.UnconfirmedError) as caught:
        read_answer("getMe", status, body)

    assert caught.value.outcome == outcome


def test_depths_hide_neither_a_result_nor_a_refusal() -> None:
    """What nobody could have meant, nested 20,000 times, is cut off, and the answer around it read."""
    result = read_answer("getMe", 200, b'{"ok": true, "x": ' + DEEP + b', "result": {"id": 1, "x": ' + DEEP + b"}}")
    assert json.loads(bytes(result))["id"] == 1

    with pytest.raises(errors.ForbiddenError):
        read_answer("getMe", 403, b'{"ok": false, "error_code": 403, "x": ' + DEEP + b"}")


def test_the_request_readers_413_has_no_body() -> None:
    """A request over the server's own limits is refused with an empty body, and that is a refusal all the same."""
    with pytest.raises(errors.TooLargeError):
        read_answer("sendMessage", 413, b"")


def test_a_token_that_the_server_quotes_is_taken_out() -> None:
    """Whatever a server or a proxy writes into its description, the token is not passed on."""
    body = refused(404, "Not Found: /bot12:SECRET/getFoo")

    with pytest.raises(errors.ApiError) as caught:
        read_answer("getFoo", 404, body, secret="12:SECRET")

    assert "SECRET" not in str(caught.value)
    assert caught.value.description == "Not Found: /bot<token>/getFoo"


TOKEN = "12345:SECRET-SECRET_SECRET"


def encoded(text: str) -> str:
    """Percent-encode every character."""
    return "".join(f"%{ord(character):02x}" for character in text)


@pytest.mark.parametrize(
    "quoted",
    [TOKEN, TOKEN[6:], TOKEN.replace(":", "%3A"), encoded(TOKEN), encoded(TOKEN[6:]).replace("%", "%25").upper()],
)
def test_the_tokens_secret_half_is_taken_out_alone_too(quoted: str) -> None:
    """However it is written, once or a thousand times; what is left is said."""
    for times in (1, 3000):
        with pytest.raises(errors.ApiError) as caught:
            read_answer("getFoo", 404, refused(404, f"Not Found: {quoted * times} end"), secret=TOKEN)

        assert quoted[:12] not in caught.value.description
        assert caught.value.description.startswith("Not Found: ")
        assert caught.value.description.endswith("end" if times == 1 else "…")


@pytest.mark.parametrize("code", [400, 401, 403, 409, 413, 429, 500, 404])
@pytest.mark.parametrize("filler", ["x", "\n", "\u2028", "\x1b[2J"])
def test_a_megabyte_of_description_becomes_one_bounded_line(code: int, filler: str) -> None:
    """In every error's text, detail and arguments, whatever it is made of."""
    body = refused(code, "Bad Request: a" + filler * 1_000_000)
    with pytest.raises(errors.ApiError) as caught:
        read_answer("getFoo", code, body, secret=TOKEN)

    error = caught.value
    for text in (str(error), repr(error), error.detail, error.description):
        assert len(text) < 600
        assert len(text.splitlines()) == 1
        assert "\x1b" not in text
