"""Judging one value by the Bot API's types: of the right type, with the right fields, within the limits of each.

What is found is one line each, with where it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "botapi.json"
FILE_FIELDS = frozenset({"media", "thumbnail", "cover", "sticker", "photo", "video", "animation"})
NOT_LISTED = frozenset({"forward_from", "forward_date"})
"""What the real server sends although the page names it no more."""
BUTTON_ACTIONS = frozenset(
    (
        *("url", "callback_data", "web_app", "login_url", "copy_text", "callback_game", "pay"),
        *("switch_inline_query", "switch_inline_query_current_chat", "switch_inline_query_chosen_chat"),
    )
)
"""Of them an inline button has exactly one."""
FIRST_ONLY = frozenset({"pay", "callback_game"})
"""Of them only the first button of a keyboard may have one."""
_SIMPLE: dict[str, tuple[type, ...]] = {
    "Integer": (int,),
    "Float": (int, float),
    "String": (str,),
    "Boolean": (bool,),
    "True": (bool,),
}
_WIRE_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@cache
def specification() -> dict[str, Any]:
    """Return the Bot API as data."""
    found: dict[str, Any] = json.loads(DATA.read_text())
    return found


@dataclass
class Judge:
    """Judges values, and notes which uploaded parts they name.

    `files` are the uploaded parts. `is_request` tells what a bot sends from what it is given: a bot is held to the
    lengths of texts, as a person may write in the sandbox what Telegram's own programs would not send.
    """

    files: Mapping[str, Any] = field(default_factory=dict)
    is_request: bool = False
    is_local: bool = False
    """Whether the server reads file:// addresses."""
    named: set[str] = field(default_factory=set)

    def value(self, value: Any, types: Iterable[str], path: str) -> list[str]:
        """Judge a value by the alternative that fits best: an object by the type its constants name."""
        arrays = [kind.removeprefix("Array of ") for kind in types if kind.startswith("Array of ")]
        single = [leaf for kind in types if not kind.startswith("Array of ") for leaf in _leaves(kind)]
        if arrays and isinstance(value, list):
            return [line for n, each in enumerate(value) for line in self.value(each, arrays, f"{path}[{n}]")]
        found = [self._single(value, kind, path) for kind in single]
        found += [[f"{path}: no array"]] if arrays else []
        return min(
            found, key=lambda lines: (any(line.startswith(f"{path}.type: ") for line in lines), len(lines)), default=[]
        )

    def field(self, value: Any, described: list[Any], path: str, *, parse_mode: str | None = None) -> list[str]:
        """Judge a field or a parameter: its type, and the limits that its description gives."""
        types, _, *limits = described
        lines = self.value(value, types, path)
        if limits and not lines:
            lines += self._limits(value, limits[0], path, parse_mode)
        return lines

    def address(self, value: Any, path: str) -> list[str]:
        """Judge what names a file: an uploaded part, a file_id or an address."""
        if not isinstance(value, str):
            return []
        if value.startswith("attach://"):
            part = value.removeprefix("attach://")
            self.named.add(part)
            return [] if part in self.files else [f"{path}: no file was sent as {part}"]
        is_path = value.startswith("/") or (value.startswith("file:/") and not self.is_local)
        return [f"{path}: {value} is neither a file_id nor an address the server reads"] if is_path else []

    def _single(self, value: Any, kind: str, path: str) -> list[str]:
        if kind in _SIMPLE:
            good = isinstance(value, _SIMPLE[kind]) and (isinstance(value, bool) == (kind in {"Boolean", "True"}))
            return [] if good and not (kind == "True" and value is not True) else [f"{path}: {value!r} is no {kind}"]
        if kind == "InputFile":
            return [f"{path}: {value!r} is no uploaded file"]
        return self._object(value, kind, path)

    def _object(self, value: Any, kind: str, path: str) -> list[str]:
        known = specification()["types"].get(kind)
        if known is None:
            return [f"{path}: no such type as {kind}"]
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no {kind}"]
        fields = known["fields"]
        lines = [f"{path}.{key}: {kind} has no such field" for key in value if key not in fields.keys() | NOT_LISTED]
        for key, described in fields.items():
            if key in value:
                lines += self._member(value, key, described, f"{path}.{key}")
            elif described[1]:
                lines.append(f"{path}.{key}: missing in {kind}")
        return lines + (self._rules(value, kind, path) if self.is_request else [])

    def _member(self, value: dict[str, Any], key: str, described: list[Any], path: str) -> list[str]:
        member = value[key]
        if member is None:
            return [f"{path}: null"]
        lines = self.field(member, described, path)
        if self.is_request and key in FILE_FIELDS and "String" in described[0]:
            lines += self.address(member, path)
        if (key == "date" or key.endswith("_date")) and isinstance(member, int) and not 0 <= member < 1 << 32:
            lines.append(f"{path}: {member} is no time")
        return lines

    def _rules(self, value: dict[str, Any], kind: str, path: str) -> list[str]:
        """Judge what stands between the fields of a type."""
        if kind == "InlineKeyboardButton" and len(BUTTON_ACTIONS & value.keys()) != 1:
            return [f"{path}: a button needs one action, this has {sorted(BUTTON_ACTIONS & value.keys())}"]
        if kind == "KeyboardButton" and len(value.keys() - {"text", "icon_custom_emoji_id", "style"}) > 1:
            return [f"{path}: a button asks for one thing, this for {sorted(value.keys() - {'text'})}"]
        if kind == "InlineKeyboardMarkup":
            return self._first_only(value, path)
        if kind == "BotCommand" and not re.fullmatch(r"[a-z0-9_]{1,32}", str(value.get("command", ""))):
            return [f"{path}.command: 1 to 32 of a-z, 0-9 and _"]
        if kind == "LabeledPrice" and value.get("label") == "":
            return [f"{path}.label: empty"]
        return []

    @staticmethod
    def _first_only(value: dict[str, Any], path: str) -> list[str]:
        rows = value.get("inline_keyboard")
        buttons = [
            (row, column, button)
            for row, each in enumerate(rows if isinstance(rows, list) else [])
            for column, button in enumerate(each if isinstance(each, list) else [])
            if isinstance(button, dict)
        ]
        return [
            f"{path}.inline_keyboard[{row}][{column}]: {action} is for the first button"
            for row, column, button in buttons
            for action in sorted(FIRST_ONLY & button.keys())
            if (row, column) != (0, 0)
        ]

    def _limits(self, value: Any, limits: dict[str, Any], path: str, parse_mode: str | None) -> list[str]:
        lines = []
        if "const" in limits and value != limits["const"]:
            lines.append(f"{path}: {value!r} is not {limits['const']!r}")
        if "enum" in limits and isinstance(value, str) and value and not _is_one_of(value, limits):
            lines.append(f"{path}: {value!r} is none of {limits['enum']}")
        if "enum_int" in limits and value not in limits["enum_int"]:
            lines.append(f"{path}: {value!r} is none of {limits['enum_int']}")
        if "range" in limits and isinstance(value, int):
            lines += _outside(value, limits["range"], f"{path}: {value}")
        if "items" in limits and isinstance(value, list):
            lines += _outside(len(value), limits["items"], f"{path}: {len(value)} items")
        if "len" in limits and isinstance(value, str) and self.is_request:
            text = visible(value, parse_mode) if limits["len"]["after_parsing"] else value
            size = len(text.encode()) if limits["len"]["unit"] == "bytes" else len(text.encode("utf-16-le")) // 2
            lines += _outside(size, limits["len"], f"{path}: {size} long")
        return lines


def from_wire(value: Any, types: list[str]) -> Any:
    """Read a form's text as the server does, where the type is no string."""
    if not isinstance(value, str) or "String" in types or "InputFile" in types:
        return value
    if "Boolean" in types and value.strip().lower() in _WIRE_BOOLEANS:
        return _WIRE_BOOLEANS[value.strip().lower()]
    try:
        return json.loads(value)
    except ValueError:
        return value


def visible(text: str, parse_mode: str | None) -> str:
    """Return about the text that is left of markup, enough to judge its length."""
    mode = (parse_mode or "").lower()
    if mode == "html":
        return re.sub(r"&(?:lt|gt|amp|quot|#[0-9]+|#x[0-9a-fA-F]+);?", "&", re.sub(r"</?[A-Za-z][^<>]*>", "", text))
    if mode.startswith("markdown"):
        bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"(?<!\\)[*_`~|]", "", text))
        return re.sub(r"\\(.)", r"\1", bare)
    return text


def _leaves(kind: str) -> list[str]:
    """Return the types that a union stands for."""
    subtypes = specification()["types"].get(kind, {}).get("subtypes")
    return [leaf for each in subtypes for leaf in _leaves(each)] if subtypes else [kind]


def _is_one_of(value: str, limits: dict[str, Any]) -> bool:
    if limits.get("icase"):
        return value.lower() in [each.lower() for each in limits["enum"]]
    return value in limits["enum"]


def _outside(size: int, limit: dict[str, Any], what: str) -> list[str]:
    least, most = limit["min"], limit["max"]
    return [] if least <= size <= most else [f"{what}, not {least} to {most}"]
