"""An interpreter of seccomp programs: what the kernel would answer to a call."""

from __future__ import annotations

import itertools
import struct

from doradura.wall import bpf

ALLOWED, NOTIFIED = "allowed", "notified"


def run(program: bytes, number: int, word: int, arguments: tuple[int, ...] = ()) -> str | int:
    """Return `allowed`, `notified`, or the errno that a call fails with. A jump out of the program is an error."""
    return _ended(program, number, word, arguments)[0]


def steps(program: bytes, number: int) -> int:
    """Return how many instructions a call takes."""
    return _ended(program, number, 0, ())[1]


def _ended(program: bytes, number: int, word: int, arguments: tuple[int, ...]) -> tuple[str | int, int]:
    sixfold = [each & 0xFFFFFFFFFFFFFFFF for each in (*arguments, *(0,) * (6 - len(arguments)))]
    seen = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, word, 0xDEAD, *sixfold)
    instructions = list(struct.iter_unpack("<HBBI", program))
    taken, at = 0, 0
    for step in itertools.count(1):
        code, then, otherwise, value = instructions[at]
        at += 1
        if code == bpf.LOAD:
            (taken,) = struct.unpack_from("<I", seen, value)
        elif code == bpf.AND:
            taken &= value
        elif code == bpf.JUMP:
            at += value
        elif code == bpf.RETURN:
            return _outcome(value), step
        else:
            met = {
                bpf.JUMP_EQUAL: taken == value,
                bpf.JUMP_AT_LEAST: taken >= value,
                bpf.JUMP_ANY_BIT: bool(taken & value),
            }[code]
            at += then if met else otherwise
    raise AssertionError


def _outcome(action: int) -> str | int:
    if action == bpf.ALLOW:
        return ALLOWED
    if action == bpf.NOTIFY:
        return NOTIFIED
    assert action >> 16 == 5, hex(action)
    return action & 0xFFFF
