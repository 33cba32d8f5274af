"""The real program whose database is taken from under it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.program import Program, running, until

USER = 2000


async def storage(program: Program) -> dict[str, object]:
    """The storage check of /health."""
    found: dict[str, object] = (await program.health())["checks"]["storage"]
    return found


async def test_updates_wait_at_telegram_while_the_file_is_gone(tmp_path: Path) -> None:
    """Moved away: /health says so, and nobody is answered from a file no start would find; back: everybody is, once."""
    async with running(tmp_path / "data") as program:
        path, away = program.data_dir / "doradura.db", program.data_dir / "away.db"

        async def failing() -> bool:
            found = await storage(program)
            return found["status"] == "failing" and found["reason"] == "lost"

        async def not_storing() -> bool:
            return bool((await program.health())["checks"]["poll"]["state"] == "store_failing")

        async def well() -> bool:
            return (await storage(program))["status"] == "ok"

        path.rename(away)
        asked = await program.say(USER, "/help")
        await until(failing, seconds=30)
        await until(not_storing, seconds=30)
        assert [m for m in await program.messages(USER) if m["from"]["is_bot"]] == []
        away.rename(path)
        await program.wait(USER, lambda m: "Commands" in m["text"], after=asked["message_id"])
        await until(well, seconds=30)
        assert len([m for m in await program.messages(USER) if m["from"]["is_bot"]]) == 1
