"""The blocks a seccomp program is made of."""

from __future__ import annotations

import pytest

from doradura.wall import bpf
from tests.unit.wall.machine import ALLOWED, run, steps

NO = bpf.errno_of(13)
END = bpf.ends_with(bpf.ALLOW)
SECOND = bpf.argument(1)


@pytest.mark.parametrize(
    ("block", "good", "bad"),
    [
        (bpf.one_of(SECOND, [3, 5, 7], NO), [3, 5, 7], [0, 4, 8]),
        (bpf.one_of(bpf.argument(1, 0xF), [3], NO), [3, 0x13], [0x31]),
        (bpf.none_of(SECOND, [3, 5, 7], NO), [0, 4, 8], [3, 5, 7]),
        (bpf.without(SECOND, 0b101, NO), [0, 0b10], [0b1, 0b100, 0b111]),
        (SECOND + bpf.below(5, NO), [0, 4], [5, 6, 0xFFFFFFFF]),
    ],
)
def test_a_block_goes_on_or_refuses(block: bpf.Block, good: list[int], bad: list[int]) -> None:
    """It falls through to what follows for the one, and ends the program for the other."""
    for twice in (block + END, block + block + END):
        assert {run(bpf.encoded(twice), 0, 0, (99, each)) for each in good} == {ALLOWED}
        assert {run(bpf.encoded(twice), 0, 0, (99, each)) for each in bad} == {13}


def test_a_rule_holds_for_its_call_alone() -> None:
    """Others go by, with the number still taken."""
    rules = bpf.when(4, SECOND + bpf.ends_with(NO)) + bpf.when(6, bpf.ends_with(bpf.errno_of(1)))
    program = bpf.encoded(bpf.load(bpf.NUMBER_AT) + rules + END)
    assert [run(program, number, 0) for number in (3, 4, 5, 6, 7)] == [ALLOWED, 13, ALLOWED, 1, ALLOWED]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 64, 150])
def test_a_number_chooses_its_body(count: int) -> None:
    """However many there are, and the rest goes to the last; a few comparisons are enough."""
    bodies = {3 * number: bpf.ends_with(bpf.errno_of(number + 1)) for number in range(count)}
    program = bpf.encoded(bpf.load(bpf.NUMBER_AT) + bpf.chosen(bodies, END))
    for number in range(3 * count + 2):
        expected = ALLOWED if number % 3 or number >= 3 * count else number // 3 + 1
        assert run(program, number, 0) == expected
        assert steps(program, number) <= 20


def test_the_kernel_s_form() -> None:
    """Eight bytes an instruction: code, both jumps, value (struct sock_filter)."""
    assert bpf.encoded(bpf.when(0x29, END)) == bytes.fromhex("1500000129000000 060000000000ff7f".replace(" ", ""))
