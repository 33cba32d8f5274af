"""Alerts and a full disk: what is answered, and that nothing is lost or told twice."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.e2e.program import running
from tests.e2e.test_alerts import all_told, first_line, notes
from tests.e2e.webhook import ADMIN, alert, body, post, told


async def test_a_full_disk_refuses_a_body_and_takes_it_sent_again(tmp_path: Path) -> None:
    """503 and no message while nothing can be written; the same body sent again is taken, and told once."""
    async with running(tmp_path / "data") as program:
        await told(program, body(alert("QueueBackup")))
        await all_told(program)
        pid = program.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, limits[1]))
        refused = [await post(program, body(alert())) for _ in range(2)]
        assert [answer.status_code for answer in refused] == [503, 503]
        assert [first_line(message) for message in await notes(program)] == ["🔴 CRITICAL: High error rate"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        await told(program, body(alert()))
        message = await program.wait(ADMIN, lambda m: m["text"].endswith("#HighErrorRate"))
        await all_told(program)
        assert len(await notes(program)) == 2
        await told(program, body(alert(status="resolved")))
        ended = await program.wait(ADMIN, lambda m: first_line(m) == "✅ RESOLVED: High error rate")
        assert ended["message_id"] == message["message_id"]
        counted = await program.metrics()
        assert counted['doradura_alerts_received_total{severity="critical",status="firing"}'] == 2
        assert counted['doradura_alert_deliveries_total{outcome="retried"}'] == 0
