"""Two bots' tokens on one data directory, one after the other and back again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from doradura.app import App
from tests.integration.app_tools import LOOK_SECONDS, Home, Person, make_media, telegram

ONE = "1000000001:SANDBOXAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
TWO = "1000000002:SANDBOXBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
ADMIN, USER = 1000, 2000
STARTED = datetime.now(UTC).isoformat()


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's samples, made once."""
    return make_media(tmp_path_factory.mktemp("media"))


class Bot:
    """One of the bots while its token is in use, and the two people in its chats."""

    def __init__(self, app: App, home: Home, client: httpx.AsyncClient, url: str) -> None:
        self._app = app
        self._home = home
        self._client = client
        self._url = url
        self.token = home.token
        self.user = Person(client, url, USER, home.token)
        self.admin = Person(client, url, ADMIN, home.token)

    async def alert(self, name: str, status: str = "firing") -> None:
        """Post what Alertmanager would."""
        one = {
            "status": status,
            "labels": {"alertname": name, "severity": "critical"},
            "annotations": {"summary": f"Summary of {name}"},
            "startsAt": STARTED,
            "endsAt": datetime.now(UTC).isoformat() if status == "resolved" else "0001-01-01T00:00:00Z",
            "fingerprint": name,
        }
        secret = (self._home.directory / "webhook.token").read_text().strip()
        answer = await self._client.post(
            f"{self._app.http_url}/alerts",
            content=json.dumps({"version": "4", "groupKey": name, "status": status, "alerts": [one]}),
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        )
        assert answer.status_code == 200, answer.text

    async def told(self, wanted: str) -> int:
        """Wait until a message to the admin begins with this, and give its id."""
        found = await self.admin.wait(lambda message: message.get("text", "").startswith(wanted))
        return int(found["message_id"])

    async def menus(self) -> list[dict[str, Any]]:
        """Return the menu that the admin's chat has with this bot, once it is set."""
        scope = {"type": "chat", "chat_id": ADMIN}
        with trio.fail_after(30):
            while True:
                answer = await self._client.post(f"{self._url}/bot{self.token}/getMyCommands", json={"scope": scope})
                if found := answer.json()["result"]:
                    return list(found)
                await trio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def bot(home: Home, client: httpx.AsyncClient, url: str, token: str) -> AsyncIterator[Bot]:
    """Let an app run with a token on the one data directory; what is in hand at the end is left for the next."""
    home.token = token
    async with home.running() as app:
        yield Bot(app, home, client, url)
        app.abort()


async def test_another_bots_token_on_the_same_data_and_back(tmp_path: Path, media: Path) -> None:
    """A job goes on and firing alerts are told in new messages of the new bot's; no message of the other is touched.

    With the first token again its own messages are brought up to date: what ended meanwhile is shown as ended.
    """
    async with telegram(media) as url, httpx.AsyncClient(trust_env=False, timeout=30) as client:
        home = Home.make(tmp_path / "data", media, telegram_url=url)
        async with bot(home, client, url, ONE) as one:
            await one.alert("Ends")
            await one.alert("Stays")
            ends, stays = (
                await one.told("🔴 CRITICAL: Summary of Ends"),
                await one.told("🔴 CRITICAL: Summary of Stays"),
            )
            await one.user.say(f"/download {one.user.media('slow.mp4?kbps=100')} m4a")
            card = await one.user.wait(lambda message: "m4a" in message.get("text", ""))
            assert await one.menus()
        left = await one.admin.messages(), await one.user.messages()
        async with bot(home, client, url, TWO) as two:
            # These messages have the numbers that the first bot's have: an edit by those would overwrite them.
            for _ in range(card["message_id"]):
                await two.user.say("/help")
            await two.told("🔴 CRITICAL: Summary of Ends")
            await two.told("🔴 CRITICAL: Summary of Stays")
            assert await two.menus()
            await two.alert("Ends", "resolved")
            await two.told("✅ RESOLVED: Summary of Ends")
            again = await two.user.wait(lambda message: "m4a" in message.get("text", ""))
            assert "reply_to_message" not in again
        assert (await one.admin.messages(), await one.user.messages()) == left
        later = await two.admin.messages()
        async with bot(home, client, url, ONE) as one:
            assert await one.told("✅ RESOLVED: Summary of Ends") == ends
            await one.alert("Stays", "resolved")
            assert await one.told("✅ RESOLVED: Summary of Stays") == stays
            await one.user.wait(lambda message: "m4a" in message.get("text", ""), after=card["message_id"])
        assert await two.admin.messages() == later
        calls = [*await one.user.calls("editMessageText"), *await one.user.calls("deleteMessage")]
        refused = [call["response"]["description"] for call in calls if call["status"] != 200]
        assert [text for text in refused if "message is not modified" not in text] == []
