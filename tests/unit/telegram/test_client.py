"""The Bot API's methods against a scripted Telegram."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from doradura.telegram import errors
from doradura.telegram.client import BotApi
from doradura.telegram.media import Media
from doradura.telegram.types import BotCommand, Button


async def test_send_message_on_the_wire(api: BotApi, telegram: Any) -> None:
    """A message goes as HTML, without link preview, as a reply that does not insist on its target."""
    keyboard = ((Button("Go", callback_data="go:1"), Button("Open", url="https://example.org")),)

    message = await api.send_message(5, "<b>hi</b>", keyboard=keyboard, reply_to=3, silent=True)

    assert (message.message_id, message.chat.id, message.text) == (7, 5, "hi")
    assert telegram.methods == ["sendMessage"]
    assert telegram.asked[0].parameters == {
        "chat_id": 5,
        "text": "<b>hi</b>",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": True,
        "reply_parameters": {"message_id": 3, "allow_sending_without_reply": True},
        "reply_markup": {
            "inline_keyboard": [
                [{"text": "Go", "callback_data": "go:1"}, {"text": "Open", "url": "https://example.org"}]
            ]
        },
    }
    headers = telegram.asked[0].request.headers
    assert headers["content-type"] == "application/json"
    assert int(headers["content-length"]) == len(telegram.asked[0].request.content)


async def test_nothing_is_sent_for_what_is_not_given(api: BotApi, telegram: Any) -> None:
    """A parameter that is None is left out: the server would take null for the text "null"."""
    await api.send_message(5, "hi", parse_mode=None)

    assert set(telegram.asked[0].parameters) == {"chat_id", "text", "link_preview_options"}


async def test_unreadable_markup_goes_plainly_once(api: BotApi, telegram: Any, make: Any) -> None:
    """When Telegram cannot read the markup, the words are sent without it; when that fails too, it is an error."""
    broken = make.refusal(400, "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"")
    telegram.steps = [broken, make.ok(make.message)]
    await api.send_message(5, "<b>a &lt; b <i>c</i> 1 < 2")
    assert telegram.asked[1].parameters["text"] == "a < b c 1 < 2"
    assert "parse_mode" not in telegram.asked[1].parameters

    telegram.steps = [broken, broken]
    with pytest.raises(errors.EntityParseError):
        await api.send_message(5, "<b>")


async def test_an_edit_that_changes_nothing_is_a_success(api: BotApi, telegram: Any, make: Any) -> None:
    """The message is as it was wanted, so there is nothing to tell anybody."""
    telegram.steps = [make.refusal(400, "Bad Request: message is not modified: specified new message content ...")]

    await api.edit_message_text(5, 7, "same")

    assert telegram.methods == ["editMessageText"]
    assert "reply_markup" not in telegram.asked[0].parameters


async def test_editing_what_is_gone_is_an_error(api: BotApi, telegram: Any, make: Any) -> None:
    """The caller has to send a new message then, so it must know."""
    telegram.steps = [make.refusal(400, "Bad Request: message to edit not found")]

    with pytest.raises(errors.MessageNotFoundError):
        await api.edit_message_text(5, 7, "text")


async def test_deleting_what_is_gone_is_a_success(api: BotApi, telegram: Any, make: Any) -> None:
    """Gone is gone."""
    telegram.steps = [make.refusal(400, "Bad Request: message to delete not found")]

    await api.delete_message(5, 7)

    assert telegram.methods == ["deleteMessage"]
    assert telegram.asked[0].parameters == {"chat_id": 5, "message_id": 7}


async def test_an_answer_to_an_old_press_is_a_success(api: BotApi, telegram: Any, make: Any) -> None:
    """Nobody waits for it any more."""
    telegram.steps = [make.refusal(400, "Bad Request: query is too old and response timeout expired or query ID ...")]

    await api.answer_callback_query("77", "Done", show_alert=True)

    assert telegram.asked[0].parameters == {"callback_query_id": "77", "text": "Done", "show_alert": True}


async def test_a_webhook_is_removed_without_losing_updates(api: BotApi, telegram: Any, make: Any) -> None:
    """drop_pending_updates would throw payments away, so it is never sent."""
    telegram.last = make.ok(True)

    await api.delete_webhook()

    assert telegram.asked[0].parameters == {}


async def test_everybodys_menu(api: BotApi, telegram: Any, make: Any) -> None:
    """The menu is a list of objects, and everybody's has no scope."""
    telegram.last = make.ok(True)

    await api.set_my_commands([BotCommand("help", "What I can do")])

    assert telegram.asked[0].parameters == {"commands": [{"command": "help", "description": "What I can do"}]}


async def test_a_chats_own_menu(api: BotApi, telegram: Any, make: Any) -> None:
    """One chat's menu has that chat as its scope, and is taken away by the same."""
    telegram.last = make.ok(True)

    await api.set_my_commands([BotCommand("health", "Is all well")], chat_id=1000)
    await api.delete_my_commands(chat_id=1000)

    scope = {"type": "chat", "chat_id": 1000}
    assert telegram.methods == ["setMyCommands", "deleteMyCommands"]
    assert telegram.asked[0].parameters == {
        "commands": [{"command": "health", "description": "Is all well"}],
        "scope": scope,
    }
    assert telegram.asked[1].parameters == {"scope": scope}


async def test_a_known_file_is_sent_by_its_id(api: BotApi, telegram: Any, seen: Any) -> None:
    """By file_id nothing is uploaded: a small request with the caption, and without the thumbnail Telegram has."""
    await api.send_media(5, Media("audio", "FILE", caption="<i>c</i>", title="T", performer="P", duration_seconds=9))

    assert telegram.methods == ["sendAudio"]
    assert telegram.asked[0].parameters == {
        "chat_id": 5,
        "audio": "FILE",
        "caption": "<i>c</i>",
        "parse_mode": "HTML",
        "title": "T",
        "performer": "P",
        "duration": 9,
    }
    assert seen.finished == [("sendAudio", "send", "ok")]


async def test_media_is_edited_by_file_id(api: BotApi, telegram: Any, seen: Any) -> None:
    """The method editMessageMedia carries the file inside its media object."""
    await api.edit_message_media(5, 7, Media("video", "FILE", width=640, height=360))

    assert telegram.asked[0].parameters == {
        "chat_id": 5,
        "message_id": 7,
        "media": {"type": "video", "media": "FILE", "width": 640, "height": 360, "supports_streaming": True},
    }
    assert seen.finished == [("editMessageMedia", "edit", "ok")]


async def test_a_caption_that_cannot_be_read_goes_plainly(api: BotApi, telegram: Any, make: Any) -> None:
    """The file matters more than the markup of its caption."""
    telegram.steps = [make.refusal(400, "Bad Request: can't parse entities: ...")]

    await api.send_media(5, Media("document", "FILE", caption="<b>x &amp; y"))

    assert telegram.asked[1].parameters == {"chat_id": 5, "document": "FILE", "caption": "x & y"}


async def test_a_failed_connection_is_tried_again(
    api: BotApi, telegram: Any, seen: Any, autojump_clock: MockClock
) -> None:
    """What never left is repeated, whatever the method, with doubling waits (halved here by chance)."""
    telegram.steps = [httpx.ConnectError("no"), httpx.ConnectTimeout("slow"), httpx.ConnectError("no")]

    await api.send_media(5, Media("audio", "FILE"))

    assert telegram.times == [0, 0.25, 0.75, 1.75]
    assert [outcome for _, _, outcome in seen.finished] == ["network", "timeout", "network", "ok"]


async def test_a_file_that_may_have_arrived_is_not_sent_again(
    api: BotApi, telegram: Any, autojump_clock: MockClock
) -> None:
    """The caller has better means to find out than sending it twice."""
    telegram.steps = [httpx.ReadError("torn")]

    with pytest.raises(errors.UnconfirmedError):
        await api.send_media(5, Media("audio", "FILE"))

    assert len(telegram.asked) == 1


async def test_a_reply_may_be_repeated_unless_told_otherwise(
    api: BotApi, telegram: Any, autojump_clock: MockClock
) -> None:
    """A plain message twice is better than none; whoever thinks otherwise says so."""
    telegram.steps = [httpx.ReadError("torn")]
    await api.send_message(5, "hi")
    assert len(telegram.asked) == 2

    telegram.steps = [httpx.ReadError("torn")]
    with pytest.raises(errors.UnconfirmedError):
        await api.send_message(5, "hi", repeat_unconfirmed=False)
    assert len(telegram.asked) == 3


async def test_a_message_in_doubt_is_sent_three_times_at_most(
    api: BotApi, telegram: Any, autojump_clock: MockClock
) -> None:
    """Where answers never come back, each repeat may be one more copy in the chat: after two of them it is an error."""
    telegram.last = httpx.ReadError("torn")

    with pytest.raises(errors.UnconfirmedError):
        await api.send_message(5, "hi")
    assert telegram.methods == ["sendMessage"] * 3

    telegram.asked.clear()
    with pytest.raises(errors.DeadlineExceededError):
        await api.edit_message_text(5, 7, "text")
    assert len(telegram.asked) > 3, "an edit done twice does no harm"


async def test_only_doubt_uses_up_the_repeats(api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock) -> None:
    """What certainly was not done may be tried again as long as there is time."""
    restart = make.refusal(500, "Internal Server Error: restart")
    telegram.steps = [restart, restart, httpx.ReadError("torn"), httpx.ConnectError("no"), httpx.ReadError("torn")]

    message = await api.send_message(5, "hi")

    assert message.message_id == 7
    assert len(telegram.asked) == 6


async def test_a_result_of_another_shape_is_not_repeated(api: BotApi, telegram: Any, make: Any) -> None:
    """Telegram said ok, so the message is there; sending it until its answer pleases us would flood the chat."""
    telegram.last = make.ok({"message_id": "seven"})

    with pytest.raises(errors.UnexpectedResultError):
        await api.send_message(5, "hi")

    assert len(telegram.asked) == 1


async def test_an_edit_is_repeated_in_doubt(api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock) -> None:
    """The first edit had come through: the second says "not modified", and that is a success."""
    telegram.steps = [httpx.ReadTimeout("silent"), make.refusal(400, "Bad Request: message is not modified: ...")]

    await api.edit_message_text(5, 7, "text")

    assert len(telegram.asked) == 2


async def test_refusals_are_not_repeated(api: BotApi, telegram: Any, make: Any) -> None:
    """A blocked bot stays blocked."""
    telegram.steps = [make.refusal(403, "Forbidden: bot was blocked by the user")]

    with pytest.raises(errors.ForbiddenError):
        await api.send_message(5, "hi")

    assert len(telegram.asked) == 1


async def test_a_429_holds_its_chat_and_no_other(
    api: BotApi, telegram: Any, seen: Any, make: Any, autojump_clock: MockClock
) -> None:
    """The chat waits for retry_after and a second, its other calls with it, while other chats go on at once."""
    telegram.steps = [make.refusal(429, "Too Many Requests: retry after 7", retry_after=7)]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.send_message, 5, "first")
        await trio.sleep(1)
        nursery.start_soon(api.send_message, 5, "second")
        nursery.start_soon(api.send_message, 6, "elsewhere")

    sent = sorted((at, asked.parameters["text"]) for at, asked in zip(telegram.times, telegram.asked, strict=True))
    assert sent == [(0, "first"), (1, "elsewhere"), (8, "first"), (8, "second")]
    assert seen.limited == ["server", "local"]


async def test_a_429_beyond_the_deadline_gives_up_at_once(
    api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock
) -> None:
    """Waiting for longer than the call has is of no use; the caller learns how long it would be, later calls too."""
    telegram.last = make.refusal(429, "Too Many Requests: retry after 3600", retry_after=3600)

    with pytest.raises(errors.DeadlineExceededError) as first:
        await api.send_message(5, "hi")
    with pytest.raises(errors.DeadlineExceededError) as second:
        await api.send_message(5, "hi")

    assert trio.current_time() < 1
    assert len(telegram.asked) == 1
    assert not first.value.unconfirmed
    assert first.value.retry_after_seconds == 3600
    assert second.value.retry_after_seconds == 3601
    assert isinstance(second.value.__cause__, errors.RateLimitedError)


async def test_the_deadline_ends_the_repeating(api: BotApi, telegram: Any, autojump_clock: MockClock) -> None:
    """After its time a call ends, with the last failure as its cause."""
    telegram.last = httpx.ConnectError("no")
    started = trio.current_time()

    with pytest.raises(errors.DeadlineExceededError) as caught:
        await api.send_message(5, "hi", deadline_seconds=30)

    assert 20 < trio.current_time() - started <= 30
    assert caught.value.attempts == len(telegram.asked)
    assert not caught.value.unconfirmed
    assert isinstance(caught.value.__cause__, errors.NotSentError)


async def test_doubt_in_any_attempt_is_told(api: BotApi, telegram: Any, make: Any, autojump_clock: MockClock) -> None:
    """One attempt that may have arrived leaves the whole call in doubt, whatever the last one was."""
    telegram.steps = [httpx.ReadError("torn")]
    telegram.last = make.refusal(500, "Internal Server Error: restart")

    with pytest.raises(errors.DeadlineExceededError) as caught:
        await api.send_message(5, "hi")

    assert caught.value.unconfirmed
    assert caught.value.outcome == "server_error"


async def silence() -> httpx.Response:
    """Never answer."""
    await trio.sleep_forever()
    raise AssertionError


async def test_a_silent_server_is_left_at_the_deadline(
    api: BotApi, telegram: Any, seen: Any, autojump_clock: MockClock
) -> None:
    """Even when httpx's own timeouts do not strike, a call ends at its deadline, and says that it may have arrived."""
    telegram.last = silence
    started = trio.current_time()

    with pytest.raises(errors.DeadlineExceededError) as caught:
        await api.send_chat_action(5)

    assert trio.current_time() - started == pytest.approx(20)
    assert caught.value.unconfirmed
    assert seen.finished == [("sendChatAction", "other", "timeout")]
    assert seen.seconds == [pytest.approx(20)]


async def test_a_silent_file_send_is_unconfirmed_at_its_deadline(
    api: BotApi, telegram: Any, autojump_clock: MockClock
) -> None:
    """What must not be repeated is UnconfirmedError however the doubt came about."""
    telegram.last = silence

    with pytest.raises(errors.UnconfirmedError):
        await api.send_media(5, Media("audio", "FILE"))


async def test_small_requests_are_bounded(open_api: Any, telegram: Any, make: Any, autojump_clock: MockClock) -> None:
    """No more requests are in flight than there are connections."""
    running = 0
    most = 0

    async def slow() -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1
        answer: httpx.Response = make.ok(make.message)
        return answer

    telegram.last = slow
    async with open_api(connections=3) as api, trio.open_nursery() as nursery:
        for chat_id in range(9):
            nursery.start_soon(api.send_message, chat_id, "hi")

    assert most == 3


@pytest.mark.parametrize(
    "step",
    [
        lambda make: httpx.ConnectError(f"https://api.telegram.org/bot{make.token}/sendMessage"),
        lambda make: httpx.ReadError(f"https://api.telegram.org/bot{make.token}/sendMessage"),
        lambda make: make.refusal(404, f"Not Found: /bot{make.token}/sendMessage"),
        lambda make: make.refusal(500, f"at /bot{make.token}/sendMessage"),
        lambda make: httpx.Response(502, content=f"<html>/bot{make.token}/</html>".encode()),
    ],
)
async def test_the_token_is_in_no_error_and_no_log(
    api: BotApi,
    telegram: Any,
    make: Any,
    *,
    step: Callable[[Any], Any],
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever fails, neither the error's text nor a log line has the token."""
    caplog.set_level(logging.DEBUG)
    telegram.last = step(make)

    with pytest.raises(errors.TelegramError) as caught:
        await api.send_message(5, "hi")

    assert make.token not in str(caught.value) + repr(caught.value) + caplog.text


async def test_httpx_is_kept_from_logging_addresses(api: BotApi) -> None:
    """By itself httpx writes the URL, token included, at INFO, and httpcore at DEBUG."""
    for name in ("httpx", "httpcore", "httpcore.http11"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


@pytest.mark.parametrize("address", ["api.telegram.org", "ftp://api.telegram.org", "https://", ""])
async def test_an_address_that_is_not_http_is_refused_at_once(open_api: Any, address: str) -> None:
    """A mistyped setting fails at start, not as an endless outage."""
    with pytest.raises(ValueError, match="begins with http"):
        async with open_api(api_url=address):
            raise AssertionError


async def test_an_address_may_have_a_path(open_api: Any, telegram: Any, make: Any) -> None:
    """A server behind a proxy's path is reached there; a slash at the end does not count."""
    paths: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(str(request.url))
        answer: httpx.Response = make.ok(make.message)
        return answer

    async with open_api(api_url="http://127.0.0.1:81/api/", make_transport=lambda: httpx.MockTransport(handler)) as api:
        await api.send_message(5, "hi")

    assert paths == [f"http://127.0.0.1:81/api/bot{make.token}/sendMessage"]


Method = Callable[[BotApi], Awaitable[object]]


@pytest.mark.parametrize(
    ("method", "result", "kind"),
    [
        (lambda api: api.get_me(), {"id": 1, "is_bot": True, "first_name": "B"}, "other"),
        (lambda api: api.send_message(5, "hi"), {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "x"}}, "send"),
        (lambda api: api.edit_message_text(5, 7, "hi"), True, "edit"),
        (lambda api: api.send_chat_action(5), True, "other"),
        (lambda api: api.get_updates(offset=None, timeout_seconds=0, allowed_updates=[]), [], "poll"),
    ],
)
async def test_requests_are_counted_by_kind(
    api: BotApi, telegram: Any, seen: Any, make: Any, *, method: Method, result: object, kind: str
) -> None:
    """The observer learns what each request was for; the long poll is a kind of its own."""
    telegram.last = make.ok(result)

    await method(api)

    assert [(counted, outcome) for _, counted, outcome in seen.finished] == [(kind, "ok")]
