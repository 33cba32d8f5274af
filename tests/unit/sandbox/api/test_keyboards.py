"""Keyboards are read as by the server: what of a button comes back, what is left out, what is refused and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doradura.sandbox.api.keyboards import ReplyMarkup, check_place, read_keyboard
from doradura.sandbox.api.parameters import Parameters
from doradura.sandbox.state.refusal import RefusalError


def read(markup: object) -> ReplyMarkup:
    """Read a reply_markup."""
    parameters = Parameters()
    parameters.put("reply_markup", markup if isinstance(markup, str) else json.dumps(markup))
    return read_keyboard(parameters)


def shown(**button: Any) -> Any:
    """Return what comes back of an inline button with the text "b"."""
    inline = read({"inline_keyboard": [[{"text": "b", **button}]]}).inline
    assert inline is not None
    return {key: value for key, value in inline["inline_keyboard"][0][0].items() if key != "text"}


def refusal(markup: object, *, private: bool = True) -> str:
    """Return why a markup is refused."""
    with pytest.raises(RefusalError) as raised:
        check_place(read(markup), private=private, invoice=False)
    kind, why = raised.value.description.split(": ", 1)
    assert kind == "Bad Request"
    return why


@pytest.mark.parametrize(
    ("button", "back"),
    [
        ({"url": "HTTPS://Example.ORG"}, {"url": "https://example.org/"}),
        ({"url": "example.org?a=B"}, {"url": "http://example.org/?a=B"}),
        ({"url": "tg://user?id=1000"}, {"url": "tg://user?id=1000"}),
        ({"login_url": {"url": "https://example.org/in", "forward_text": "x"}}, {"url": "https://example.org/in"}),
        ({"web_app": {"url": "https://example.org"}}, {"web_app": {"url": "https://example.org/"}}),
        ({"callback_data": 5}, {"callback_data": "5"}),
        ({"url": "", "callback_data": "d"}, {"callback_data": "d"}),
        ({"callback_data": "d", "url": "https://example.org/"}, {"url": "https://example.org/"}),
        ({"pay": True, "switch_inline_query": "q"}, {"pay": True}),
        (
            {"switch_inline_query_chosen_chat": {"query": "q", "allow_user_chats": True}},
            {
                "switch_inline_query_chosen_chat": {
                    "query": "q",
                    "allow_user_chats": True,
                    "allow_bot_chats": False,
                    "allow_group_chats": False,
                    "allow_channel_chats": False,
                }
            },
        ),
    ],
)
def test_what_comes_back_of_a_button(button: dict[str, Any], back: dict[str, Any]) -> None:
    """One action, in the server's order, with its address as the server keeps it."""
    assert shown(**button) == back


def test_all_chats_may_be_chosen() -> None:
    """A choice among all kinds of chats comes back as switch_inline_query."""
    kinds = {f"allow_{kind}_chats": True for kind in ("user", "bot", "group", "channel")}
    assert shown(switch_inline_query_chosen_chat={"query": "q", **kinds}) == {"switch_inline_query": "q"}


def test_buttons_without_a_text_are_left_out() -> None:
    """So are rows without buttons, keyboards without rows, and what is behind the twelfth button of a row."""
    empty, good = {"text": "", "callback_data": "x"}, {"text": "a", "callback_data": "x"}
    assert read({"inline_keyboard": [[empty, good], [empty]]}).inline == {"inline_keyboard": [[good]]}
    assert read({"inline_keyboard": [[empty]]}) == ReplyMarkup()
    assert read({"keyboard": [["", "Yes"], []]}).reply == {"keyboard": [[{"text": "Yes"}]]}
    assert read({"inline_keyboard": [[good] * 13]}).inline == {"inline_keyboard": [[good] * 12]}


def test_of_two_keyboards_one_is_shown() -> None:
    """A markup with both has only the one that is not inline."""
    both = {"keyboard": [["Yes"]], "inline_keyboard": [[{"text": "a", "callback_data": "x"}]]}
    assert read(both).inline is None
    assert read({"remove_keyboard": True}).reply == {"remove_keyboard": True}


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        ({"inline_keyboard": 5}, 'field "inline_keyboard" must be of type Array'),
        ({"inline_keyboard": [5]}, 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'),
        ({"keyboard": ["Yes"]}, 'field "keyboard" must be an Array of Arrays'),
        ({"keyboard": [[5]]}, "can't parse keyboard button: KeyboardButton must be a String or an Object"),
        ({"keyboard": [[{}]]}, "can't parse keyboard button: Can't find field \"text\""),
        ({"inline_keyboard": [["a"]]}, "can't parse inline keyboard button: InlineKeyboardButton must be an Object"),
        (
            {"inline_keyboard": [[{"text": None, "url": "x"}]]},
            'can\'t parse inline keyboard button: Field "text" must be of type String',
        ),
        (
            {"inline_keyboard": [[{"text": "a", "url": None}]]},
            'can\'t parse inline keyboard button: Field "url" must be of type String',
        ),
        (
            {"inline_keyboard": [[{"text": "a", "login_url": {"url": "http://example.org/"}}]]},
            "inline keyboard button login URL 'http://example.org/' is invalid: Only HTTPS links are allowed",
        ),
        (
            {"inline_keyboard": [[{"text": "a", "web_app": {}}]]},
            "can't parse inline keyboard button: Can't find field \"url\"",
        ),
        (
            {
                "inline_keyboard": [
                    [{"text": "a", "switch_inline_query_chosen_chat": {"query": "", "allow_user_chats": 1}}]
                ]
            },
            'can\'t parse inline keyboard button: Field "allow_user_chats" must be of type Boolean',
        ),
    ],
)
def test_what_is_refused(markup: object, why: str) -> None:
    """In the server's words."""
    assert refusal(markup) == why


@pytest.mark.parametrize(
    ("button", "why"),
    [
        ({"request_contact": True}, "phone number can be requested in private chats only"),
        ({"request_location": True}, "location can be requested in private chats only"),
        ({"request_poll": {"type": "quiz"}}, "poll can be requested in private chats only"),
        ({"web_app": {"url": "https://example.org/"}}, "web App buttons can be used in private chats only"),
    ],
)
def test_what_can_be_asked_in_private_only(button: dict[str, Any], why: str) -> None:
    """A keyboard that asks for a person's own things is refused in a group, and sent in private."""
    markup = {"keyboard": [[{"text": "a", **button}]]}
    assert refusal(markup, private=False) == why
    check_place(read(markup), private=True, invoice=False)


def test_keyboards_are_refused_in_the_servers_words() -> None:
    """Each fault of a keyboard has the description Telegram gives it."""
    button = "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
    url = "inline keyboard button URL 'http://localhost/' is invalid: Wrong HTTP URL"
    assert refusal("{") == "can't parse reply keyboard markup JSON object"
    assert refusal([]) == "object expected as reply markup"
    assert refusal({"inline_keyboard": [[{"text": "a"}]]}) == button
    assert refusal({"inline_keyboard": [[{"text": "a", "url": "http://localhost/"}]]}) == url
    long = {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 33}]]}
    assert refusal(long) == "BUTTON_DATA_INVALID"
    many = {"inline_keyboard": [[{"text": "a", "callback_data": "x"}]] * 101}
    assert refusal(many) == "reply markup is too long"


def test_sixty_four_bytes_of_data_are_allowed() -> None:
    """The limit is 64 bytes, included."""
    keyboard = {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 32}]]}
    assert read(keyboard).inline == keyboard
