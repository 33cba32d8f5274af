"""A seccomp program as bytes (classic BPF over struct seccomp_data), put together from blocks.

Owns the encoding. A block is a run of instructions whose jumps stay inside it, so that blocks are joined by `+`. Those
made by `one_of`, `none_of` and `without` fall through to what follows where the rule is met, and end the program with
`refusal` where it is not.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

ALLOW: Final = 0x7FFF0000
NOTIFY: Final = 0x7FC00000
_ERRNO: Final = 0x00050000

_ROW: Final = 4
"""So many numbers are compared one after the other."""

NUMBER_AT: Final = 0
ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16

LOAD: Final = 0x20
"""BPF_LD | BPF_W | BPF_ABS"""
AND: Final = 0x54
JUMP: Final = 0x05
JUMP_EQUAL: Final = 0x15
JUMP_AT_LEAST: Final = 0x35
JUMP_ANY_BIT: Final = 0x45
RETURN: Final = 0x06


class Instruction(NamedTuple):
    """struct sock_filter: `then` and `otherwise` are how many instructions a jump skips."""

    code: int
    then: int
    otherwise: int
    value: int


Block = tuple[Instruction, ...]


def errno_of(number: int) -> int:
    """Return what makes a call fail with that errno."""
    return _ERRNO | number


def ends_with(action: int) -> Block:
    """End the program."""
    return (Instruction(RETURN, 0, 0, action),)


def load(offset: int, mask: int | None = None) -> Block:
    """Load a 32-bit word of struct seccomp_data, and apply the mask."""
    masked = () if mask is None else (Instruction(AND, 0, 0, mask),)
    return (Instruction(LOAD, 0, 0, offset), *masked)


def argument(number: int, mask: int | None = None) -> Block:
    """Load the lower half of an argument, all of an `int`; both our architectures are little-endian."""
    return load(_ARGUMENTS_AT + 8 * number, mask)


def when(number: int, body: Block) -> Block:
    """Run `body`, which ends the program, for one call. Needs the call's number loaded, and leaves it so for others."""
    return (Instruction(JUMP_EQUAL, 0, len(body), number), *body)


def chosen(bodies: Mapping[int, Block], otherwise: Block) -> Block:
    """Run the body of the call's number, else `otherwise`; each of them ends the program.

    By halves: the kernel runs a new filter for every number there is, to know which calls need it at all, so that a row
    of comparisons would cost each child a third of a millisecond.
    """
    numbers = sorted(bodies)
    if len(numbers) <= _ROW:
        return sum((when(number, bodies[number]) for number in numbers), ()) + otherwise
    middle = numbers[len(numbers) // 2]
    less = chosen({number: bodies[number] for number in numbers if number < middle}, otherwise)
    more = chosen({number: bodies[number] for number in numbers if number >= middle}, otherwise)
    # A jump on a condition reaches 255 instructions, one without any number.
    return (Instruction(JUMP_AT_LEAST, 0, 1, middle), Instruction(JUMP, 0, 0, len(less)), *less, *more)


def one_of(taken: Block, values: Sequence[int], refusal: int) -> Block:
    """Go on where the word is one of the values."""
    count = len(values)
    tests = tuple(Instruction(JUMP_EQUAL, count - number, 0, value) for number, value in enumerate(values))
    return taken + tests + ends_with(refusal)


def none_of(taken: Block, values: Sequence[int], refusal: int) -> Block:
    """Go on where the word is none of the values."""
    count = len(values)
    tests = tuple(Instruction(JUMP_EQUAL, count - number, 0, value) for number, value in enumerate(values))
    return (*taken, *tests, Instruction(JUMP, 0, 0, 1), *ends_with(refusal))


def without(taken: Block, bits: int, refusal: int) -> Block:
    """Go on where the word has none of the bits."""
    return (*taken, Instruction(JUMP_ANY_BIT, 0, 1, bits), *ends_with(refusal))


def below(limit: int, refusal: int) -> Block:
    """Go on where the word loaded last is less than `limit`."""
    return (Instruction(JUMP_AT_LEAST, 0, 1, limit), *ends_with(refusal))


def encoded(block: Block) -> bytes:
    """Return the kernel's form."""
    return b"".join(
        struct.pack("<HBBI", code, then, otherwise, value & 0xFFFFFFFF) for code, then, otherwise, value in block
    )
