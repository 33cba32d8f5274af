"""A press in whose middle the bot is killed, with a real Alertmanager behind a way that loses its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import trio

from tests.e2e.program import Program, running, until
from tests.e2e.test_alert_buttons import labels_of, silences
from tests.e2e.test_alertmanager import Alertmanager, binary
from tests.e2e.webhook import ADMIN
from tests.ports import free_port


@dataclass
class Way:
    """The way to Alertmanager; `lossy` it hands on what makes a silence, and keeps the answer for itself."""

    port: int
    lossy: bool = True
    asked: int = 0
    done: trio.Event = field(default_factory=trio.Event)

    async def carry(self, client: trio.SocketStream) -> None:
        """Carry one connection: a request and its answer."""
        async with client, await trio.open_tcp_stream("127.0.0.1", self.port) as server, trio.open_nursery() as nursery:
            request = bytearray()
            nursery.start_soon(self._back, server, client, request)
            with suppress(trio.BrokenResourceError):  # the killed one's end
                async for piece in client:
                    if not request and piece.startswith(b"POST /api/v2/silences"):
                        self.asked += 1
                    request += piece
                    await server.send_all(piece)
            nursery.cancel_scope.cancel()

    async def _back(self, server: trio.SocketStream, client: trio.SocketStream, request: bytearray) -> None:
        with suppress(trio.BrokenResourceError):  # who asked has closed
            async for piece in server:
                if self.lossy and request.startswith(b"POST /api/v2/silences"):
                    self.done.set()
                    await trio.sleep_forever()
                await client.send_all(piece)
            await client.send_eof()


@asynccontextmanager
async def way(port: int) -> AsyncIterator[tuple[Way, str]]:
    """Open a way to that port; give it and its address."""
    opened = Way(port)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, opened.carry, 0, host="127.0.0.1"))
        yield opened, f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def press_and_kill(program: Program, way: Way) -> str:
    """Press "silence for 4 h", kill the bot when Alertmanager has made it and not been heard; give the press's id."""
    message = await program.wait(ADMIN, lambda m: "12% of downloads failed" in m["text"], seconds=60)
    data = next(
        button["callback_data"]
        for row in message["reply_markup"]["inline_keyboard"]
        for button in row
        if "4 h" in button["text"]
    )
    asked = {"from_id": ADMIN, "message_id": message["message_id"], "data": data}
    pressed = await program.ask("POST", f"/sandbox/chats/{ADMIN}/press", json=asked)
    with trio.fail_after(60):
        await way.done.wait()
    await program.kill()
    press_id: str = pressed["callback_query_id"]
    return press_id


async def answered(program: Program, press_id: str) -> bool:
    """Whether a press was answered."""
    return bool((await program.ask("GET", f"/sandbox/callbacks/{press_id}"))["answered"])


async def test_a_silence_is_made_once(tmp_path: Path) -> None:
    """Killed before it hears that the silence is made, the next life makes no second one, shows it and can undo it."""
    binary()
    starts = datetime.now(UTC)
    port = free_port()
    async with way(port) as (between, url), running(tmp_path / "data", DORADURA_ALERTMANAGER_URL=url) as first:
        alertmanager = Alertmanager(tmp_path / "alertmanager", first, port=port)
        async with alertmanager.running():
            await alertmanager.fire(starts=starts, ends=starts + timedelta(hours=1), summary="12% of downloads failed")
            press_id = await press_and_kill(first, between)
            (silence,) = await silences(alertmanager)
            between.lossy = False
            async with running(tmp_path / "data", DORADURA_ALERTMANAGER_URL=url) as second:
                message = await second.wait(ADMIN, lambda m: "🔕 Silenced by Admin until " in m["text"], seconds=60)
                # The press comes again with the next life: what it finds is the silence it made.
                await until(partial(answered, second, press_id), seconds=60)
                assert labels_of(message) == ["🔔 Undo silence", "👤 Acknowledge", "📈 Graph", "📖 What to do"]
                assert (between.asked, [item["id"] for item in await silences(alertmanager)]) == (1, [silence["id"]])
                answer = await second.press(ADMIN, message, "🔔 Undo")
                assert answer["text"] == "The silence is lifted."
                assert await silences(alertmanager) == []
        await alertmanager.aclose()
