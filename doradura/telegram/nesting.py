"""Reads JSON that may be nested deeper than a decoder can follow.

msgspec counts its depth against Python's recursion limit and raises RecursionError (which is not a DecodeError), even
for parts that it only skips. One such update in a poll's answer would hide all the others, and their ids with them.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

DEPTH_LIMIT = 64
"""Far above what the Bot API nests, far below where a decoder gives up."""

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[\[{\]}]', re.DOTALL)
"""A whole string, or a bracket outside of one. The pattern never backtracks, however broken the text is."""

_T = TypeVar("_T")


def decode_nested(raw: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    """Decode as `msgspec.json.decode` does; if the text is nested too deeply, decode it with the deep parts removed."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        return msgspec.json.decode(without_depths(bytes(raw)), type=kind)


def without_depths(raw: bytes) -> bytes:
    """Replace each array and object deeper than DEPTH_LIMIT by null; all else stays as it is, broken or not."""
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
