"""What a bot is without any care: one httpx client as it comes, one update after the other, nothing stored.

The measure of `updates-per-cpu-second`. Started as `python -m tests.bench.naive_bot API_URL TOKEN`.
"""

from __future__ import annotations

import sys

import httpx
import trio

TEXT = "Send me a link, and I send you the file. Nothing was found in your message that looks like one."


async def run(api_url: str, token: str) -> None:
    """Poll, answer, poll."""
    url = f"{api_url}/bot{token}"
    offset = None
    async with httpx.AsyncClient() as client:
        await client.post(f"{url}/getMe")
        print("ready :", flush=True)  # noqa: T201 - who started it waits for this
        while True:
            asked = {"timeout": 45} if offset is None else {"timeout": 45, "offset": offset}
            answer = await client.post(f"{url}/getUpdates", json=asked, timeout=60)
            for update in answer.json()["result"]:
                offset = update["update_id"] + 1
                if "message" in update:
                    chat_id = update["message"]["chat"]["id"]
                    await client.post(f"{url}/sendMessage", json={"chat_id": chat_id, "text": TEXT})


if __name__ == "__main__":
    trio.run(run, sys.argv[1], sys.argv[2])
