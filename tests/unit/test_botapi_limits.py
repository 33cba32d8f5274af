"""Each limit and each rule of the checker: the most it takes, and the least it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.botapi.check import check_call

STARS = {"title": "T", "description": "D", "payload": "p", "currency": "XTR", "prices": [{"label": "L", "amount": 1}]}
MONEY = {**STARS, "currency": "EUR", "provider_token": "t", "prices": [{"label": "L", "amount": 1}] * 2}
PHOTO = {"type": "photo", "media": "id"}


def sent(method: str, **params: Any) -> list[str]:
    """Judge a call with these parameters and files."""
    files = params.pop("files", {})
    return check_call({"method": method, "params": params, "files": files})


def message(**params: Any) -> list[str]:
    """Judge a sendMessage."""
    return sent("sendMessage", **{"chat_id": 5, "text": "x", **params})


def button(**parts: Any) -> list[str]:
    """Judge a message with one inline button, and another before it."""
    first = {"text": "a", "url": "http://x.org"}
    return message(reply_markup={"inline_keyboard": [[first, {"text": "b", **parts}]]})


def invoice(**params: Any) -> list[str]:
    """Judge an invoice."""
    return sent("sendInvoice", **{"chat_id": 5, **STARS, **params})


def link(**params: Any) -> list[str]:
    """Judge an invoice's link."""
    return sent("createInvoiceLink", **{**STARS, **params})


def group(*media: dict[str, Any], **params: Any) -> list[str]:
    """Judge a group of media."""
    return sent("sendMediaGroup", chat_id=5, media=list(media), **params)


def menu(*commands: tuple[str, str]) -> list[str]:
    """Judge a menu of commands."""
    return sent("setMyCommands", commands=[{"command": word, "description": says} for word, says in commands])


def answered(text: str) -> list[str]:
    """Judge an answered press."""
    return sent("answerCallbackQuery", callback_query_id="1", text=text)


BUTTON = "sendMessage.reply_markup.inline_keyboard[0][1]"
ASKING = "sendMessage.reply_markup.keyboard[0][0]"
CASES = [
    (message(text="😀" * 2048), message(text="😀" * 2048 + "x"), "sendMessage.text: 4097 long, not 1 to 4096"),
    (
        message(text="<b>&amp;</b>" * 4096, parse_mode="HTML"),
        message(text="<b>&nbsp;</b>" * 683, parse_mode="HTML"),
        "sendMessage.text: 4098 long, not 1 to 4096",
    ),
    (
        message(text="*\\.*" * 4096, parse_mode="MarkdownV2"),
        message(text="[ab](http://x.org)" * 2049, parse_mode="MarkdownV2"),
        "sendMessage.text: 4098 long, not 1 to 4096",
    ),
    (
        sent("sendAudio", chat_id=5, audio="id", caption="x" * 1024),
        sent("sendAudio", chat_id=5, audio="id", caption="x" * 1025),
        "sendAudio.caption: 1025 long, not 0 to 1024",
    ),
    (
        group(PHOTO, {**PHOTO, "caption": "x" * 1024}),
        group(PHOTO, {**PHOTO, "caption": "x" * 1025}),
        "sendMediaGroup.media[1].caption: 1025 long, not 0 to 1024",
    ),
    (group(*[PHOTO] * 10), group(*[PHOTO] * 11), "sendMediaGroup.media: 11 items, not 2 to 10"),
    (group(*[PHOTO] * 2), group(PHOTO), "sendMediaGroup.media: 1 items, not 2 to 10"),
    (
        group(PHOTO, {**PHOTO, "type": "video"}),
        group(PHOTO, {**PHOTO, "type": "audio"}),
        "sendMediaGroup.media: audio beside ['photo']",
    ),
    (
        button(callback_data="é" * 32),
        button(callback_data="é" * 32 + "x"),
        f"{BUTTON}.callback_data: 65 long, not 1 to 64",
    ),
    (button(callback_data="x"), button(callback_data=""), f"{BUTTON}.callback_data: 0 long, not 1 to 64"),
    (button(url="http://x.org"), button(), f"{BUTTON}: a button needs one action, this has []"),
    (
        button(callback_data="x"),
        button(callback_data="x", url="http://x.org"),
        f"{BUTTON}: a button needs one action, this has ['callback_data', 'url']",
    ),
    (
        message(reply_markup={"inline_keyboard": [[{"text": "a", "pay": True}]]}),
        button(pay=True),
        f"{BUTTON}: pay is for the first button",
    ),
    (
        message(reply_markup={"keyboard": [[{"text": "a", "request_contact": True}]]}),
        message(reply_markup={"keyboard": [[{"text": "a", "request_contact": True, "request_location": True}]]}),
        f"{ASKING}: a button asks for one thing, this for ['request_contact', 'request_location']",
    ),
    (answered("x" * 200), answered("x" * 201), "answerCallbackQuery.text: 201 long, not 0 to 200"),
    (menu(*[("a", "b")] * 100), menu(*[("a", "b")] * 101), "setMyCommands.commands: 101 items, not 0 to 100"),
    (menu(("a_1" * 10, "b")), menu(("Start", "b")), "setMyCommands.commands[0].command: 1 to 32 of a-z, 0-9 and _"),
    (menu(("a", "x" * 256)), menu(("a", "x" * 257)), "setMyCommands.commands[0].description: 257 long, not 1 to 256"),
    (invoice(title="x" * 32), invoice(title="x" * 33), "sendInvoice.title: 33 long, not 1 to 32"),
    (invoice(description="x" * 255), invoice(description="x" * 256), "sendInvoice.description: 256 long, not 1 to 255"),
    (invoice(payload="é" * 64), invoice(payload="é" * 64 + "x"), "sendInvoice.payload: 129 long, not 1 to 128"),
    (invoice(payload="x"), invoice(payload=""), "sendInvoice.payload: 0 long, not 1 to 128"),
    (
        invoice(start_parameter="a-Z_0"),
        invoice(start_parameter="a b"),
        "sendInvoice.start_parameter: 'a b' is not up to 64 of A-Z, a-z, 0-9, _ and -",
    ),
    (invoice(), invoice(prices=MONEY["prices"]), "sendInvoice.prices: 2 prices, Stars take one"),
    (
        invoice(prices=[{"label": "L", "amount": 1}]),
        invoice(prices=[{"label": "L", "amount": 0}]),
        "sendInvoice.prices[0].amount: 0 is no number of Stars",
    ),
    (
        invoice(prices=[{"label": "L", "amount": 1}]),
        invoice(prices=[{"label": "", "amount": 1}]),
        "sendInvoice.prices[0].label: empty",
    ),
    (invoice(provider_token=""), invoice(provider_token="t"), "sendInvoice.provider_token: not with Stars"),
    (invoice(max_tip_amount=0), invoice(max_tip_amount=5), "sendInvoice.max_tip_amount: no tips with Stars"),
    (
        link(subscription_period=2592000, prices=[{"label": "L", "amount": 10_000}]),
        link(subscription_period=2592000, prices=[{"label": "L", "amount": 10_001}]),
        "createInvoiceLink.prices[0].amount: 10001 Stars a period, not 1 to 10000",
    ),
    (
        link(subscription_period=2592000),
        link(subscription_period=60),
        "createInvoiceLink.subscription_period: 60 is none of [2592000]",
    ),
    (link(), invoice(subscription_period=2592000), "sendInvoice.subscription_period: no such parameter"),
    (
        invoice(**MONEY),
        invoice(**{**MONEY, "provider_token": ""}),
        "sendInvoice.provider_token: only Stars have none",
    ),
    (invoice(**MONEY), invoice(**{**MONEY, "currency": "euro"}), "sendInvoice.currency: 'euro' is no currency"),
    (invoice(**MONEY), invoice(**{**MONEY, "prices": []}), "sendInvoice.prices: there must be at least one"),
    (
        link(**MONEY),
        link(**MONEY, subscription_period=2592000),
        "createInvoiceLink.subscription_period: only with Stars",
    ),
    (
        message(parse_mode="markdownv2"),
        message(parse_mode="HTML5"),
        "sendMessage.parse_mode: 'HTML5' is none of ['Markdown', 'MarkdownV2', 'HTML']",
    ),
    (
        group(PHOTO, {**PHOTO, "type": "video"}),
        group(PHOTO, {**PHOTO, "type": "film"}),
        "sendMediaGroup.media[1].type: 'film' is not 'audio'",
    ),
    (
        sent("getUpdates", limit=100),
        sent("getUpdates", limit=101),
        "getUpdates.limit: 101, not 1 to 100",
    ),
    (
        sent("editMessageText", text="x", chat_id=5, message_id=1),
        sent("editMessageText", text="x", chat_id=5),
        "editMessageText: which message?",
    ),
    (
        sent("answerPreCheckoutQuery", pre_checkout_query_id="1", ok="false", error_message="no"),
        sent("answerPreCheckoutQuery", pre_checkout_query_id="1", ok="false"),
        "answerPreCheckoutQuery.error_message: missing with ok false",
    ),
    (
        sent("sendPhoto", chat_id=5, files={"photo": {"filename": "a", "size": 10 << 20}}),
        sent("sendPhoto", chat_id=5, files={"photo": {"filename": "a", "size": (10 << 20) + 1}}),
        "sendPhoto.files.photo: 10485761 bytes, not 1 to 10485760",
    ),
    (
        sent("sendAudio", chat_id=5, audio="attach://a", files={"a": {"filename": "a", "size": 50 << 20}}),
        sent("sendAudio", chat_id=5, audio="attach://a", files={"a": {"filename": "a", "size": 0}}),
        "sendAudio.files.a: 0 bytes, not 1 to 52428800",
    ),
    (
        sent("sendAudio", chat_id=5, audio="http://x.org/a.mp3"),
        sent("sendAudio", chat_id=5, audio="/tmp/a.mp3"),
        "sendAudio.audio: /tmp/a.mp3 is neither a file_id nor an address the server reads",
    ),
    (
        sent("sendAudio", chat_id=5, audio="id"),
        sent("sendAudio", chat_id=5, audio="attach://a"),
        "sendAudio.audio: no file was sent as a",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "problem"), CASES, ids=[case[2][:60] for case in CASES])
def test_a_limit_is_where_it_is(right: list[str], wrong: list[str], problem: str) -> None:
    """What is within passes, what is beyond is named with its place."""
    assert right == []
    assert wrong == [problem]


def test_every_chat_action_is_known() -> None:
    """One of the list passes, another word does not."""
    assert sent("sendChatAction", chat_id=5, action="upload_video") == []
    assert sent("sendChatAction", chat_id=5, action="dancing")[0].startswith(
        "sendChatAction.action: 'dancing' is none of ['typing', "
    )


def test_answers_are_whole() -> None:
    """An ok with a result, a 429 that says how long, updates whose ids grow."""

    def answer(method: str, status: int, **response: Any) -> list[str]:
        return check_call({"method": method, "params": {}, "files": {}, "status": status, "response": response})

    limited = {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 3"}
    assert answer("getMe", 429, **limited, parameters={"retry_after": 3}) == []
    assert answer("getMe", 429, **limited) == ["getMe: retry_after None with 'Too Many Requests: retry after 3'"]
    assert answer("getUpdates", 200, ok=True) == ["getUpdates: no result"]
    updates = [{"update_id": number, "poll": POLL} for number in (5, 5)]
    assert answer("getUpdates", 200, ok=True, result=updates) == ["getUpdates -> result[1].update_id: 5 after 5"]


POLL = {
    "id": "1",
    "question": "q",
    "options": [],
    "total_voter_count": 0,
    "is_closed": False,
    "is_anonymous": True,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": False,
    "members_only": False,
}
