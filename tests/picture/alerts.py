"""Draw docs/alert.png: `python -m tests.picture.alerts`.

Starts the bot in its sandbox, sends it alerts as Alertmanager does, presses a button, and takes the admin's chat as it
looks on a phone. By hand only: no test and no check needs it. Signs want a font: Debian has fonts-noto-color-emoji.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trio
from playwright.sync_api import ViewportSize, expect, sync_playwright

from tests.e2e.program import Program, running
from tests.picture.draw import CHROMIUM_ARGUMENTS, shrink
from tests.programs import found

TARGET = Path(__file__).parent.parent.parent / "docs" / "alert.png"
ADMIN = 1000
PHONE: ViewportSize = {"width": 390, "height": 844}
RUNBOOKS = "https://github.com/doradura/doradura/blob/main/docs/runbooks.md#"


def alert(name: str, severity: str, summary: str, description: str, *, ended: bool = False) -> dict[str, Any]:
    """Return one alert as Alertmanager has it in a body."""
    now = datetime.now(UTC)
    return {
        "status": "resolved" if ended else "firing",
        "labels": {"alertname": name, "severity": severity, "instance": "doradura:9090"},
        "annotations": {"summary": summary, "description": description, "runbook_url": f"{RUNBOOKS}{name.lower()}"},
        "startsAt": (now - timedelta(minutes=12)).isoformat(),
        "endsAt": now.isoformat() if ended else "0001-01-01T00:00:00Z",
        "fingerprint": name,
    }


async def picture(target: Path) -> None:
    """Let alerts arrive, then take the picture."""
    with tempfile.TemporaryDirectory() as name:
        async with running(Path(name) / "data") as program:
            token = await trio.Path(name, "data", "webhook.token").read_text()
            await _alerts(program, token.strip())
            await trio.to_thread.run_sync(_take, program.sandbox_url, target)


async def _alerts(program: Program, token: str) -> None:
    slow = ("SlowDownloads", "warning", "Downloads are slow", "Half of the mp4 downloads took over 2 min.")
    errors = ("HighErrorRate", "critical", "High error rate", "12% of downloads failed in the last 5 minutes.")
    headers = {"Authorization": f"Bearer {token}"}
    for alerts in ([alert(*slow)], [alert(*slow, ended=True)], [alert(*errors)]):
        body = {"version": "4", "groupKey": alerts[0]["fingerprint"], "status": "firing", "alerts": alerts}
        answer = await program.client.post(f"{program.http_url}/alerts", json=body, headers=headers)
        answer.raise_for_status()
        await trio.sleep(1)  # so that each is told before the next
    message = await program.wait(ADMIN, lambda found: "High error rate" in found.get("text", ""))
    await program.press(ADMIN, message, "👤 Acknowledge")
    await program.wait(ADMIN, lambda found: "High error rate" in found.get("text", "") and "Admin" in found["text"])


def _take(url: str, target: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found("chromium"), args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport=PHONE, device_scale_factor=2, color_scheme="light", is_mobile=True)
        page.goto(f"{url}/#{ADMIN}")
        expect(page.get_by_text("High error rate").last).to_be_visible()
        page.screenshot(path=target)
        browser.close()
    shrink(target)


if __name__ == "__main__":
    trio.run(picture, TARGET)
