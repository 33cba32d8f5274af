"""Telegram on a bad day: nothing is lost, and repeated only where that is harmless or counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import Program, running, until

USER = 2000


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    """A running bot with its sandbox."""
    async with running(tmp_path / "data") as started:
        yield started


async def audios(program: Program) -> list[dict[str, Any]]:
    """The audio messages the user has."""
    return [m for m in await program.messages(USER) if "audio" in m]


FAULTS: list[tuple[str, dict[str, Any], int]] = [
    ("429", {"times": 2, "error_code": 429, "description": "Too Many Requests: retry after 1", "retry_after": 1}, 0),
    ("500", {"times": 2, "error_code": 500, "description": "Internal Server Error: restart"}, 0),
    ("garbage", {"times": 1, "body": "<html>502 Bad Gateway</html>"}, 1),
    ("torn before", {"times": 1, "drop": "before"}, 1),
    ("torn after", {"times": 1, "drop": "after"}, 1),
]


@pytest.mark.parametrize(("fault", "unconfirmed"), [(f[1], f[2]) for f in FAULTS], ids=[f[0] for f in FAULTS])
async def test_sending_a_file(program: Program, fault: dict[str, Any], unconfirmed: int) -> None:
    """The file arrives; in doubt it is put into the progress message: a second copy can only be there, and counts."""
    await program.fault(method="sendAudio", **fault)
    asked = await program.say(USER, f"/download {program.media('sample.mp4')} mp3")
    await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"])
    await program.wait_for_success("mp3", "320k")
    counted = await program.metrics()
    assert counted["doradura_deliveries_unconfirmed_total"] == unconfirmed
    assert len(await audios(program)) == (2 if fault.get("drop") == "after" else 1)
    edits = len(await program.requests("editMessageMedia"))
    assert edits == unconfirmed


@pytest.mark.parametrize("fault", [f[1] for f in FAULTS], ids=[f[0] for f in FAULTS])
async def test_everything_but_the_poll_at_once(program: Program, fault: dict[str, Any]) -> None:
    """Messages, edits and files each meet the fault; the job still ends with its file."""
    for method in ("sendMessage", "editMessageText", "deleteMessage", "sendChatAction", "sendAudio"):
        await program.fault(method=method, **fault)
    asked = await program.say(USER, f"/download {program.media('sample.mp4')} m4a")
    await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"])
    await program.wait_for_success("m4a", "default")
    assert len(await audios(program)) <= 2


@pytest.mark.parametrize("fault", [f[1] for f in FAULTS], ids=[f[0] for f in FAULTS])
async def test_the_poll(program: Program, fault: dict[str, Any]) -> None:
    """The poll goes on after every fault, and an update that came meanwhile has one effect."""
    await program.fault(method="getUpdates", **fault)
    asked = await program.say(USER, f"/download {program.media('sample.mp4')} m4a")
    await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"], seconds=90)
    await program.wait_for_success("m4a", "default")
    assert len(await audios(program)) == 1


async def test_silence(tmp_path: Path) -> None:
    """A call that is never answered holds up nothing else: another user is served meanwhile."""
    async with running(tmp_path / "data", DORADURA_DRAIN_SECONDS="1") as program:
        await program.fault(method="sendMessage", times=1, delay_seconds=25, chat_id=USER)
        await program.say(USER, "/help")
        other = await program.say(1000, "/help")
        await program.wait(1000, lambda m: "Commands" in m.get("text", ""), after=other["message_id"], seconds=20)


async def test_a_user_who_blocks_the_bot(program: Program) -> None:
    """A block ends that user's jobs as user_blocked; the program goes on, and so does the user after unblocking."""
    await program.say(USER, f"/download {program.media('slow.mp4?kbps=4000')} m4a")
    await program.wait(USER, lambda m: "m4a" in m.get("text", ""))
    await program.ask("POST", f"/sandbox/chats/{USER}/block", json={"from_id": USER, "blocked": True})

    async def counted() -> bool:
        name = 'doradura_download_failure_total{format="m4a",reason="user_blocked"}'
        return (await program.metrics())[name] == 1

    await until(counted, seconds=60)
    await program.ask("POST", f"/sandbox/chats/{USER}/block", json={"from_id": USER, "blocked": False})
    asked = await program.say(USER, "/start")
    await program.wait(USER, lambda m: "Hi" in m.get("text", ""), after=asked["message_id"])


async def test_cancel_by_button(program: Program) -> None:
    """The progress message's button ends the worker, says so, and counts the job as cancelled, not failed."""
    asked = await program.say(USER, f"/download {program.media('slow.mp4?kbps=300')} m4a")
    card = await program.wait(USER, lambda m: "⬇️" in m.get("text", ""), after=asked["message_id"])
    answer = await program.press(USER, card, "✖")
    assert answer["text"] == "Cancelled."
    await program.wait(USER, lambda m: m.get("text", "").startswith("✖ Cancelled"), after=asked["message_id"])
    counted = await program.metrics()
    assert counted['doradura_download_cancelled_total{format="m4a"}'] == 1
    assert not any(v for n, v in counted.items() if n.startswith("doradura_download_failure_total"))

    async def ended() -> bool:
        return not (await program.metrics())['doradura_downloads_in_progress{format="m4a"}']

    await until(ended, seconds=60)
