"""Reading JSON that may be nested deeper than a decoder can follow.

msgspec counts its depth against Python's recursion limit and raises RecursionError, which is no DecodeError, even for
parts it only passes over. One such update in a poll's answer would hide all the others, and their ids with them.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

DEPTH_LIMIT = 64
"""Far over what the Bot API nests, far under where a decoder gives up."""

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[\[{\]}]', re.DOTALL)
"""A whole string, or a bracket outside of one. It never goes back over what it has read, however torn that is."""

_T = TypeVar("_T")


def decode_nested(raw: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    """Decode as `msgspec.json.decode`; what is nested too deep for that is decoded with its depths cut off."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        return msgspec.json.decode(without_depths(bytes(raw)), type=kind)


def without_depths(raw: bytes) -> bytes:
    """Put null for each array and object that lies deeper than DEPTH_LIMIT; all else stays as it is, broken or not."""
    kept = []
    begin = depth = 0
    for token in _TOKEN.finditer(raw):
        bracket = token[0]
        if bracket in {b"[", b"{"}:
            if depth == DEPTH_LIMIT:
                kept += [raw[begin : token.start()], b"null"]
            depth += 1
        elif bracket in {b"]", b"}"}:
            depth -= 1
            if depth == DEPTH_LIMIT:
                begin = token.end()
    if depth <= DEPTH_LIMIT:
        kept.append(raw[begin:])
    return b"".join(kept)
