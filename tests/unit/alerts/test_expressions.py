"""What of an alert's expression is drawn."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from doradura.alerts.expressions import Measured, expression_of, measured


@pytest.mark.parametrize(
    ("expression", "query", "threshold"),
    [
        ("up == 0", "up", 0.0),
        ("a / b > 0.1", "a / b", 0.1),
        ("a > bool 5", "a", 5.0),
        ("a >= -1.5e3", "a", -1500.0),
        ("sum(rate(a[5m])) > 0.1 and sum(rate(b[5m])) > 1", "sum(rate(a[5m]))", 0.1),
        ("a > 0.1 AND on() b", "a", 0.1),
        ("(a > 1 and b > 2) > 3", "(a > 1 and b > 2)", 3.0),
        ("time() - a\n> 120  # duration", "time() - a", 120.0),
        ("# why > not\na > 1", "a", 1.0),
        ('a{b="> 5 and # no"} > 2', 'a{b="> 5 and # no"}', 2.0),
        ('a{b!="x", c=~"y"} < 2', 'a{b!="x", c=~"y"}', 2.0),
        ("a > b", "a > b", None),
        ("a > 1 or b > 2", "a > 1 or b > 2", None),
        ("a > 1 and b or c", "a > 1 and b or c", None),
        ("absent(up)", "absent(up)", None),
        ("5 < a", "5 < a", None),
        ("> 5", "> 5", None),
        ("a > 1 > 2", "a > 1 > 2", None),
        ("vector(1)", "vector(1)", None),
        ("floor > 1 and order", "floor", 1.0),
    ],
)
def test_what_is_measured(expression: str, query: str, threshold: float | None) -> None:
    """What stands before the first condition, with its level; the whole where that can't be told apart."""
    assert measured(expression) == Measured(query, threshold)


def test_the_expression_in_a_link() -> None:
    """It is Prometheus's g0.expr; other links have none."""
    link = f"http://prometheus:9090/graph?{urlencode({'g0.expr': 'a + b > 1', 'g0.tab': '1'})}"
    assert expression_of(link) == "a + b > 1"
    for other in ("", "http://x/graph", "http://x/graph?g0.expr=", "http://[x/graph?g0.expr=a"):
        assert expression_of(other) is None
