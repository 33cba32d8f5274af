"""The words of an alert: hashtags that link, and where its links lead."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doradura.chat.alert_graph import source_of
from doradura.chat.alert_texts import AlertTexts, hashtag
from doradura.chat.texts import Catalogues
from doradura.sandbox.text.detect import find_entities
from doradura.storage.alerts import CardView
from doradura.telegram.units import units
from tests.incidents import firing

TEXTS = AlertTexts(Catalogues())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("HighErrorRate", "#HighErrorRate"),
        ("node_cpu", "#node_cpu"),
        ("404", "#alert_404"),
        ("404Errors", "#404Errors"),
        ("5xx rate", "#5xx_rate"),
        ("disk-full.now", "#disk_full_now"),
        ("_", "#alert"),
        ("---", "#alert"),
        ("", "#alert"),
        ("4-0-4", "#alert_4_0_4"),
        ("²", "#alert"),
        ("Ⅷ", "#alert"),
        ("٤٠٤", "#alert_٤٠٤"),
        ("Ошибка", "#Ошибка"),
        ("错误 率", "#错误_率"),
        ("🔥", "#alert"),
        ("<b>", "#_b_"),
        ("1" * 70 + "a", "#alert_" + "1" * 64),
        ("x" * 300, "#" + "x" * 64),
    ],
)
def test_hashtags(name: str, wanted: str) -> None:
    """An ordinary name is its own hashtag; what Telegram would not link becomes one that it does."""
    assert TEXTS.message(CardView(incidents=[firing(alertname=name)], total=1, firing=1)).split("\n")[-1] == wanted


@given(st.text(max_size=100))
@example("̀")
@example("a̐b")
@example("·")
@example("\u200c")
def test_every_name_links(name: str) -> None:
    """Whatever an alert is called, its last line is one hashtag, whole."""
    line = f"#{hashtag(name)}"
    found = find_entities(f"x\n{line} #B")
    spans = [(entity["offset"], entity["length"]) for entity in found if entity["type"] == "hashtag"]
    assert spans == [(2, units(line)), (3 + units(line), 2)]


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://prometheus.test:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1", "prometheus"),
        ("http://127.0.0.1:9091/query?g0.expr=up&g0.tab=1", "prometheus"),
        ("https://host/prometheus/graph?g0.expr=up", "prometheus"),
        ("http://grafana.test/graph?g0.expr=up", "prometheus"),
        ("https://host/alerting/grafana/abc/view?orgId=1", "grafana"),
        ("https://host/grafana/alerting/abc/edit", "grafana"),
        ("https://grafana.example/d/abc/board", "grafana"),
        ("https://host/graph", "source"),
        ("https://host/vmalert/alert?group_id=1&alert_id=2", "source"),
        ("http://host", "source"),
        ("http://[::1]:9091/query?g0.expr=up", "prometheus"),
        ("", None),
        ("javascript:alert(1)", None),
        ("ftp://host/graph?g0.expr=up", None),
        ("http://", None),
        ("http:///graph?g0.expr=up", None),
        ("http://host:99999/", None),
        ("http://[half", None),
        ("http://a b/", None),
        ("http://host/\u0000", None),
        ("//host/graph", None),
        ("tg://user?id=1", None),
    ],
)
def test_where_a_link_leads(url: str, wanted: str | None) -> None:
    """The words follow the page; what no browser opens is no link."""
    assert source_of(url) == wanted


@pytest.mark.parametrize("url", ["http://", "http://[half", "http://host:99999/", "javascript:x", "http://a<b"])
def test_an_odd_runbook_is_text(url: str) -> None:
    """It is shown as it came, escaped, and links to nothing."""
    lines = TEXTS.message(CardView(incidents=[firing(runbook=url)], total=1, firing=1)).split("\n")
    assert lines[2] == f"Runbook: <code>{url.replace('<', '&lt;')}</code>"


def test_what_alertmanager_left_out_is_said() -> None:
    """With its number, in the message of one and of many, for as long as something of it fires."""
    one = CardView(incidents=[firing()], total=1, firing=1, truncated=1)
    many = CardView(incidents=[firing()] * 6, total=6, firing=6, truncated=23)
    assert "⚠️ Alertmanager left 1 more alert of this group out of its notice (max_alerts); its own page lists it." in (
        TEXTS.message(one)
    )
    assert "left 23 more alerts of this group" in TEXTS.message(many)
    assert "left 1" not in TEXTS.message(
        CardView(incidents=[firing(state="resolved", ended_ms=1)], total=1, firing=0, truncated=1)
    )
