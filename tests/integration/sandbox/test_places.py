"""Places: what of them is shown, those that move, until when they do, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.sandbox.conftest import Client

PLACE: dict[str, Any] = {"latitude": 1.5, "longitude": 2.5}


async def test_a_location_moves_until_it_is_stopped(client: Client) -> None:
    """A live location is moved, keeping its period; stopped it is a place like any other, and stays where it is."""
    given = {**PLACE, "live_period": 60, "heading": 9, "proximity_alert_radius": 7, "horizontal_accuracy": 2000}
    sent = await client.result("sendLocation", chat_id=1000, **given)
    assert sent["location"] == {**given, "horizontal_accuracy": 1500}
    name = {"chat_id": 1000, "message_id": sent["message_id"]}
    moved = await client.result("editMessageLiveLocation", **name, latitude=3, longitude=4)
    assert moved["location"] == {"latitude": 3, "longitude": 4, "live_period": 60}
    same = await client.refusal("editMessageLiveLocation", **name, latitude=3, longitude=4)
    assert same.startswith("message is not modified: specified new message content and reply markup are exactly")
    longer = await client.result("editMessageLiveLocation", **name, **PLACE, live_period=0x7FFFFFFF)
    assert longer["location"]["live_period"] == 0x7FFFFFFF
    stopped = await client.result("stopMessageLiveLocation", **name)
    assert (stopped["location"], "edit_date" in stopped) == (PLACE, True)
    assert await client.refusal("editMessageLiveLocation", **name, **PLACE) == "message can't be edited"
    assert await client.refusal("stopMessageLiveLocation", **name) == "message can't be edited"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"longitude": 1}, "latitude is empty"),
        ({"latitude": 1}, "longitude is empty"),
        ({**PLACE, "live_period": 59}, "wrong live location period specified"),
        ({**PLACE, "live_period": 86_401}, "wrong live location period specified"),
        ({**PLACE, "live_period": 60, "heading": 361}, "wrong live location heading specified"),
        (
            {**PLACE, "live_period": 60, "proximity_alert_radius": 100_001},
            "wrong live location proximity alert radius specified",
        ),
    ],
)
async def test_places_that_are_refused(client: Client, given: dict[str, Any], why: str) -> None:
    """Nothing is sent."""
    assert await client.refusal("sendLocation", chat_id=1000, **given) == why
    assert await client.messages() == []


async def test_what_is_no_number_is_nought(client: Client) -> None:
    """As the server reads numbers."""
    sent = await client.result("sendLocation", chat_id=1000, latitude="x", longitude="nan")
    assert sent["location"] == {"latitude": 0, "longitude": 0}


async def test_only_a_live_location_moves(client: Client) -> None:
    """A text has none, a fixed place and a venue stay."""
    text = await client.result("sendMessage", chat_id=1000, text="x")
    fixed = await client.result("sendLocation", chat_id=1000, **PLACE)
    venue = await client.result("sendVenue", chat_id=1000, **PLACE, title="t", address="a")
    none = "there is no live location in the message to edit"
    for sent, why in ((text, none), (fixed, "message can't be edited"), (venue, none)):
        name = {"chat_id": 1000, "message_id": sent["message_id"]}
        assert await client.refusal("editMessageLiveLocation", **name, **PLACE) == why


async def test_a_venues_identifiers(client: Client) -> None:
    """Those of one provider come back: Foursquare's before Google's."""
    named: dict[str, Any] = {"chat_id": 1000, **PLACE, "title": "t", "address": "a"}
    google = {"google_place_id": "g", "google_place_type": "bar"}
    venue = (await client.result("sendVenue", **named, **google))["venue"]
    assert venue == {"location": PLACE, "title": "t", "address": "a", **google}
    both = (await client.result("sendVenue", **named, **google, foursquare_id="f"))["venue"]
    assert both == {"location": PLACE, "title": "t", "address": "a", "foursquare_id": "f"}


async def test_an_edited_message_has_no_reply_keyboard(client: Client) -> None:
    """A keyboard that is not inline is refused in each kind of edit, and nothing changes."""
    live = await client.result("sendLocation", chat_id=1000, **PLACE, live_period=60)
    text = await client.result("sendMessage", chat_id=1000, text="x")
    poll = await client.result("sendPoll", chat_id=1000, question="?", options=["a"])
    wrong = {"chat_id": 1000, "reply_markup": {"keyboard": [["Yes"]]}}
    for method, sent, given in (
        ("editMessageText", text, {"text": "y"}),
        ("editMessageReplyMarkup", text, {}),
        ("editMessageLiveLocation", live, PLACE),
        ("stopMessageLiveLocation", live, {}),
        ("stopPoll", poll, {}),
    ):
        name = {"message_id": sent["message_id"]}
        assert await client.refusal(method, **wrong, **name, **given) == "inline keyboard expected"
    assert [message.get("edit_date") for message in await client.messages()] == [None] * 3


async def test_a_bots_name_is_what_it_says(client: Client) -> None:
    """The name for all languages is the bot's own, in getMe and in its messages; others are for who reads them."""
    await client.result("setMyName", name="Deutsch", language_code="de")
    assert (await client.result("getMe"))["first_name"] == "Doradura"
    await client.result("setMyName", name="Other")
    assert (await client.result("getMe"))["first_name"] == "Other"
    assert (await client.result("sendMessage", chat_id=1000, text="x"))["from"]["first_name"] == "Other"
    await client.result("setMyName", name="")
    assert (await client.result("getMyName")) == {"name": "Doradura"}
