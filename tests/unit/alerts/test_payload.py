"""Alertmanager's bodies and what may become of them: each alert in each body is told in a form Telegram takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doradura.alerts.intake import store
from doradura.alerts.payload import Notice, PayloadError, parse_payload, parse_time
from doradura.chat.alert_texts import AlertTexts
from doradura.chat.texts import Catalogues
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import parse_html
from doradura.storage import Connection, alerts, outbox
from doradura.storage.ids import IdMaker
from tests.databases import migrated

PAYLOADS = Path(__file__).parent.parent.parent / "data" / "alertmanager"
BODIES = {path.stem: path.read_bytes() for path in sorted(PAYLOADS.glob("am-*.json"))}
WORDS = AlertTexts(Catalogues())
NOW = 1_800_000_000_000
ADMIN = 1000


@contextmanager
def database() -> Iterator[Connection]:
    """A fresh database with one admin."""
    with closing(migrated()) as db:
        outbox.set_targets(db, [(ADMIN, 0)], new_id=lambda: ADMIN)
        yield db


def stored(db: Connection, notices: list[Notice]) -> list[str]:
    """Store notices; give every text that is to be told of them."""
    store(db, notices, new_id=IdMaker(lambda: NOW).new, now_ms=NOW)
    cards = [row[0] for row in db.execute("SELECT card_id FROM alert_outbox ORDER BY notice_id")]
    texts = []
    for view in (alerts.view(db, card, 60) for card in cards):
        texts += [WORDS.message(view), WORDS.reminder(view, NOW), WORDS.back(view)]
        assert units(WORDS.bare(view)) <= 1000
    return texts


def check_texts(texts: list[str]) -> None:
    """Telegram takes each, and each begins and ends as agreed."""
    for text in texts:
        visible, _ = parse_html(text)
        assert 0 < units(visible) <= 4096
        assert len(text.encode()) <= 32768
        lines = visible.split("\n")
        assert lines[0].split(" ", 1)[1].startswith(("CRITICAL: ", "WARNING: ", "INFO: ", "RESOLVED: "))
        assert all(word.startswith("#") and word[1:].replace("_", "a").isalnum() for word in lines[-1].split(" "))


@pytest.mark.parametrize("name", BODIES)
def test_a_body_as_it_was_received(name: str) -> None:
    """Nothing of a body is lost: as many notices as alerts, each in a message."""
    notices = parse_payload(BODIES[name])
    assert len(notices) == len(json.loads(BODIES[name])["alerts"])
    with database() as db:
        check_texts(stored(db, notices))
        told = db.execute("SELECT COUNT(DISTINCT fingerprint) FROM alert_incidents").fetchone()[0]
    assert told == len({notice.fingerprint for notice in notices})


def test_one_alert_exactly() -> None:
    """What a notice takes from Alertmanager 0.33's alert."""
    (notice,) = parse_payload(BODIES["am-0.33.1-simple-firing"])
    assert notice == Notice(
        group_key=notice.group_key,
        fingerprint="010d27a5f826e3c6",
        status="firing",
        starts="2026-11-23T18:37:25.665Z",
        starts_ms=1795459045665,
        ends_ms=None,
        severity="warning",
        severity_rank=1,
        alertname="DoraduraQueueBacklog",
        summary="Queue of 127.0.0.1:9200 holds 77 items",
        description='Очередь <b>&</b> "растёт"',
        instance="127.0.0.1:9200",
        runbook="",
        remind_ms=None,
        labels=notice.labels,
        generator=notice.generator,
    )
    received = json.loads(BODIES["am-0.33.1-simple-firing"])["alerts"][0]
    assert (json.loads(notice.labels), notice.generator) == (received["labels"], received["generatorURL"])
    with database() as db:
        assert stored(db, [notice])[0] == (
            "<b>🟠 WARNING: Queue of 127.0.0.1:9200 holds 77 items</b>\n"
            'Очередь &lt;b&gt;&amp;&lt;/b&gt; "растёт"\n'
            "Since 2026-11-23 18:37 UTC\n"
            "Instance: 127.0.0.1:9200\n"
            "#DoraduraQueueBacklog"
        )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'"x"', b"{}", b'{"alerts": {}}', b"[" * 100_000, b"\xff"])
def test_what_is_no_webhook(body: bytes) -> None:
    """Nothing to be gained by sending it again: an error, not a crash."""
    with pytest.raises(PayloadError):
        parse_payload(body)


def test_single_alerts_of_odd_types_do_not_lose_the_others() -> None:
    """Each element gives a notice; what can't be read is told as what it is."""
    odd: list[Any] = [5, None, [], {}, {"labels": [], "annotations": 7}, {"status": 3, "fingerprint": 4}]
    odd += [{"status": "firing", "labels": {"alertname": ["x"], "severity": {"a": 1}}, "startsAt": 17}]
    notices = parse_payload(json.dumps({"alerts": [*odd, {"labels": {"alertname": "Good"}}]}).encode())
    assert [notice.alertname for notice in notices] == [
        *("UnreadableAlert", "UnreadableAlert", "UnreadableAlert", "", "", "", '["x"]', "Good")
    ]
    assert {notice.status for notice in notices} == {"firing"}
    with database() as db:
        check_texts(stored(db, notices))


def test_absurd_numbers_and_depths_lose_no_neighbour() -> None:
    """Six thousand digits, or nesting no decoder follows, in one alert: the others are read all the same."""
    deep = b"[" * 100_000 + b"]" * 100_000
    for odd in (b"9" * 6000, deep):
        body = b'{"version": "4", "alerts": [{"labels": {"x": %s}}, {"labels": {"alertname": "Good"}}]}' % odd
        assert [notice.alertname for notice in parse_payload(body)] == ["", "Good"]


def test_alerts_without_labels_are_told_apart() -> None:
    """By summary and source, which stay while it fires; by all annotations when it has neither."""

    def alert(**annotations: str) -> dict[str, Any]:
        return {"annotations": annotations}

    alerts = [
        alert(summary="disk", description="80 %"),
        alert(summary="disk", description="90 %"),
        alert(summary="memory"),
        alert(description="a"),
        alert(description="b"),
        {"generatorURL": "http://prometheus/graph?x"},
    ]
    marks = [notice.fingerprint for notice in parse_payload(json.dumps({"alerts": alerts}).encode())]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 5


def test_another_version_is_taken_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """What a later Alertmanager sends is read as far as it can be, with a word in the log."""
    assert len(parse_payload(b'{"version": "5", "alerts": [{}]}')) == 1
    assert [record.message for record in caplog.records] == ["a webhook of another version is read as version 4"]


def test_text_that_no_database_takes() -> None:
    """Lone surrogates and NULs are replaced or dropped, never a reason to refuse."""
    body = (
        rb'{"alerts": [{"labels": {"alertname": "a\ud800b\u0000c"}, "annotations": {"summary": "\udfff", "n": NaN}}]}'
    )
    (notice,) = parse_payload(body)
    assert (notice.alertname, notice.summary) == ("a?bc", "?")


def test_long_texts_are_cut_and_say_so() -> None:
    """A description over the room ends with where the rest is; the hashtag stays."""
    alert = {"labels": {"alertname": "Long"}, "annotations": {"summary": "s" * 5000, "description": "&" * 100_000}}
    with database() as db:
        text = stored(db, parse_payload(json.dumps({"alerts": [alert]}).encode()))[0]
    visible, _ = parse_html(text)
    lines = visible.split("\n")
    assert units(lines[0]) == len("🟠 WARNING: ") + 1 + 300
    assert lines[1] == "&" * 2499 + "… (cut here; Alertmanager has the whole text)"
    assert lines[-1] == "#Long"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T18:37:25.665Z", 1795459045665),
        ("2026-11-23T18:37:25.665123456Z", 1795459045665),
        ("2026-11-23T20:37:25.665+02:00", 1795459045665),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times(text: str, expected: int | None) -> None:
    """RFC 3339 with nanoseconds and offsets; no time where there is none."""
    assert parse_time(text) == expected


_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["<b>&amp;</i>", "a\u0000b", "😀" * 3000, "\n" * 50, "1800", "2026-11-23T18:37:25Z", "resolved"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A body made of received ones: alerts repeated, resolved, without keys, with other values."""
    base = json.loads(draw(st.sampled_from(list(BODIES.values()))))
    found = draw(st.lists(st.sampled_from(base["alerts"]), max_size=12))
    base["alerts"] = [draw(_change(json.loads(json.dumps(alert)))) for alert in found]
    for key in draw(st.lists(st.sampled_from(sorted(set(base) - {"alerts"})), max_size=3)):
        base[key] = draw(_JUNK)
    return json.dumps(base).encode()


@st.composite
def _change(draw: st.DrawFn, alert: dict[str, Any]) -> Any:
    for place in draw(st.lists(st.sampled_from(["labels", "annotations", "", "gone", "ended", "junk"]), max_size=4)):
        inner = alert[place] if place in ("labels", "annotations") and isinstance(alert.get(place), dict) else alert
        keys = sorted(inner) or ["x"]
        if place == "ended":
            alert |= {"status": "resolved", "endsAt": "2026-11-23T19:00:00Z"}
        elif place == "junk":
            return draw(_JUNK)
        elif place == "gone":
            alert.pop(draw(st.sampled_from(keys)), None)
        else:
            inner[draw(st.sampled_from([*keys, "remind_seconds", "severity", "runbook_url"]))] = draw(_JUNK)
    return alert


@settings(max_examples=150, deadline=None)
@given(bodies=st.lists(mutated(), min_size=1, max_size=3))
def test_whatever_is_made_of_them(bodies: list[bytes]) -> None:
    """No mutation loses an alert, breaks the transaction or makes a text that Telegram refuses."""
    with database() as db:
        for body in bodies:
            notices = parse_payload(body)
            assert len(notices) == len(json.loads(body)["alerts"])
            check_texts(stored(db, notices))
            known = {row[0] for row in db.execute("SELECT DISTINCT fingerprint FROM alert_incidents")}
            assert known >= {notice.fingerprint for notice in notices if notice.alertname != "Watchdog"}


def test_ten_thousand_alerts_in_one_body() -> None:
    """All are stored, in one card whose message says their number and how many it leaves out."""
    alert = json.loads(BODIES["am-0.33.1-simple-firing"])["alerts"][0]
    many = [{**alert, "fingerprint": f"{number:016x}"} for number in range(10_000)]
    body = json.dumps({"groupKey": "g", "alerts": many}).encode()
    with database() as db:
        texts = stored(db, parse_payload(body))
        assert db.execute("SELECT COUNT(*) FROM alert_incidents WHERE state = 'firing'").fetchone()[0] == 10_000
        assert outbox.depth(db) == 1
    check_texts(texts)
    visible, _ = parse_html(texts[0])
    assert visible.split("\n")[0] == "🟠 WARNING: 10000 alerts at once"
    shown = sum(line.startswith("🟠 Queue") for line in visible.split("\n"))
    assert f"… and {10_000 - shown} more that don't fit here; Alertmanager lists them all." in visible


def test_a_broken_byte_costs_no_neighbour() -> None:
    """What is no UTF-8 is replaced where it stands; the alerts beside it come as they are."""
    body = b'{"alerts": [{"labels": {"alertname": "a\xff\xfe"}}, {"labels": {"alertname": "b"}}]}'
    assert [notice.alertname for notice in parse_payload(body)] == ["a\ufffd\ufffd", "b"]
