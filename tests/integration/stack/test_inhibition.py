"""A real Alertmanager with the committed inhibition: which alert hides which, every pair of the catalogue asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import yaml

from doradura.health import CHECKS
from doradura.metrics.catalogue import CATEGORIES
from tests.integration.stack.test_routes import CONFIG, SEVERITY
from tests.monitors import TELLS_NOBODY, open_alertmanager
from tests.ports import free_port

Target = tuple[str, str | None, str | None]
"""A target's alertname, its `check` and its `category`."""

HERE, ELSEWHERE = "bot:8080", "bot2:8080"

HIDES: dict[str, set[Target]] = {
    "HighErrorRate": {("LowSuccessRate", None, None), ("DownloadsFailing", None, None)},
    "DownloadsFailing": {("LowSuccessRate", None, None)},
    "BotDown": {
        (name, None, None)
        for name in ("TelegramUnreachable", "LoopStalled", "ScrapeSlow", "SlowDownloads", "DiskFillingUp")
    },
    "StorageFailing": {
        ("HealthFailing", "storage", None),
        ("HealthDegraded", "storage", None),
        ("ErrorsGoOn", None, "alert"),
        ("NotificationsFailing", None, None),
    },
    "TelegramUnreachable": {
        ("HealthFailing", "poll", None),
        ("HealthDegraded", "poll", None),
        ("ErrorsGoOn", None, "alert"),
        ("ErrorsGoOn", None, "telegram"),
        ("RateLimitedByTelegram", None, None),
    },
    "PollConflict": {("HealthFailing", "poll", None), ("HealthDegraded", "poll", None)},
    "DiskFillingUp": {("HealthFailing", "disk", None), ("HealthDegraded", "disk", None)},
    "AlertDeliveryStalled": {("HealthFailing", "alerts", None), ("HealthDegraded", "alerts", None)},
    "AlertsGivenUp": {("HealthFailing", "alerts", None), ("HealthDegraded", "alerts", None)},
    "LoopStalled": {("HealthFailing", "loop", None), ("HealthDegraded", "loop", None)},
    "AlertmanagerDown": {("NotificationsFailing", None, None)},
}
"""What each alert of an instance hides of that instance. HealthFailing, which has a check, has a test of its own."""

WITHOUT_INSTANCE = {"NotificationsFailing"}


def targets() -> Iterator[Target]:
    """All alerts of the catalogue, in each form that an inhibition looks at."""
    for name in sorted(SEVERITY):
        if name in {"HealthFailing", "HealthDegraded"}:
            yield from ((name, check, None) for check in CHECKS)
        elif name == "ErrorsGoOn":
            yield from ((name, None, category) for category in CATEGORIES)
        else:
            yield (name, None, None)


def alert(name: str, instance: str, monitor: str, **labels: str | None) -> dict[str, object]:
    """Return an alert as Prometheus posts it."""
    now = datetime.now(UTC)
    own = {"alertname": name, "monitor": monitor, **({} if name in WITHOUT_INSTANCE else {"instance": instance})}
    return {
        "labels": {**own, **{key: value for key, value in labels.items() if value is not None}},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=10)).isoformat(),
    }


async def inhibited(directory: Path, alerts: list[dict[str, object]]) -> set[tuple[str, Target, str]]:
    """Post these alerts to an Alertmanager; return the `monitor`, target and instance of those that it holds back."""
    rules = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["inhibit_rules"]
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/v2/alerts"
    async with (
        open_alertmanager(directory, port=port, configuration={**TELLS_NOBODY, "inhibit_rules": rules}),
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
    ):
        assert (await client.post(url, json=alerts)).status_code == 200
        answer = (await client.get(url)).json()
    assert len(answer) == len(alerts)
    return {
        (
            labels["monitor"],
            (labels["alertname"], labels.get("check"), labels.get("category")),
            labels.get("instance", ""),
        )
        for labels, status in ((one["labels"], one["status"]) for one in answer)
        if status["inhibitedBy"]
    }


async def test_who_hides_whom(tmp_path: Path) -> None:
    """Every alert beside every other: it hides what the table says of its instance, and of another nothing."""
    alerts: list[dict[str, object]] = []
    wanted: set[tuple[str, Target, str]] = set()
    for source in sorted(set(SEVERITY) - {"HealthFailing"}):
        for target in targets():
            name, check, category = target
            if name == source:
                continue
            monitor = f"{source} {name} {check} {category}"
            alerts.append(alert(source, HERE, monitor))
            instances = (HERE,) if name in WITHOUT_INSTANCE else (HERE, ELSEWHERE)
            alerts.extend(alert(name, instance, monitor, check=check, category=category) for instance in instances)
            if target in HIDES.get(source, set()):
                wanted.add((monitor, target, "" if name in WITHOUT_INSTANCE else HERE))
            for other in HIDES.get(name, set()):
                # The pair the other way round: the target hides the source.
                if other == (source, None, None):
                    wanted.add((monitor, other, "" if source in WITHOUT_INSTANCE else HERE))
    assert await inhibited(tmp_path, alerts) == wanted


async def test_a_check_that_fails_hides_the_same_that_is_degraded(tmp_path: Path) -> None:
    """HealthFailing hides HealthDegraded of its own check and instance alone."""
    alerts = [
        alert("HealthFailing", HERE, "m", check="worker"),
        *(
            alert("HealthDegraded", instance, "m", check=check)
            for check in ("worker", "disk")
            for instance in (HERE, ELSEWHERE)
        ),
    ]
    assert await inhibited(tmp_path, alerts) == {("m", ("HealthDegraded", "worker", None), HERE)}


async def test_what_another_prometheus_sees_is_not_hidden(tmp_path: Path) -> None:
    """Of two servers that watch one bot, each hides its own alerts alone: the other may be the one that is mistaken."""
    pairs = [(source, target) for source in HIDES for target in sorted(HIDES[source], key=str)]
    alerts: list[dict[str, object]] = []
    for source, (name, check, category) in [*pairs, ("HealthFailing", ("HealthDegraded", "disk", None))]:
        monitor, of_source = f"{source} {name} {check} {category}", check if source == "HealthFailing" else None
        alerts.append(alert(source, HERE, monitor, check=of_source, prometheus="us"))
        alerts.append(alert(name, HERE, monitor, check=check, category=category, prometheus="eu"))
    assert await inhibited(tmp_path, alerts) == set()
