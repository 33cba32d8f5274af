"""Buttons and what is refused of them, quotes, polls, stickers, reactions, and the rest a bot asks of its server."""

from __future__ import annotations

from typing import Any

import pytest

from doradura.sandbox import SANDBOX_TOKEN
from tests.integration.sandbox.conftest import Client

WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\x09\xc0\x01\0" + bytes(8)
NO_ACTION = "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"


def inline(**button: Any) -> Any:
    """Make an inline keyboard of one button."""
    return {"inline_keyboard": [[{"text": "b", **button}]]}


@pytest.mark.parametrize(
    "button",
    [
        {"url": "https://example.org/"},
        {"callback_data": "x" * 64, "style": "danger"},
        {"web_app": {"url": "https://example.org/"}},
        {"switch_inline_query": ""},
        {"switch_inline_query_current_chat": "q"},
        {"copy_text": {"text": "x" * 256}},
    ],
)
async def test_every_kind_of_inline_button(client: Client, button: dict[str, Any]) -> None:
    """A button comes back as it was given."""
    sent = await client.result("sendMessage", chat_id=1000, text="?", reply_markup=inline(**button))
    assert sent["reply_markup"] == inline(**button)


@pytest.mark.parametrize(
    ("button", "why"),
    [
        ({"callback_data": "x" * 65}, "BUTTON_DATA_INVALID"),
        (
            {"callback_data": ""},
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        ({"url": "nowhere"}, "inline keyboard button URL 'nowhere' is invalid: Wrong HTTP URL"),
        (
            {"web_app": {"url": "http://example.org/"}},
            "inline keyboard button Web App URL 'http://example.org/' is invalid: Only HTTPS links are allowed",
        ),
        ({"web_app": "x"}, 'can\'t parse inline keyboard button: Field "web_app" must be of type Object'),
        ({"copy_text": {"text": "x" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"pay": True}, "BUTTON_TYPE_INVALID"),
        ({}, NO_ACTION),
    ],
)
async def test_buttons_that_are_refused(client: Client, button: dict[str, Any], why: str) -> None:
    """Sending and editing refuse them alike, and nothing changes."""
    assert await client.refusal("sendMessage", chat_id=1000, text="?", reply_markup=inline(**button)) == why
    sent = await client.result("sendMessage", chat_id=1000, text="kept")
    edit = {"chat_id": 1000, "message_id": sent["message_id"], "reply_markup": inline(**button)}
    assert await client.refusal("editMessageReplyMarkup", **edit) == why
    assert [message.get("reply_markup") for message in await client.messages()] == [None]


async def test_an_app_belongs_into_a_private_chat(client: Client) -> None:
    """A button that opens an app is refused in a group."""
    await client.result("getMe")
    chat = await client.act("chats", title="G", type="group", member_ids=[1000])
    markup = inline(web_app={"url": "https://example.org/"})
    assert await client.refusal("sendMessage", chat_id=chat["id"], text="?", reply_markup=markup) == (
        "BUTTON_TYPE_INVALID"
    )


async def test_a_part_of_a_message_is_quoted(client: Client) -> None:
    """A quote says where it stood, in UTF-16 units; what is not in the message can't be quoted."""
    said = await client.act("chats/1000/messages", text="😀 one two", from_id=1000)
    reply = {"message_id": said["message_id"], "quote": "<b>two</b>", "quote_parse_mode": "HTML"}
    sent = await client.result("sendMessage", chat_id=1000, text="yes", reply_parameters=reply)
    assert sent["quote"] == {
        "text": "two",
        "entities": [{"type": "bold", "offset": 0, "length": 3}],
        "position": 7,
        "is_manual": True,
    }
    assert sent["reply_to_message"]["message_id"] == said["message_id"]
    wrong = {"message_id": said["message_id"], "quote": "three"}
    assert await client.refusal("sendMessage", chat_id=1000, text="x", reply_parameters=wrong) == "QUOTE_TEXT_INVALID"


async def test_a_poll_is_asked_and_stopped(client: Client) -> None:
    """Options may be objects or texts; a stopped poll is closed, once."""
    options = ["red", {"text": "blue"}]
    sent = await client.result("sendPoll", chat_id=1000, question="Which?", options=options, is_anonymous=False)
    poll = sent["poll"]
    assert [(option["text"], option["voter_count"]) for option in poll["options"]] == [("red", 0), ("blue", 0)]
    assert (poll["type"], poll["is_anonymous"], poll["is_closed"]) == ("regular", False, False)
    closed = await client.result("stopPoll", chat_id=1000, message_id=sent["message_id"])
    assert closed == {**poll, "is_closed": True}
    assert (await client.messages())[-1]["poll"]["is_closed"] is True
    again = await client.refusal("stopPoll", chat_id=1000, message_id=sent["message_id"])
    assert again == "poll has already been closed"


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"options": ["a", "b"]}, "poll question must be non-empty"),
        ({"question": "?", "options": []}, "poll must have at least 1 option"),
        ({"question": "?", "options": ["x"] * 13}, "poll can't have more than 12 options"),
        ({"question": "?", "options": ["a", "x" * 101]}, "poll options length must not exceed 100"),
        ({"question": "?", "options": ["a", "b"], "type": "quiz"}, "wrong correct option ID specified"),
    ],
)
async def test_polls_that_are_refused(client: Client, parameters: dict[str, Any], why: str) -> None:
    """Each in the server's words."""
    assert await client.refusal("sendPoll", chat_id=1000, **parameters) == why


async def test_a_quiz_has_an_answer(client: Client) -> None:
    """A right option and an explanation with its entities."""
    sent = await client.result(
        "sendPoll",
        chat_id=1000,
        question="?",
        options=["a", "b"],
        type="quiz",
        correct_option_ids=[1],
        explanation="<i>b</i>",
        explanation_parse_mode="HTML",
    )
    assert (sent["poll"]["correct_option_ids"], sent["poll"]["explanation"]) == ([1], "b")
    assert sent["poll"]["explanation_entities"] == [{"type": "italic", "offset": 0, "length": 1}]


async def test_a_sticker(client: Client) -> None:
    """A sticker has its picture's size, no caption, and can be sent again but not as a photo."""
    fields = {"chat_id": "1000", "emoji": "😀", "caption": "no"}
    path = f"/bot{SANDBOX_TOKEN}/sendSticker"
    sent = (await client.http.post(path, data=fields, files={"sticker": ("a.webp", WEBP)})).json()["result"]
    assert (sent["sticker"]["width"], sent["sticker"]["height"], sent["sticker"]["emoji"]) == (10, 8, "😀")
    assert "caption" not in sent
    file_id = sent["sticker"]["file_id"]
    assert (await client.result("sendSticker", chat_id=1000, sticker=file_id))["sticker"] == sent["sticker"]
    assert await client.refusal("sendPhoto", chat_id=1000, photo=file_id) == "can't use file of type Sticker as Photo"


async def test_reactions_are_checked(client: Client) -> None:
    """One emoji to a message that is there."""
    sent = await client.result("sendMessage", chat_id=1000, text="x")
    place = {"chat_id": 1000, "message_id": sent["message_id"]}
    thumb = {"type": "emoji", "emoji": "👍"}
    assert await client.result("setMessageReaction", **place, reaction=[thumb]) is True
    assert await client.result("setMessageReaction", **place) is True
    assert await client.refusal("setMessageReaction", **place, reaction=[thumb, thumb]) == "REACTIONS_TOO_MANY"
    wrong = {"type": "emoji", "emoji": "x"}
    assert await client.refusal("setMessageReaction", **place, reaction=[wrong]) == "REACTION_INVALID"
    assert await client.refusal("setMessageReaction", chat_id=1000, message_id=99) == "message to react not found"


async def test_leaving_rights_and_inline_queries(client: Client) -> None:
    """A bot may log out, asks for rights by audience, and never has an inline query to answer."""
    assert await client.result("logOut") is True
    assert await client.result("close") is True
    assert await client.result("setMyDefaultAdministratorRights", rights={"can_pin_messages": True}) is True
    assert (await client.result("getMyDefaultAdministratorRights"))["can_pin_messages"] is True
    assert (await client.result("getMyDefaultAdministratorRights", for_channels=True))["can_pin_messages"] is False
    assert await client.refusal("answerInlineQuery", inline_query_id="1", results=[]) == (
        "query is too old and response timeout expired or query ID is invalid"
    )
