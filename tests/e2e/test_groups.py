"""The real program in a group, thrown out of one, blocked, asked to edit, and given what is too large to send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import Program, running, until

USER = 2000
OTHER = 2002


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    """A running bot with its sandbox."""
    async with running(tmp_path / "data") as started:
        yield started


async def new_group(program: Program) -> int:
    """Make a group of two people, to which the bot is added."""
    body = {"title": "Friends", "type": "supergroup", "member_ids": [USER, OTHER]}
    group: int = (await program.ask("POST", "/sandbox/chats", json=body))["id"]
    return group


async def say(program: Program, chat: int, text: str, **more: Any) -> dict[str, Any]:
    """Let the user write in a chat."""
    body = {"from_id": USER, "text": text, **more}
    message: dict[str, Any] = await program.ask("POST", f"/sandbox/chats/{chat}/messages", json=body)
    return message


async def bot_name(program: Program) -> str:
    """Return the bot's user name."""
    state = await program.ask("GET", "/sandbox/state")
    return str(state["bots"][0]["username"])


async def ended_in_vain(program: Program, fmt: str) -> None:
    """Wait until one download of the format ended because its chat was closed."""

    async def counted() -> bool:
        series = f'doradura_download_failure_total{{format="{fmt}",reason="user_blocked"}}'
        return (await program.metrics()).get(series) == 1

    await until(counted, seconds=30)


async def test_a_mention_in_a_group_brings_the_file_there(program: Program) -> None:
    """A hello at first; talk is not answered; only who asked may press; the file comes as a reply."""
    group = await new_group(program)
    await program.wait(group, lambda m: "Hi everybody" in m.get("text", ""))
    await say(program, group, f"look: {program.media('sample.mp4')}")
    asked = await say(program, group, f"😀 @{await bot_name(program)} {program.media('sample.mp4')}")
    offer = await program.wait(group, lambda m: "Doradura sample" in m.get("text", ""))
    assert offer["reply_to_message"]["message_id"] == asked["message_id"]
    assert "somebody else's" in (await program.press(OTHER, offer, "mp3 128k"))["text"]
    await program.press(USER, offer, "mp3 128k")
    file = await program.wait(group, lambda m: "audio" in m)
    assert file["reply_to_message"]["message_id"] == asked["message_id"]


async def test_thrown_out_of_a_group_it_falls_silent(program: Program) -> None:
    """The group's download ends, and the user still gets theirs in private."""
    group = await new_group(program)
    await say(program, group, f"/download {program.media('slow.mp4?kbps=100')} m4a")
    await program.wait(group, lambda m: "m4a" in m.get("text", ""))
    await program.ask("POST", f"/sandbox/chats/{group}/block", json={"from_id": USER, "blocked": True})
    thrown_out = (await program.requests())[-1]["n"]
    await ended_in_vain(program, "m4a")
    await program.say(USER, f"/download {program.media('sample.mp4')} mp3 128k")
    await program.wait(USER, lambda m: "audio" in m)
    later = [call for call in await program.requests() if call["n"] > thrown_out]
    assert [call["method"] for call in later if str(call["params"].get("chat_id")) == str(group)] == []


async def test_a_block_that_only_a_403_tells(program: Program) -> None:
    """A refused send ends the download as the update of a block does."""
    await program.fault(method="sendMessage", times=1, error_code=403, description="Forbidden: bot was blocked")
    await program.say(USER, f"/download {program.media('slow.mp4?kbps=100')} m4a")
    await ended_in_vain(program, "m4a")
    await program.say(USER, f"/download {program.media('sample.mp4')} mp3 128k")
    await program.wait(USER, lambda m: "audio" in m)


async def test_an_edit_makes_a_link_of_what_was_none(program: Program) -> None:
    """It is offered once, however often it is edited."""
    first = await program.say(USER, "no link yet")
    await program.wait(USER, lambda m: "I didn't see a link" in m.get("text", ""))
    await say(program, USER, program.media("sample.mp4"), edit_message_id=first["message_id"])
    await program.wait(USER, lambda m: "Doradura sample" in m.get("text", ""))
    again = f"{program.media('sample.mp4')} please"
    await say(program, USER, again, edit_message_id=first["message_id"])
    asked = await program.say(USER, "/queue")  # answered after the edit
    await program.wait(USER, lambda m: "Nothing is waiting" in m.get("text", ""), after=asked["message_id"])
    assert len([m for m in await program.messages(USER) if "Doradura sample" in m.get("text", "")]) == 1


async def test_what_is_too_large_is_had_smaller_with_one_press(program: Program) -> None:
    """The refusal says size and limit and offers what fits: smaller films, which are made to fit, and the sound."""
    asked = await program.say(USER, f"/download {program.media('big.mp4?mb=60')} mp4 best")
    refused = await program.wait(USER, lambda m: "50 MB at most" in m.get("text", ""), after=asked["message_id"])
    labels = [button["text"] for row in refused["reply_markup"]["inline_keyboard"] for button in row]
    assert labels[0].startswith("mp4 ")
    assert labels[-2:] == ["m4a\u00a0· 120\u00a0kB", "mp3 128k\u00a0· 160\u00a0kB"]
    assert (await program.press(USER, refused, labels[-1]))["text"] == "Got it: mp3 128k"
    await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"])
