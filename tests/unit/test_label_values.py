"""Each label value that is written in the program is of its metric's closed set; the sets agree with their owners."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

from doradura.alerts.incidents import QUIET_MS
from doradura.alerts.payload import RANKS, SEVERITIES
from doradura.chat.alert_texts import RANK_KEYS
from doradura.chat.texts import languages
from doradura.health import CHECKS, CheckStatus, ReportStatus, State
from doradura.media.formats import SentAs
from doradura.media.reasons import Reason
from doradura.metrics import DATABASE_FAMILIES, Labelled
from doradura.storage import statistics
from doradura.telegram.media import MediaKind
from doradura.telegram.observer import TIMED_KINDS, RequestKind
from tests.wiring import fresh_metrics

PACKAGE = Path(__file__).parent.parent.parent / "doradura"
CONTRACT = {
    "download_failure": {
        "reason": "gone private login geo live too_large too_slow unsupported refused_address user_blocked bot_check"
        " rate_limited network site_error deadline disk tool_crash telegram internal"
    },
    "download_retries": {
        "reason": "bot_check rate_limited network site_error deadline disk tool_crash telegram internal"
    },
    "download_size": {"kind": "audio video document"},
    "upload_duration": {"kind": "audio video document"},
    "queue_wait_time": {"plan": "free"},
    "queue_rejected": {"reason": "full limit space blocked"},
    "telegram_request_duration": {"kind": "send upload edit other"},
    "telegram_rate_limited": {"source": "server local"},
    "checkouts": {"plan": "premium vip", "outcome": "approved refused"},
    "alerts_received": {"severity": "critical warning none other", "status": "firing resolved"},
    "alert_deliveries": {"outcome": "sent edited retried failed"},
    "errors": {"category": "download telegram storage payment alert http internal"},
    "file_cache_lookups": {"outcome": "hit miss stale"},
}
"""What /metrics promises: written once more, so that a change of an owner's is seen as one of a contract."""
OUTCOMES = "ok client_error rate_limited server_error network timeout"


def written() -> Iterator[tuple[str, str, str, str]]:
    """Return (place, metric, label, value) of each value that stands as a text in a call of `labels`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from calls(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE)))


def calls(text: str, place: str) -> Iterator[tuple[str, str, str, str]]:
    """Return the same of one module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "labels":
            metric = node.func.value
            for each in node.keywords:
                if isinstance(each.value, ast.Constant) and isinstance(metric, ast.Attribute):
                    yield f"{place}:{node.lineno}", metric.attr, str(each.arg), str(each.value.value)


def test_written_label_values_are_of_their_sets() -> None:
    """A typo in a category, an outcome or another label value is found before it counts as "other"."""
    metrics = fresh_metrics()
    found = list(written())
    sets = {metric: getattr(metrics, metric) for _, metric, _, _ in found}
    assert all(isinstance(each, Labelled) for each in sets.values())
    wrong = [each for each in found if each[3] not in sets[each[1]].closed.get(each[2], ())]
    assert wrong == []
    assert len(found) > 30


def test_a_written_value_is_found() -> None:
    """What looks for them sees the metric, the label and the value."""
    text = "self._metrics.errors.labels(category='alrt').inc()"
    assert list(calls(text, "x.py")) == [("x.py:1", "errors", "category", "alrt")]


@pytest.mark.parametrize(("metric", "labels"), CONTRACT.items())
def test_the_sets_are_the_contract(metric: str, labels: dict[str, str]) -> None:
    """The values that owners hand in are those that rules and dashboards of others may read."""
    closed = getattr(fresh_metrics(), metric).closed
    assert {label: closed[label] for label in labels} == {label: {*words.split()} for label, words in labels.items()}


def test_the_requests_outcomes_are_the_contract() -> None:
    """Their metric's other label is the method."""
    assert fresh_metrics().telegram_requests.closed["outcome"] == {*OUTCOMES.split()}


def test_the_gauge_of_health_has_every_check() -> None:
    """Its children are made at the first check, so that its set is read from the values."""
    assert fresh_metrics().values.checks == CHECKS == ("poll", "storage", "worker", "disk", "alerts", "loop")


def test_database_families_are_asked_for() -> None:
    """Each family that a scrape reads from the database has its query, by the same name, and no other is asked for."""
    assert statistics.FAMILIES.keys() == DATABASE_FAMILIES.keys()


def test_labels_of_database_families_have_values() -> None:
    """Each label of such a family has its closed set; the languages are those there are texts in, and other."""
    values = fresh_metrics().database_values
    assert {label for _, labels in DATABASE_FAMILIES.values() for label in labels} == values.keys()
    assert values["language"] == (*languages(), "other")
    assert values["plan"] == ("premium", "vip")


def test_each_language_has_its_texts() -> None:
    """The folders of the catalogues are the languages, English the first."""
    assert {path.name for path in (PACKAGE / "chat" / "locale").iterdir() if path.is_dir()} == {*languages()}
    assert languages()[0] == "en"


def test_each_severity_has_a_rank_a_text_and_a_quiet_time() -> None:
    """The severities are those of the rules; each has its rank, and each rank its text and its time."""
    rules = PACKAGE.parent / "stack" / "prometheus" / "rules" / "alerts.yml"
    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    assert {rule["labels"]["severity"] for group in groups for rule in group["rules"]} == {*SEVERITIES}
    ranks = {severity: RANKS[severity] for severity in SEVERITIES}
    assert ranks == {"critical": 0, "warning": 1, "none": 2}
    assert len(RANK_KEYS) == len(QUIET_MS) == len({*RANKS.values()})
    assert all(RANKS[key] == rank for rank, key in enumerate(RANK_KEYS))


def test_what_is_of_a_set_is_of_the_larger_one() -> None:
    """What a file is sent as Telegram takes, a measured request is a request, a report says what a check may."""
    assert {*get_args(SentAs)} <= {*get_args(MediaKind)}
    assert {*TIMED_KINDS} == {*get_args(RequestKind)} - {"poll"}
    assert {*get_args(ReportStatus)} == {*get_args(CheckStatus), *get_args(State)} - {"running"}
    assert fresh_metrics().values.reasons == tuple(Reason)
