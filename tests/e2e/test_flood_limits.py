"""The program against a sandbox that counts as Telegram does: it keeps the limits by itself."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.e2e.program import Program, running

PEOPLE = range(5001, 5061)


async def test_a_crowd_is_answered_without_a_429(tmp_path: Path) -> None:
    """Sixty people at once, and one who writes more than a chat's burst: all are answered, nothing is refused."""
    async with running(tmp_path / "data") as program:
        limits = await program.ask("POST", "/sandbox/flood-limits", json={"enabled": True})
        assert limits["enabled"] is True
        async with trio.open_nursery() as nursery:
            for user_id in PEOPLE:
                nursery.start_soon(_answered, program, user_id, 2)
            nursery.start_soon(_answered, program, 2000, limits["chat_burst"] + 4)
        counted = await program.metrics()
    assert counted['doradura_telegram_rate_limited_total{source="server"}'] == 0
    assert counted['doradura_telegram_rate_limited_total{source="local"}'] > 0


async def _answered(program: Program, user_id: int, messages: int) -> None:
    """Write, and wait until each message has its answer."""
    for _ in range(messages):
        await program.say(user_id, "/help")
    with trio.fail_after(60):
        while len([m for m in await program.messages(user_id) if m["from"]["is_bot"]]) < messages:  # noqa: ASYNC110 - happens in another process
            await trio.sleep(0.3)
