"""Reads JSON from a bot, and its objects' members, with the server's leniency and its error texts.

Pure. As on the server, a number is accepted as a text and a text of digits as a number; null is no value of any type.
Source: td/utils/JsonBuilder (JsonObject).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from doradura.sandbox.api.parameters import Parameters
from doradura.sandbox.state.refusal import RefusalError, bad_request
from doradura.sandbox.text.numbers import INTEGER_LIMIT

_WHOLE_NUMBER = re.compile(r"-?\d{1,20}", re.ASCII)
_INT64 = range(-INTEGER_LIMIT, INTEGER_LIMIT + 1)


def read_json(parameters: Parameters, name: str, called: str) -> object:
    """Return a parameter's JSON value. Raises RefusalError."""
    try:
        return parameters.json(name)
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {called} JSON object") from None


def read_object(parameters: Parameters, name: str, called: str) -> dict[str, Any]:
    """Return a parameter that must be a JSON object. Raises RefusalError."""
    value = read_json(parameters, name, called)
    if not isinstance(value, dict):
        raise bad_request(f"object expected as {called}")
    return value


def read_array(parameters: Parameters, name: str, called: str, items: str) -> list[Any]:
    """Return a parameter that must be a JSON array. Raises RefusalError."""
    value = read_json(parameters, name, called)
    if not isinstance(value, list):
        raise bad_request(f"expected an Array of {items}")
    return value


@dataclass(frozen=True, slots=True)
class Fields:
    """An object's members; `trouble` is the beginning of every error text."""

    members: Mapping[str, Any]
    trouble: str = ""

    def refusal(self, text: str) -> RefusalError:
        """Return the refusal that says what is wrong."""
        return bad_request(self.trouble + text)

    def has(self, name: str) -> bool:
        """Return whether the member exists."""
        return name in self.members

    def text(self, name: str, *, required: bool = False) -> str:
        """Return a text, empty if it is missing. Raises RefusalError."""
        if name not in self.members:
            self._missing(name, required=required)
            return ""
        value = self.members[name]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.refusal(f'Field "{name}" must be of type String')
        return str(value)

    def integer(self, name: str, *, required: bool = False, within: range = _INT64) -> int:
        """Return a whole number, of 64 bits by default. Raises RefusalError."""
        if name not in self.members:
            self._missing(name, required=required)
            return 0
        value = self.members[name]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.refusal(f'Field "{name}" must be a Number')
        text = str(value)
        if not _WHOLE_NUMBER.fullmatch(text) or int(text) not in within:
            raise self.refusal(f'Field "{name}" must be a valid Number')
        return int(text)

    def boolean(self, name: str) -> bool:
        """Return a boolean, false if it is missing. Raises RefusalError."""
        value = self.members.get(name, False)
        if not isinstance(value, bool):
            raise self.refusal(f'Field "{name}" must be of type Boolean')
        return value

    def inner(self, name: str) -> Fields:
        """Return a required object. Raises RefusalError."""
        self._missing(name, required=name not in self.members)
        value = self.members[name]
        if not isinstance(value, dict):
            raise self.refusal(f'Field "{name}" must be of type Object')
        return Fields(value, self.trouble)

    def _missing(self, name: str, *, required: bool) -> None:
        if required:
            raise self.refusal(f'Can\'t find field "{name}"')
