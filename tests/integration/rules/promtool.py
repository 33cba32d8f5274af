"""Cases for Prometheus's own rule tester: what a series does over time, and what promtool makes of it."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.integration.rules.exposed import Labels, all_series
from tests.integration.rules.promql import selectors
from tests.programs import found

ROOT = Path(__file__).parent.parent.parent.parent
RULES = ROOT / "stack" / "prometheus" / "rules"
RUNBOOKS = "https://github.com/doradura/doradura/blob/main/docs/runbooks.md"
STALE = "stale"
GONE = "_"

Value = Callable[[float], float | str]
"""Seconds since the start -> what a scrape then gives; STALE when the target is taken away, GONE for nothing."""


def constant(value: float) -> Value:
    """A gauge that stays, or a counter that rests."""
    return lambda _seconds: value


def growing(per_minute: float, *, since: float = 0, until: float = 1e9) -> Value:
    """A counter, or an age, that goes up evenly between two moments."""
    return lambda seconds: max(min(seconds, until) - since, 0) * per_minute / 60


def becoming(value: float, *, at: float, before: float = 0) -> Value:
    """Something that changes once."""
    return lambda seconds: value if seconds >= at else before


def taken_away(at: float, value: float = 1) -> Value:
    """A series whose target leaves the list."""
    return lambda seconds: value if seconds < at else STALE


def absent() -> Value:
    """A series that never was."""
    return lambda _seconds: GONE


AT_REST: Mapping[str, Value] = {
    "up": constant(1),
    "scrape_duration_seconds": constant(0.02),
    "doradura_build_info": constant(1),
    "doradura_health_status": constant(1),
    "doradura_disk_free_bytes": constant(50e9),
    "process_start_time_seconds": constant(-86400.0),
    "process_open_fds": constant(40),
    "process_max_fds": constant(1024),
    "process_memory_limit_bytes": constant(8e9),
    "process_memory_available_bytes": constant(6e9),
    "doradura_telegram_last_poll_timestamp_seconds": lambda seconds: seconds - seconds % 45,
    "doradura_loop_lag_seconds_bucket": growing(600),
    "doradura_loop_lag_seconds_count": growing(600),
}
"""What a healthy idle bot shows where that is not 0."""


@dataclass(frozen=True)
class Series:
    """What all series of a name with these labels do; there must be some."""

    name: str
    labels: Mapping[str, str]
    value: Value


@dataclass(frozen=True)
class Told:
    """An alert as Alertmanager gets it, less what all alerts of its name have."""

    description: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """An hour of a bot's life, and what an alert says at a moment of it: nothing when `told` is empty.

    A quiet case names the one change of the rule, (key, old, new), with which it would fire: it stands just under an
    edge, and the edge is the rule's. Series that depend on what the program exposes are made when asked for.
    """

    alert: str
    why: str
    series: Sequence[Series] | Callable[[], Sequence[Series]]
    at: float
    told: Sequence[Told] = ()
    change: tuple[str, str, str] | None = None
    instances: tuple[str, ...] = ("bot:8080",)
    step_seconds: int = 15
    """How far apart promtool's scrapes and evaluations are at least: a case of days would take minutes at 15 s."""

    def made_series(self) -> Sequence[Series]:
        """What the case's series do."""
        return self.series() if callable(self.series) else self.series


def series(name: str, value: Value, **labels: str) -> list[Series]:
    """All series of a name with these labels."""
    return [Series(name, labels, value)]


def observed(name: str, seconds: float, counter: Value, **labels: str) -> list[Series]:
    """A histogram that took observations of one length; `counter` says how many up to when."""
    bounds = {row["le"] for row in all_series(("bot",))[f"{name}_bucket"]}
    return [
        *(
            Series(f"{name}_bucket", {**labels, "le": bound}, counter if float(bound) >= seconds else constant(0))
            for bound in sorted(bounds, key=float)
        ),
        Series(f"{name}_count", labels, counter),
    ]


def promtool() -> str:
    """Find promtool."""
    return found("promtool")


def notation(value: Value, interval: int, end: float) -> str:
    """Write what scrapes give, runs of equal values shortened, exact in every version of promtool."""
    values = [value(float(moment)) for moment in range(0, int(end) + interval + 1, interval)]
    words: list[str] = []
    for given, run in itertools.groupby(values):
        count = len(list(run))
        if given == STALE:
            words += [STALE, *([f"_x{count - 1}"] if count > 1 else [])]
        elif given == GONE:
            words.append(f"_x{count}")
        else:
            words.append(f"{given!r}+0x{count - 1}" if count > 1 else f"{given!r}")
    return " ".join(words)


def input_series(
    names: frozenset[str], wanted: Sequence[Series], instances: tuple[str, ...], interval: int, end: float
) -> list[dict[str, str]]:
    """All series of these names as a bot exposes them, at rest but for what is wanted otherwise."""
    known = all_series(instances)
    values: dict[tuple[str, int], Value] = {}
    for one in wanted:
        rows = known.get(one.name, ())
        hits = [number for number, labels in enumerate(rows) if one.labels.items() <= labels.items()]
        assert hits, f"the program exposes no {one.name}{dict(one.labels)}"
        values.update({(one.name, number): one.value for number in hits})
    return [
        {
            "series": _selector(name, labels),
            "values": notation(values.get((name, number), AT_REST.get(name, constant(0))), interval, end),
        }
        for name in sorted(names | {one.name for one in wanted})
        for number, labels in enumerate(known[name])
    ]


def _selector(name: str, labels: Labels) -> str:
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"


def rules_of(path: Path) -> list[dict[str, Any]]:
    """All rules of a file."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def names_in_rule(rule: Mapping[str, Any]) -> frozenset[str]:
    """The metrics a rule is made of, those its texts ask for included."""
    texts = [text for text in rule.get("annotations", {}).values() if "query" in text]
    asked = [part.split('"')[1] for text in texts for part in text.split("query ")[1:]]
    return frozenset(selector.metric for text in (rule["expr"], *asked) for selector in selectors(text))


def run_tests(
    directory: Path, rules: Path, tests: Sequence[Mapping[str, Any]], *, step_seconds: int = 15
) -> subprocess.CompletedProcess[str]:
    """Let promtool run these tests of a rules file, evaluated that often."""
    path = directory / "tests.yml"
    # JSON is YAML, and written a hundred times faster.
    document = {"rule_files": [str(rules)], "evaluation_interval": f"{step_seconds}s", "tests": list(tests)}
    path.write_text(json.dumps(document), encoding="utf-8")
    return subprocess.run([promtool(), "test", "rules", str(path)], capture_output=True, text=True, check=False)
