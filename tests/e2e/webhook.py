"""Alertmanager's part: bodies like its own, posted with the webhook's token."""

from __future__ import annotations

from typing import Any

import httpx

from tests.e2e.program import Program

ADMIN = 1000


def alert(name: str = "HighErrorRate", *, status: str = "firing", **more: Any) -> dict[str, Any]:
    """One alert of a body."""
    annotations = {"summary": "High error rate", "description": "12% of downloads failed in the last 5 minutes"}
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "instance": "127.0.0.1:9090"},
        "annotations": annotations,
        "startsAt": "2026-11-23T18:37:25.665Z",
        "endsAt": "2026-11-23T18:49:30Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "fingerprint": f"f-{name}",
        **more,
    }


def body(*alerts: Any) -> dict[str, Any]:
    """A body around alerts."""
    return {"version": "4", "groupKey": '{}:{alertname="x"}', "status": "firing", "alerts": list(alerts)}


async def post(program: Program, content: Any, **headers: str) -> httpx.Response:
    """POST a body as Alertmanager does."""
    token = (program.data_dir / "webhook.token").read_text(encoding="utf-8")
    return await program.client.post(
        f"{program.http_url}/alerts", json=content, headers={"Authorization": f"Bearer {token}", **headers}
    )


async def told(program: Program, *contents: Any) -> None:
    """POST bodies that are taken."""
    for content in contents:
        answer = await post(program, content)
        assert answer.status_code == 200, answer.text
