"""Bot API methods for polls and reactions.

Nobody votes here and nobody reads reactions: a poll keeps zero voters until the bot stops it.
"""

from __future__ import annotations

import secrets
from typing import Any

from doradura.sandbox.api.call import Call, content_of, read_entities
from doradura.sandbox.api.fields import Fields, read_array, read_json
from doradura.sandbox.api.keyboards import check_edited, read_keyboard
from doradura.sandbox.api.methods.messages import markup, send
from doradura.sandbox.api.texts import formatted
from doradura.sandbox.state.records import Object
from doradura.sandbox.state.refusal import bad_request
from doradura.sandbox.text.numbers import leading_integer

QUESTION_LIMIT = 300
OPTION_LIMIT = 100
OPTIONS_LIMIT = 12
EXPLANATION_LIMIT = 200
DESCRIPTION_LIMIT = 1024


async def send_poll(call: Call) -> Object:
    """Answer sendPoll. Raises RefusalError."""
    parameters = call.parameters
    question, found = _text(call, "question", QUESTION_LIMIT, "poll question")
    entities = _emoji(found)
    options = [_option(number, option) for number, option in enumerate(_options(call))]
    kind = parameters.text("type") or "regular"
    if kind not in {"regular", "quiz"}:
        raise bad_request("unsupported poll type specified")
    anonymous = parameters.boolean("is_anonymous") or not parameters.text("is_anonymous")
    poll: Object = {
        "id": str(10**18 + secrets.randbelow(8 * 10**18)),
        "question": question,
        **({"question_entities": entities} if entities else {}),
        "options": options,
        "total_voter_count": 0,
        "is_closed": parameters.boolean("is_closed"),
        "is_anonymous": anonymous,
        "type": kind,
        "allows_multiple_answers": parameters.boolean("allows_multiple_answers"),
        "allows_revoting": parameters.boolean("allows_revoting") or not parameters.text("allows_revoting"),
        "members_only": parameters.boolean("members_only"),
    }
    if kind == "quiz":
        poll |= {"allows_revoting": parameters.boolean("allows_revoting"), **_quiz(call, len(options))}
    return send(call, {"poll": poll | _end(call) | _description(call)})


def _end(call: Call) -> Object:
    """Return when a poll ends, as fields: after a period, or at a date."""
    period, date = call.parameters.integer("open_period"), call.parameters.integer("close_date")
    if period > 0:
        return {"open_period": period, "close_date": call.bot.world.now() + period}
    return {"close_date": date} if date > 0 else {}


def _description(call: Call) -> Object:
    if not call.parameters.text("description"):
        return {}
    text, entities = _text(call, "description", DESCRIPTION_LIMIT, "poll description")
    return {"description": text, **({"description_entities": entities} if entities else {})}


async def stop_poll(call: Call) -> Object:
    """Answer stopPoll with the final poll. Raises RefusalError."""
    keyboard = read_keyboard(call.parameters)
    message = call.bot.message(call.writable_chat_id(), call.parameters.integer("message_id"))
    poll: Object | None = message.body.get("poll") if message is not None else None
    if message is None:
        raise bad_request("message with poll to stop not found")
    if poll is None:
        raise bad_request("message is not a poll")
    if not message.own or "forward_origin" in message.body:
        raise bad_request("poll can't be stopped")
    check_edited(keyboard)
    if poll["is_closed"]:
        raise bad_request("poll has already been closed")
    content = {key: value for key, value in content_of(message).items() if key != "reply_markup"}
    closed = {**poll, "is_closed": True}
    call.finish_edit(message, {**content, "poll": closed} | markup(keyboard.inline))
    return closed


async def set_message_reaction(call: Call) -> bool:
    """Answer setMessageReaction: it is checked, and shown to nobody. Raises RefusalError."""
    reactions = [_reaction(each) for each in _array(call, "reaction", "reaction types", "ReactionType") or []]
    chat_id = call.group_or_private_id()
    if call.bot.message(chat_id, call.parameters.integer("message_id")) is None:
        raise bad_request("message to react not found")
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(emoji.isascii() for emoji in reactions):
        raise bad_request("REACTION_INVALID")
    return True


def _reaction(given: object) -> str:
    """Read a ReactionType and return its emoji. Raises RefusalError."""
    trouble = "can't parse ReactionType: "
    if not isinstance(given, dict):
        raise bad_request(trouble + "expected an Object")
    fields = Fields(given, trouble)
    kind = fields.text("type", required=True)
    if kind == "emoji":
        return fields.text("emoji", required=True)
    if kind == "custom_emoji":
        return f"⭐{fields.integer('custom_emoji_id', required=True)}"
    raise fields.refusal("invalid reaction type specified")


def _text(call: Call, name: str, limit: int, called: str) -> tuple[str, list[Object]]:
    parameters = call.parameters
    mode, given = parameters.text(f"{name}_parse_mode"), read_entities(parameters, f"{name}_entities")
    plain, entities = formatted(parameters.text(name), mode, given)
    if not plain:
        raise bad_request(f"{called} must be non-empty")
    if len(plain) > limit:
        raise bad_request(f"{called} length must not exceed {limit}")
    return plain, entities


def _emoji(entities: list[Object]) -> list[Object]:
    """Return the entities that a question and its options may have."""
    return [entity for entity in entities if entity["type"] == "custom_emoji"]


def _options(call: Call) -> list[Any]:
    options = read_array(call.parameters, "options", "options", "String as options")
    if not options:
        raise bad_request("poll must have at least 1 option")
    if len(options) > OPTIONS_LIMIT:
        raise bad_request(f"poll can't have more than {OPTIONS_LIMIT} options")
    return options


def _option(number: int, option: object) -> Object:
    """Read an InputPollOption, or its text alone, which was enough before there were any."""
    entities: list[Object] = []
    if isinstance(option, dict):
        fields = Fields(option)
        text, mode = fields.text("text", required=True), fields.text("text_parse_mode")
        text, entities = formatted(text, mode, option.get("text_entities"))
    elif isinstance(option, str):
        text = option.strip()
    else:
        raise bad_request("expected an option to be of type String")
    if not text:
        raise bad_request("poll options must be non-empty")
    if len(text) > OPTION_LIMIT:
        raise bad_request(f"poll options length must not exceed {OPTION_LIMIT}")
    emoji = _emoji(entities)
    shown = {"text_entities": emoji} if emoji else {}
    return {"persistent_id": str(number), "text": text, **shown, "voter_count": 0}


def _quiz(call: Call, options: int) -> Object:
    given = _array(call, "correct_option_ids", "correct option identifiers", "correct option identifiers")
    if given is None and call.parameters.text("correct_option_id"):
        given = [leading_integer(call.parameters.text("correct_option_id"))]
    if not given or not all(type(number) is int and 0 <= number < options for number in given):
        raise bad_request("wrong correct option ID specified")
    quiz: Object = {"correct_option_ids": given}
    if call.parameters.text("explanation"):
        quiz["explanation"], entities = _text(call, "explanation", EXPLANATION_LIMIT, "poll explanation")
        quiz |= {"explanation_entities": entities} if entities else {}
    return quiz


def _array(call: Call, name: str, called: str, items: str) -> list[Any] | None:
    """Return an array, None if there is none. Raises RefusalError."""
    value = read_json(call.parameters, name, called) if call.parameters.text(name) else None
    if value is not None and not isinstance(value, list):
        raise bad_request(f"expected an Array of {items}")
    return value
