"""The real program tells a group instead of its admins, and lets admins alone press."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import running
from tests.e2e.test_alert_buttons import labels_of
from tests.e2e.test_alerts import all_told, first_line, notes
from tests.e2e.test_groups import new_group
from tests.e2e.webhook import ADMIN, alert, body, told
from tests.ports import free_port

USER = 2000


@pytest.mark.long
async def test_alerts_in_a_group(tmp_path: Path) -> None:
    """Told to the admin at first, then by the setting to the group; nobody but the admin may dismiss it there."""
    url = {"DORADURA_ALERTMANAGER_URL": f"http://127.0.0.1:{free_port()}"}
    async with running(tmp_path / "data", **url) as first:
        group = await new_group(first)
        await told(first, body(alert()))
        await first.wait(ADMIN, lambda m: "🗑 Dismiss" in labels_of(m))
        await first.kill()
    async with running(tmp_path / "data", **url, DORADURA_ALERT_CHATS=str(group)) as second:
        message = await second.wait(group, lambda m: first_line(m) == "🔴 CRITICAL: High error rate")
        answer = await second.press(USER, message, "🗑 Dismiss")
        assert answer["text"] == "These buttons are for the admins of this bot. Ask one of them."
        answer = await second.press(ADMIN, message, "🗑 Dismiss")
        assert answer["text"] == "Dismissed in every chat. If it fires again, I'll say so."
        ended = await second.wait(group, lambda m: "🗑 Dismissed by Admin" in m.get("text", ""))
        assert ended["message_id"] == message["message_id"]
        await told(second, body(alert()))
        await second.wait(
            group,
            lambda m: first_line(m) == "🔴 CRITICAL: High error rate" and m["message_id"] > message["message_id"],
        )
        await all_told(second)
        assert [first_line(found) for found in await notes(second)] == ["🔴 CRITICAL: High error rate"]
