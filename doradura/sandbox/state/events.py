"""The sandbox's events, sent to web pages that listen (server-sent events).

It does not know what the events mean. A page that reads too slowly is disconnected; it comes back and reads the chats
again.
"""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from doradura.sandbox.http.exchange import Send
from doradura.sandbox.state.journal import Journal

BACKLOG = 1000
KEEP_ALIVE_SECONDS = 15.0


class Events:
    """Hands each event to every listener of its bot."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._listeners: dict[trio.MemorySendChannel[bytes], str | None] = {}
        self.default_token: str | None = None
        """The bot of a listener that named none."""

    def publish(self, token: str, name: str, value: dict[str, Any]) -> None:
        """Tell the listeners, without waiting for any of them."""
        listeners = [channel for channel, wanted in self._listeners.items() if (wanted or self.default_token) == token]
        if not listeners:
            return
        event = b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(value))
        for channel in listeners:
            try:
                channel.send_nowait(event)
            except trio.WouldBlock:
                channel.close()
                del self._listeners[channel]

    async def listen(self, token: str | None, send: Send) -> None:
        """Send events to one page until it is cancelled or falls behind."""
        sender, receiver = trio.open_memory_channel[bytes](BACKLOG)
        self._listeners[sender] = token
        try:
            await send(b"retry: 1000\n\n")
            while True:
                event = b": still here\n\n"
                with trio.move_on_after(KEEP_ALIVE_SECONDS):
                    event = await receiver.receive()
                    # Nobody may see what would be lost if the process were killed now.
                    await self._journal.flush()
                await send(event)
        except trio.EndOfChannel:
            return
        finally:
            self._listeners.pop(sender, None)
            sender.close()
            receiver.close()
