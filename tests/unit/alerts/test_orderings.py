"""Whatever order notices come in: no firing is lost, and no phone rings more often than it may."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doradura.alerts.incidents import QUIET_MS, REMIND_MARGIN_MS
from doradura.alerts.intake import reopen, store
from doradura.alerts.payload import Notice, parse_payload
from doradura.storage import alerts, outbox, sightings
from doradura.storage.ids import IdMaker
from tests.databases import migrated
from tests.monitoring_doubles import stamp
from tests.unit.alerts.conftest import body

NOW = 1_800_000_000_000
FINGERPRINT = "f-A"
Step = tuple[str, int, int]
"""firing or resolved; which of three startsAt; how many seconds it comes after the step before."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["firing", "resolved"]), st.integers(0, 2), st.sampled_from([0, 5, 59, 61, 300, 900, 4000])
    ),
    max_size=30,
)


def notice(step: Step, now_ms: int) -> Notice:
    """The notice of a step, as Alertmanager writes it."""
    status, start, _ = step
    found = {
        "status": status,
        "labels": {"alertname": "A", "severity": "critical"},
        "startsAt": stamp(NOW + start * 1_000_000),
        "endsAt": stamp(now_ms) if status == "resolved" else "0001-01-01T00:00:00Z",
        "fingerprint": FINGERPRINT,
    }
    return parse_payload(body(found))[0]


@settings(max_examples=100, deadline=None)
@given(STEPS)
@example([("firing", 0, 0), ("resolved", 0, 5), ("firing", 0, 5)])
@example(
    [("firing", 0, 0), ("resolved", 0, 5), ("firing", 0, 5), ("firing", 1, 0), ("resolved", 1, 59), ("firing", 0, 0)]
)
@example([(status, 0, 61) for _ in range(15) for status in ("firing", "resolved")])
def test_no_firing_is_lost_and_no_phone_rings_too_often(steps: Sequence[Step]) -> None:
    """After each notice it fires, ended, or waits for Alertmanager; tellings are a quarter of an hour apart."""
    db = migrated()
    ids, now = IdMaker(lambda: NOW), NOW
    outbox.set_targets(db, [(1, 0)], new_id=ids.new)
    rang: set[tuple[int, int]] = set()
    for step in steps:
        now += step[2] * 1000
        came = notice(step, now)
        store(db, [came], new_id=ids.new, now_ms=now)
        known = alerts.latest(db, FINGERPRINT)
        assert known is not None
        doubts = {doubt.incident_id for doubt in sightings.doubts(db)}
        if step[0] == "firing":
            assert known.state == "firing" or known.incident_id in doubts
        rang |= {tuple(row) for row in db.execute("SELECT told_ms, card_id FROM alert_cards")}
    firings = [row[0] for row in db.execute("SELECT COUNT(*) FROM alert_incidents WHERE state = 'firing'")]
    assert firings in ([0], [1])
    moments = sorted(told_ms for told_ms, _ in rang)
    told = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert all(gap >= QUIET_MS[0] - REMIND_MARGIN_MS for gap in told)
    # Where nobody can be asked, what waits fires.
    for doubt in sightings.doubts(db):
        known = alerts.latest(db, FINGERPRINT)
        assert known is not None
        if known.incident_id == doubt.incident_id and known.state == "resolved":
            reopen(db, msgspec.json.decode(doubt.notice, type=Notice), new_id=ids.new, now_ms=now + 60_000)
            fires = alerts.latest(db, FINGERPRINT)
            assert fires is not None
            assert fires.state == "firing"
