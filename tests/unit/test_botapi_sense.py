"""The judge of messages finds each way in which a message's parts do not fit, and nothing in what Telegram sends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.botapi.check import check_answer
from tests.botapi.sense import check_files, check_sense

DATE = 1_700_000_000
USER: dict[str, Any] = {"id": 5, "is_bot": False, "first_name": "U"}
CHAT: dict[str, Any] = {"id": 5, "type": "private", "first_name": "U"}


def message(**more: Any) -> dict[str, Any]:
    """Make a message with a content of its own."""
    return {"message_id": 7, "from": USER, "chat": CHAT, "date": DATE, **more}


def size(number: int, width: int) -> dict[str, Any]:
    """Make a square PhotoSize."""
    return {"file_id": f"f{number}", "file_unique_id": f"u{number}", "width": width, "height": width}


EARLIER = message(message_id=6, text="x")
EARLIEST = message(message_id=5, text="x")
BOLD = {"type": "bold", "offset": 0, "length": 2}


@pytest.mark.parametrize(
    "good",
    [
        message(text="😀", entities=[BOLD], reply_to_message=EARLIER, edit_date=DATE),
        message(photo=[size(1, 90), size(2, 320)], caption="ab", caption_entities=[BOLD]),
        message(animation={}, document={}),
        message(venue={}, location={}),
        message(text="x", chat={"id": -5, "type": "group", "title": "G"}),
        message(text="x", chat={"id": -1_000_000_000_005, "type": "supergroup", "title": "G"}),
        message(text="x", reply_markup={"inline_keyboard": [[{"text": "b", "url": "u", "style": "s"}]]}),
        {"message_id": 7, "date": 0, "chat": CHAT},
    ],
)
def test_what_fits(good: dict[str, Any]) -> None:
    """Messages as Telegram sends them, and one that is out of reach, of which there is nothing to say."""
    assert check_sense(good, "m") == []


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (message(), "m: it says [] at once"),
        (message(text="x", dice={}), "m: it says ['dice', 'text'] at once"),
        (message(text="x", caption="c"), "m: a caption without a file"),
        (message(text="x", entities=[]), "m: entities at []"),
        (message(text="x", entities=[BOLD]), f"m: {BOLD} outside of 1 units"),
        (message(text="xxx", entities=[{**BOLD, "offset": 1}, BOLD]), "m: entities at [1, 0]"),
        (message(photo=[size(1, 320), size(2, 90)]), "m: photo sizes [102400, 8100]"),
        (message(photo=[]), "m: photo sizes []"),
        (message(text="x", reply_to_message=message(text="x")), "m: a reply to 7"),
        (message(text="x", reply_to_message={**EARLIER, "reply_to_message": EARLIEST}), "m: a reply to 6"),
        (message(text="x", edit_date=DATE - 1), f"m: dates {DATE} and {DATE - 1}"),
        (message(text="x", date=5), "m: dates 5 and None"),
        (message(text="x", **{"from": {**USER, "first_name": ""}}), "m: from nobody"),
        (
            message(text="x", chat={"id": -5, "type": "private", "first_name": "x"}),
            "m: the chat {'id': -5, 'type': 'private', 'first_name': 'x'}",
        ),
        (
            message(text="x", chat={"id": -5, "type": "supergroup", "title": "x"}),
            "m: the chat {'id': -5, 'type': 'supergroup', 'title': 'x'}",
        ),
        (message(text="x", reply_markup={"inline_keyboard": [[]]}), "m: the keyboard {'inline_keyboard': [[]]}"),
        (
            message(text="x", reply_markup={"inline_keyboard": [[{"text": "b", "url": "u", "pay": True}]]}),
            "m: the button {'text': 'b', 'url': 'u', 'pay': True}",
        ),
    ],
)
def test_what_does_not_fit(bad: dict[str, Any], problem: str) -> None:
    """One thing wrong, one line, also deep inside of an answer."""
    assert check_sense(bad, "m") == [problem]
    assert check_sense([{"inner": bad}], "") == [problem.replace("m:", "[0].inner:", 1)]


def test_answers_are_judged_by_it() -> None:
    """An answer whose types are right is judged as a whole."""
    call = {"method": "sendMessage", "status": 200, "response": {"ok": True, "result": message(text="x", date=5)}}
    assert check_answer(call) == ["sendMessage -> result: dates 5 and None"]


def test_a_file_stays_what_it_is() -> None:
    """An id that means another file later on, or a file whose size changes, is found."""
    first: dict[str, Any] = {"file_id": "a", "file_unique_id": "b", "file_size": 1}
    calls: list[dict[str, Any]] = [{"method": "one", "response": first}, {"method": "two", "response": [{"x": first}]}]
    assert check_files(calls) == []
    other = {"method": "three", "response": {**first, "file_unique_id": "c"}}
    assert check_files([*calls, other]) == ["three: a was ('b', 1) and is ('c', 1)"]
    grown = {"method": "three", "response": {**first, "file_size": 2}}
    assert check_files([*calls, grown]) == [f"three: {name} was ('b', 1) and is ('b', 2)" for name in ("a", "b")]
