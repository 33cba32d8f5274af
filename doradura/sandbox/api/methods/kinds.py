"""Bot API methods for messages that are neither text nor file nor location: a contact, a die."""

from __future__ import annotations

import secrets
from types import MappingProxyType

from doradura.sandbox.api.call import Call
from doradura.sandbox.api.methods.messages import send
from doradura.sandbox.state.records import Object
from doradura.sandbox.state.refusal import bad_request

_FACES = MappingProxyType({"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "⚽️": 5, "🎰": 64})


async def send_contact(call: Call) -> Object:
    """Answer sendContact. Raises RefusalError."""
    given = {key: call.parameters.text(key) for key in ("phone_number", "first_name", "last_name", "vcard")}
    for name in ("phone_number", "first_name"):
        if not given[name]:
            raise bad_request(f'parameter "{name}" is required')
    return send(call, {"contact": {key: value for key, value in given.items() if value}})


async def send_dice(call: Call) -> Object:
    """Answer sendDice. Raises RefusalError."""
    emoji = call.parameters.text("emoji") or "🎲"
    if emoji not in _FACES:
        raise bad_request("wrong dice emoji specified")
    return send(call, {"dice": {"emoji": emoji, "value": 1 + secrets.randbelow(_FACES[emoji])}})
