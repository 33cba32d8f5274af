"""Faults that a person injects: the next calls of a method fail, wait, or lose their connection.

Pure. It decides which fault a call gets; the Bot API endpoint carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from doradura.sandbox.state.records import Object

_PREFIXES: Mapping[int, str] = MappingProxyType(
    {
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        409: "Conflict",
        413: "Request Entity Too Large",
        429: "Too Many Requests",
        500: "Internal Server Error",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
    }
)


class Fault(msgspec.Struct):
    """A requested fault, as POST /sandbox/faults takes it."""

    method: str
    times: int = 1
    """How many calls it affects; 0: every one until the faults are deleted."""
    error_code: int | None = None
    description: str | None = None
    retry_after: int | None = None
    delay_seconds: float = 0.0
    drop: Literal["before", "after"] | None = None
    body: str | None = None
    chat_id: int | str | None = None

    def envelope(self) -> tuple[int, Object] | None:
        """Return the HTTP status and the envelope of the failure, or None if the call goes on."""
        if self.error_code is None and self.retry_after is None and self.description is None:
            return None
        code = self.error_code or (429 if self.retry_after is not None else 400)
        description = self.description
        if description is None:
            description = _PREFIXES.get(code, "Bad Request" if code < 500 else "Internal Server Error")
            if self.retry_after is not None:
                description = f"{description}: retry after {self.retry_after}"
        envelope: Object = {"ok": False, "error_code": code, "description": description}
        if self.retry_after is not None:
            envelope["parameters"] = {"retry_after": self.retry_after}
        return code, envelope


class FaultError(ValueError):
    """The request is not a valid fault."""


def parse_fault(body: bytes) -> Fault:
    """Parse a request. Raises FaultError."""
    try:
        fault = msgspec.json.decode(body, type=Fault, strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FaultError(str(error)) from None
    if not fault.method:
        raise FaultError("method is empty")
    if fault.times < 0 or fault.delay_seconds < 0:
        raise FaultError("times and delay_seconds can't be negative")
    if fault.error_code is not None and not 400 <= fault.error_code <= 599:
        raise FaultError("error_code must be 400 to 599")
    return fault


class Faults:
    """The active faults, oldest first."""

    def __init__(self) -> None:
        self._made = 0
        self._faults: dict[int, tuple[Fault, str | None]] = {}

    def add(self, fault: Fault, token: str | None) -> int:
        """Add a fault for one bot (None: the default bot, whichever that will be). Return its number."""
        self._made += 1
        self._faults[self._made] = (fault, token)
        return self._made

    def clear(self) -> int:
        """Remove all faults. Return how many there were."""
        count = len(self._faults)
        self._faults.clear()
        return count

    def match(self, method: str, chat_id: str, token: str, default: str | None) -> tuple[int, Fault] | None:
        """Return the oldest fault that affects a call, with its number, and count that it did; None if none does."""
        for number, (fault, wanted) in self._faults.items():
            if (wanted or default) != token or fault.method.lower() not in {"*", method.lower()}:
                continue
            if fault.chat_id is not None and str(fault.chat_id) != chat_id:
                continue
            if fault.times == 1:
                del self._faults[number]
            elif fault.times > 1:
                fault.times -= 1
            return number, fault
        return None
