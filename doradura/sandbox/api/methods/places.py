"""Bot API methods about locations: fixed ones, venues, and live ones that move.

A live location can be moved until its time is over or it is stopped; then it is like any other.
"""

from __future__ import annotations

import math

from doradura.sandbox.api.call import Call, content_of
from doradura.sandbox.api.keyboards import check_edited, read_keyboard
from doradura.sandbox.api.methods.messages import markup, send
from doradura.sandbox.state.records import Message, Object
from doradura.sandbox.state.refusal import bad_request

LIVE_LEAST, LIVE_MOST, FOR_EVER = 60, 86_400, 0x7FFFFFFF
ACCURACY_LIMIT = 1500
_LIVE = ("live_period", "heading", "proximity_alert_radius")
_VENUE_IDS = (("foursquare_id", "foursquare_type"), ("google_place_id", "google_place_type"))


async def send_location(call: Call) -> Object:
    """Answer sendLocation; with live_period it can be moved."""
    place = _place(call)
    period = call.parameters.integer("live_period")
    if period:
        _check_period(period)
        place |= {"live_period": period, **_direction(call)}
    return send(call, {"location": place})


async def send_venue(call: Call) -> Object:
    """Answer sendVenue, with the identifiers of one provider: Foursquare's, else Google's."""
    place = _place(call)
    venue = {"location": place, "title": call.required("title"), "address": call.required("address")}
    for names in _VENUE_IDS:
        given = {name: call.parameters.text(name) for name in names if call.parameters.text(name)}
        if given:
            venue |= given
            break
    return send(call, {"location": place, "venue": venue})


async def edit_message_live_location(call: Call) -> Object:
    """Answer editMessageLiveLocation: a new location and other values; the period stays unless it is given."""
    place = _place(call)
    period = call.parameters.integer("live_period")
    keyboard = read_keyboard(call.parameters)
    message = _live_message(call)
    check_edited(keyboard)
    if period:
        _check_period(period)
    lasting = {"live_period": period or message.body["location"]["live_period"]}
    return call.finish_edit(message, {"location": {**place, **lasting, **_direction(call)}} | markup(keyboard.inline))


async def stop_message_live_location(call: Call) -> Object:
    """Answer stopMessageLiveLocation: the last location stays."""
    keyboard = read_keyboard(call.parameters)
    message = _live_message(call)
    check_edited(keyboard)
    place = {key: value for key, value in message.body["location"].items() if key not in _LIVE}
    kept = {key: value for key, value in content_of(message).items() if key != "reply_markup"}
    return call.finish_edit(message, kept | {"location": place} | markup(keyboard.inline))


def _live_message(call: Call) -> Message:
    """Return the message whose location can still be moved. Raises RefusalError."""
    message = call.own_message()
    location = message.body.get("location")
    if location is None or "venue" in message.body:
        raise bad_request("there is no live location in the message to edit")
    period = location.get("live_period", 0)
    if period != FOR_EVER and call.bot.world.now() >= message.body["date"] + period:
        raise bad_request("message can't be edited")
    return message


def _check_period(period: int) -> None:
    if period != FOR_EVER and not LIVE_LEAST <= period <= LIVE_MOST:
        raise bad_request("wrong live location period specified")


def _place(call: Call) -> Object:
    place: Object = {}
    for name, most in (("latitude", 90.0), ("longitude", 180.0)):
        text = call.parameters.text(name).strip()
        if not text:
            raise bad_request(f"{name} is empty")
        place[name] = _number(text)
        if not -most <= place[name] <= most:
            raise bad_request("wrong location specified")
    accuracy = min(_number(call.parameters.text("horizontal_accuracy")), ACCURACY_LIMIT)
    return place | ({"horizontal_accuracy": accuracy} if accuracy > 0 else {})


def _number(text: str) -> float:
    """Return a number as the server reads it: anything else is 0."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _direction(call: Call) -> Object:
    """Return the heading of a live location, and from which distance to alert."""
    heading, radius = call.parameters.integer("heading"), call.parameters.integer("proximity_alert_radius")
    if not 0 <= heading <= 360:
        raise bad_request("wrong live location heading specified")
    if not 0 <= radius <= 100_000:
        raise bad_request("wrong live location proximity alert radius specified")
    given = {"heading": heading, "proximity_alert_radius": radius}
    return {key: value for key, value in given.items() if value}
