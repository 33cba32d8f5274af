"""The checker of recorded calls finds each kind of fault, and nothing in what is right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.botapi.check import check_call, check_update, specification

MESSAGE: dict[str, Any] = {
    "message_id": 1,
    "from": {"id": 5, "is_bot": False, "first_name": "U"},
    "date": 1_700_000_000,
    "chat": {"id": 5, "type": "private", "first_name": "U"},
    "text": "x",
}


def call(method: str = "sendMessage", **more: Any) -> dict[str, Any]:
    """A line of the record."""
    return {"method": method, "params": {"chat_id": 5, "text": "x"}, "files": {}, "status": 200, **more}


def test_it_knows_the_whole_bot_api() -> None:
    """The data are those of a known version, with methods and types."""
    known = specification()
    assert (known["version"], len(known["methods"]) > 150, len(known["types"]) > 250) == ("10.2", True, True)


@pytest.mark.parametrize(
    "good",
    [
        call(response={"ok": True, "result": MESSAGE}),
        call(params={"chat_id": "5", "text": "x", "reply_markup": '{"inline_keyboard": []}'}),
        call(params={"chat_id": 5, "text": "<b>" + "x" * 4096 + "</b>", "parse_mode": "html"}),
        call("sendVideo", params={"chat_id": "5"}, files={"video": {"filename": "a", "size": 1}}),
        call("sendVideo", params={"chat_id": 5, "video": "attach://v"}, files={"v": {"filename": "a", "size": 1}}),
        call(status=403, response={"ok": False, "error_code": 403, "description": "Forbidden: x"}),
        call(status=200, fault=3, response={"nonsense": True}),
        call("getUpdates", params={}, response={"ok": True, "result": [{"update_id": 1, "message": MESSAGE}]}),
    ],
)
def test_what_is_right(good: dict[str, Any]) -> None:
    """Typed JSON and wire texts, files by name and by attach://, refusals, and whatever a fault made of an answer."""
    assert check_call(good) == []


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (call("sendNothing"), "sendNothing: no such method"),
        (call(params={"chat_id": 5, "text": "x", "colour": 1}), "sendMessage.colour: no such parameter"),
        (call(params={"chat_id": 5}), "sendMessage.text: missing"),
        (call(params={"chat_id": 5, "text": 7}), "sendMessage.text: 7 is no String"),
        (call(params={"chat_id": 5, "text": ""}), "sendMessage.text: 0 long, not 1 to 4096"),
        (
            call(params={"chat_id": 5, "text": "x", "disable_notification": 1}),
            "sendMessage.disable_notification: 1 is no Boolean",
        ),
        (
            call(params={"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"callback_data": "d"}]]}}),
            "sendMessage.reply_markup.inline_keyboard[0][0].text: missing in InlineKeyboardButton",
        ),
        (call(files={"lost": {"filename": "a", "size": 1}}), "sendMessage.files.lost: named nowhere"),
        (call(response={"ok": True, "result": True}), "sendMessage -> result: True is no Message"),
        (
            call(response={"ok": True, "result": {**MESSAGE, "text": None}}),
            "sendMessage -> result.text: null",
        ),
        (
            call(response={"ok": True, "result": {**MESSAGE, "new": 1}}),
            "sendMessage -> result.new: Message has no such field",
        ),
        (call(status=400, response={"ok": True, "result": MESSAGE}), "sendMessage: ok with status 400"),
        (
            call(status=400, response={"ok": False, "error_code": 403, "description": "Forbidden: x"}),
            "sendMessage: status 400, error_code 403, description 'Forbidden: x'",
        ),
        (call(response=[]), "sendMessage: no envelope"),
    ],
)
def test_each_kind_of_fault(bad: dict[str, Any], problem: str) -> None:
    """Named with the place it stands at."""
    assert check_call(bad) == [problem]


def test_updates() -> None:
    """One kind of payload, of its type."""
    assert check_update({"update_id": 1, "message": MESSAGE}) == []
    assert check_update({"update_id": 1, "messages": MESSAGE}) == ["update.messages: Update has no such field"]
    assert check_update({"update_id": 1}) == ["update: it has ['update_id']"]
