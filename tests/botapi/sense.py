"""What the types of an answer can't say: how the parts of a message fit together, in any message anywhere in it.

Telegram keeps these without writing them down: one content, entities inside their text and in order, photo sizes
from small to large, a reply to an earlier message of the same chat, buttons that do one thing. One line each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CONTENTS = frozenset(
    {
        *("text", "animation", "audio", "document", "photo", "sticker", "video", "video_note", "voice", "contact"),
        *("dice", "poll", "venue", "location", "invoice", "successful_payment", "refunded_payment"),
        *("new_chat_members", "left_chat_member", "new_chat_title", "pinned_message"),
        *("migrate_to_chat_id", "migrate_from_chat_id"),
    }
)
TOGETHER = ({"animation", "document"}, {"venue", "location"})
"""Contents that come in pairs: the second for clients that do not know the first."""
CAPTIONED = frozenset({"animation", "audio", "document", "photo", "video", "voice"})
LOOKS = frozenset({"text", "icon_custom_emoji_id", "style"})
FIRST_DATE = 1_400_000_000
SUPERGROUPS_BELOW = -1_000_000_000_000


def check_sense(value: Any, path: str) -> list[str]:
    """Judge every message in an answer."""
    if isinstance(value, list):
        return [problem for index, each in enumerate(value) for problem in check_sense(each, f"{path}[{index}]")]
    if not isinstance(value, dict):
        return []
    problems = [problem for key, each in value.items() for problem in check_sense(each, f"{path}.{key}")]
    if {"message_id", "chat", "date"} <= value.keys() and ("from" in value or CONTENTS & value.keys()):
        problems += [f"{path}: {problem}" for problem in _message(value)]
    return problems


def check_files(calls: list[dict[str, Any]]) -> list[str]:
    """Judge the files of a whole record: an id always means the same file, and a file is always the same."""
    return list(_strange_files(calls))


def _strange_files(calls: list[dict[str, Any]]) -> Iterator[str]:
    known: dict[str, tuple[Any, ...]] = {}
    for call in calls:
        for file in _files(call.get("response")):
            told = (file["file_unique_id"], file.get("file_size"))
            for name in (file["file_id"], file["file_unique_id"]):
                if known.setdefault(name, told) != told:
                    yield f"{call['method']}: {name} was {known[name]} and is {told}"


def _files(value: Any) -> Iterator[dict[str, Any]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _files(each)
    if isinstance(value, dict) and "file_unique_id" in value:
        yield value


def _message(message: dict[str, Any]) -> Iterator[str]:
    yield from _head(message)
    contents = CONTENTS & message.keys()
    if len(contents) != 1 and contents not in TOGETHER:
        yield f"it says {sorted(contents)} at once"
    if "caption" in message and not contents & CAPTIONED:
        yield "a caption without a file"
    for text, entities in (("text", "entities"), ("caption", "caption_entities")):
        yield from _entities(message.get(text), message.get(entities))
    sizes = [size["width"] * size["height"] for size in message.get("photo", [])]
    if "photo" in message and (not sizes or sizes != sorted(sizes)):
        yield f"photo sizes {sizes}"
    reply = message.get("reply_to_message")
    if reply is not None and (
        "reply_to_message" in reply
        or reply["message_id"] >= message["message_id"]
        or reply["chat"]["id"] != message["chat"]["id"]
    ):
        yield f"a reply to {reply['message_id']}"
    yield from _buttons(message.get("reply_markup"))


def _head(message: dict[str, Any]) -> Iterator[str]:
    chat, private = message["chat"], message["chat"]["type"] == "private"
    if private != (chat["id"] > 0) or ("first_name" if private else "title") not in chat:
        yield f"the chat {chat}"
    if (chat["type"] == "supergroup") != (chat["id"] < SUPERGROUPS_BELOW):
        yield f"the chat {chat}"
    if "from" not in message or not message["from"]["first_name"]:
        yield "from nobody"
    if message["date"] < FIRST_DATE or message.get("edit_date", message["date"]) < message["date"]:
        yield f"dates {message['date']} and {message.get('edit_date')}"


def _entities(text: str | None, entities: list[dict[str, Any]] | None) -> Iterator[str]:
    if entities is None:
        return
    size = len((text or "").encode("utf-16-le")) // 2
    offsets = [entity["offset"] for entity in entities]
    if not entities or offsets != sorted(offsets):
        yield f"entities at {offsets}"
    for entity in entities:
        if entity["offset"] < 0 or entity["length"] <= 0 or entity["offset"] + entity["length"] > size:
            yield f"{entity} outside of {size} units"


def _buttons(markup: dict[str, Any] | None) -> Iterator[str]:
    rows = (markup or {}).get("inline_keyboard")
    if markup is not None and (not rows or not all(rows)):
        yield f"the keyboard {markup}"
    for row in rows or []:
        for button in row:
            if not button["text"] or len(button.keys() - LOOKS) != 1:
                yield f"the button {button}"
