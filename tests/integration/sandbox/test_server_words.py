"""What clients nobody here wrote stumble over: what the Bot API server says and takes, down to the letter."""

from __future__ import annotations

from typing import Any

import pytest

from doradura.sandbox import SANDBOX_TOKEN
from tests.integration.sandbox.conftest import Client
from tests.integration.sandbox.test_methods import error, group


async def send(client: Client, **parameters: Any) -> Any:
    """Send a text."""
    return await client.result("sendMessage", **{"chat_id": 1000, "text": "x", **parameters})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "message identifier is not specified"),
        ({"inline_message_id": "x"}, "invalid inline message identifier specified"),
        ({"inline_message_id": "A" * 32}, "MESSAGE_ID_INVALID"),
        ({"message_id": 1}, "chat_id is empty"),
        ({"chat_id": 1000}, "message to edit not found"),
        ({"chat_id": 1000, "message_id": -1}, "message to edit not found"),
        ({"chat_id": 1000, "message_id": 1, "inline_message_id": "x"}, "message to edit not found"),
        ({"chat_id": 1000, "message_id": 1, "business_connection_id": "x"}, "business connection not found"),
    ],
)
async def test_which_message_is_to_be_edited(client: Client, given: dict[str, Any], why: str) -> None:
    """An inline message is meant only where neither a chat nor a message is named."""
    assert await error(client, "editMessageText", text="x", **given) == (400, f"Bad Request: {why}")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"chat_id": "@durov"}, "Bad Request: chat not found"),
        ({"chat_id": "x"}, "Bad Request: chat not found"),
        ({"chat_id": int(SANDBOX_TOKEN.partition(":")[0])}, "Forbidden: bots can't send messages to bots"),
        ({"message_thread_id": 5}, "Bad Request: message thread not found"),
        ({"business_connection_id": "x"}, "Bad Request: business connection not found"),
        ({"reply_parameters": "x"}, "Bad Request: can't parse reply parameters JSON object"),
        ({"reply_parameters": []}, "Bad Request: object expected as reply parameters"),
        ({"reply_parameters": {"quote": "x"}}, 'Bad Request: can\'t find field "message_id"'),
        ({"reply_parameters": {"message_id": 9}}, "Bad Request: message to be replied not found"),
        ({"reply_to_message_id": 9}, "Bad Request: message to be replied not found"),
        ({"link_preview_options": "x"}, "Bad Request: can't parse link preview options JSON object"),
        ({"link_preview_options": []}, "Bad Request: object expected as link preview options"),
        ({"entities": ["x"]}, "Bad Request: can't parse MessageEntity: expected an Object"),
        (
            {"entities": [{"offset": 0, "length": 1}]},
            "Bad Request: can't parse MessageEntity: Can't find field \"type\"",
        ),
        (
            {"entities": [{"offset": 0, "length": 1, "type": "loud"}]},
            "Bad Request: can't parse MessageEntity: Unsupported type specified",
        ),
        (
            {"entities": [{"offset": "?", "length": 1, "type": "bold"}]},
            'Bad Request: can\'t parse MessageEntity: Field "offset" must be a valid Number',
        ),
        (
            {"entities": [{"offset": 0, "length": 1, "type": "text_link"}]},
            "Bad Request: can't parse MessageEntity: Can't find field \"url\"",
        ),
    ],
)
async def test_texts_that_are_refused(client: Client, given: dict[str, Any], why: str) -> None:
    """Nothing is sent, and the words are the server's."""
    code, said = await error(client, "sendMessage", **{"chat_id": 1000, "text": "x", **given})
    assert (code, said) == (403 if why.startswith("Forbidden") else 400, why)
    assert await client.messages() == []


@pytest.mark.parametrize(
    "given",
    [
        {"chat_id": 1000.0},
        {"chat_id": "1000"},
        {"entities": "no JSON"},
        {"entities": {}},
        {"entities": [{"offset": 0, "length": 1, "type": "url"}]},
        {"reply_parameters": {}},
        {"reply_parameters": ""},
        {"reply_parameters": {"message_id": "9", "allow_sending_without_reply": True}},
        {"reply_to_message_id": 0},
        {"message_thread_id": 0},
    ],
)
async def test_what_the_server_puts_up_with(client: Client, given: dict[str, Any]) -> None:
    """A mere text is sent."""
    sent = await send(client, **given)
    assert (sent["chat"]["id"], sent["text"], sent.keys() & {"entities", "reply_to_message"}) == (1000, "x", set())


async def test_an_edited_message_comes_without_what_it_replies_to(client: Client) -> None:
    """The message sent has reply_to_message; the answer to its edit does not, and yet it is still a reply."""
    first = await send(client)
    reply = await send(client, reply_parameters={"message_id": first["message_id"]})
    assert reply["reply_to_message"]["message_id"] == first["message_id"]
    edited = await client.result("editMessageText", chat_id=1000, message_id=reply["message_id"], text="y")
    assert (edited["text"], "reply_to_message" in edited) == ("y", False)
    assert (await client.messages())[-1]["reply_to_message"]["message_id"] == first["message_id"]


async def test_effects(client: Client) -> None:
    """A message has its effect in private, lasts through edits, is not copied, and has no place in a group."""
    sent = await send(client, message_effect_id="5104841245755180586")
    assert sent["effect_id"] == "5104841245755180586"
    edited = await client.result("editMessageText", chat_id=1000, message_id=sent["message_id"], text="y")
    assert edited["effect_id"] == "5104841245755180586"
    await client.result("copyMessage", chat_id=1000, from_chat_id=1000, message_id=sent["message_id"])
    assert "effect_id" not in (await client.messages())[-1]
    chat = await group(client)
    assert await error(client, "sendMessage", chat_id=chat, text="x", message_effect_id="5") == (
        400,
        "Bad Request: can't use message effects in the chat",
    )


async def test_previews(client: Client) -> None:
    """Of the options what is set comes back, with the address as the server keeps it."""
    options = {"is_disabled": False, "url": "Example.org", "show_above_text": True}
    sent = await send(client, link_preview_options=options)
    assert sent["link_preview_options"] == {"show_above_text": True, "url": "http://example.org/"}
    assert "link_preview_options" not in await send(client, link_preview_options={"is_disabled": False})


@pytest.mark.parametrize(("mode", "what"), [("", "strings"), ("HTML", "text")])
async def test_texts_are_utf8(client: Client, mode: str, what: str) -> None:
    """Bytes that are none are refused, in each encoding a client may choose; unknown parameters may hold any."""
    why = f"Bad Request: {what} must be encoded in UTF-8"
    address = f"/bot{SANDBOX_TOKEN}/sendMessage"
    by_query = await client.http.get(f"{address}?chat_id=1000&text=%ff&parse_mode={mode}")
    assert by_query.json()["description"] == why
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = f"chat_id=1000&parse_mode={mode}&text=".encode()
    for bad in (b"\xff", b"%ff"):
        answer = await client.http.post(address, content=body + bad, headers=form)
        assert answer.json()["description"] == why
    parts = {"chat_id": "1000", "parse_mode": mode}
    answer = await client.http.post(address, data=parts, files={"text": (None, b"\xff")})
    assert answer.json()["description"] == why
    good = await client.http.get(f"{address}?chat_id=1000&text=ok&unknown=%ff&parse_mode={mode}")
    assert good.json()["result"]["text"] == "ok"


async def test_null_is_no_markup(client: Client) -> None:
    """A JSON null is the text "null" to the server, and so no keyboard."""
    assert await error(client, "sendMessage", chat_id=1000, text="x", reply_markup=None) == (
        400,
        "Bad Request: object expected as reply markup",
    )
