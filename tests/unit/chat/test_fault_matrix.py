"""Each method the bot uses meets each fault; docs/telegram-faults.md is held to what they see."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from trio.testing import MockClock

from doradura.label_values import TELEGRAM_METHODS
from tests.unit.chat.faults import CONVERSATIONS, FAULTS
from tests.wiring import World

DOCUMENT = Path(__file__).parent.parent.parent.parent / "docs" / "telegram-faults.md"


def cases() -> list[tuple[str, str, str, str]]:
    """Read the table: (what is done, method, fault, what stands in the chat at the end)."""
    found = []
    for line in DOCUMENT.read_text().splitlines():
        row = re.fullmatch(r"\| ([^|]+) \| `(\w+)` \| ([^|]+) \| ([^|]+) \|", line)
        if row:
            done, method, faults, seen = (cell.strip() for cell in row.groups())
            found += [(done, method, fault.strip(), seen) for fault in faults.split(",")]
    return found


CASES = cases()


def test_the_table_is_whole() -> None:
    """Each fault of each method is in it, once."""
    wanted = [(done, m, fault) for done, (_, methods) in CONVERSATIONS.items() for m in methods for fault in FAULTS]
    assert sorted(case[:3] for case in CASES) == sorted(wanted)


def test_each_method_of_the_bot_is_in_it() -> None:
    """What the bot calls is what meets the faults; no format is sent as a document."""
    assert {method for _, methods in CONVERSATIONS.values() for method in methods} == {*TELEGRAM_METHODS} - {
        "sendDocument"
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: " / ".join(case[:3]))
async def test_what_a_user_sees(world: World, autojump_clock: MockClock, case: tuple[str, str, str, str]) -> None:
    """A quarter of an hour after it, when nothing is tried any more."""
    done, method, fault, seen = case
    converse, _ = CONVERSATIONS[done]
    assert await converse(world, method, FAULTS[fault]) == seen
    assert not world.telegram.faults[method], "the fault was met"
