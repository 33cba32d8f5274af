"""DATA_DIR/stack/thresholds.yml: an installation's own thresholds for alerts, where they differ from the defaults.

The defaults are in the rules that ship, on the lines marked `# threshold` and in `for`; this module has their names,
units and bounds. The whole file is checked before anything is rendered: an unknown alert, or a senseless value, is a
ThresholdError in words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack import durations
from stack.facts import StackError
from stack.render import RULES, alert_rules

FILE = "thresholds.yml"
MARKED = re.compile(r"^(?P<code>.*?)(?P<mark>\s*#\s*threshold(?:,\s*duration)?\s*)$", re.MULTILINE)
LONGEST_SECONDS = 7 * 24 * 3600.0
LARGEST_BYTES = 64 * 1024


class ThresholdError(StackError):
    """A requested threshold is impossible; the text names the file, the alert, and what would be possible."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The number of an alert: its unit in words, and the range in which it makes sense."""

    unit: str
    lowest: float
    highest: float
    whole: bool = False
    texts: tuple[Callable[[float], str], ...] = ()
    """How the alert's own texts mention the number, if they do."""

    @property
    def is_time(self) -> bool:
        """Whether it may be written as a duration."""
        return self.unit.startswith("seconds")


FIGURES: Mapping[str, Figure] = {
    "HighErrorRate": Figure("% of downloads", 0.1, 99.9),
    "DownloadsFailing": Figure("downloads in 6 hours", 1, 10_000, whole=True),
    "QueueBackup": Figure("downloads waiting", 1, 1_000_000, whole=True),
    "BotRestarting": Figure("starts in 30 minutes", 2, 1000, whole=True),
    "TelegramUnreachable": Figure("seconds", 120, LONGEST_SECONDS),
    "AlertDeliveryStalled": Figure("seconds", 60, LONGEST_SECONDS),
    "SlowDownloads": Figure("seconds, 95th percentile", 1, 1200),
    "LowSuccessRate": Figure("% of downloads", 0.1, 100),
    "CanaryFailing": Figure("runs", 1, 1000, whole=True),
    "BotCheckRefusals": Figure("downloads in 30 minutes", 1, 1_000_000, whole=True),
    "RateLimitedByTelegram": Figure("answers in 5 minutes", 1, 1_000_000, whole=True),
    "PollConflict": Figure("polls in 5 minutes", 1, 1000, whole=True),
    "DiskFillingUp": Figure(
        "GiB free", 0.1, 1_000_000, texts=(lambda gib: f"under {gib:g} GiB", lambda gib: f"{gib * 2**30:.1f}")
    ),
    "MemoryNearLimit": Figure("% of the limit", 1, 99.9),
    "DescriptorsNearLimit": Figure("% of the limit", 1, 99.9),
    "LoopStalled": Figure("seconds, 99th percentile", 0.01, 5),
    "ScrapeSlow": Figure("seconds, on average", 0.05, 60),
}
"""Alert -> its number. Alerts that are not here only have a waiting time (`for`)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a line asks for; None keeps the default."""

    figure: float | None = None
    wait_seconds: float | None = None


def read(path: Path, alerts: frozenset[str]) -> dict[str, Wanted]:
    """Read and check a file of thresholds for the existing alerts; a missing file has none. Raises ThresholdError."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ThresholdError(
                f"{path} is larger than {LARGEST_BYTES // 1024} KB: it should have one line per alert."
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ThresholdError(f"{path} can't be read: {error}") from error
    try:
        given = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise ThresholdError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ThresholdError(f"{path} must have one line per alert, such as `HighErrorRate: 15`.")
    return {name: _wanted(path, name, value, alerts) for name, value in given.items()}


class _Loader(yaml.SafeLoader):
    """Refuses a duplicate name: it would be unclear which of the two counts.

    It also words an error for a value that does not fit its tag, such as `!!int -`: PyYAML never checks that.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as PyYAML has it
        """Make the value of a node. Raises YAMLError."""
        try:
            return super().construct_object(node, deep)
        except (LookupError, AttributeError, OverflowError) as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.MarkedYAMLError(problem=f"not a valid {kind}", problem_mark=node.start_mark) from error


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    names = [loader.construct_object(key) for key, _ in node.value]
    for name in names:
        if names.count(name) > 1:
            raise yaml.YAMLError(f"{name} occurs twice")
    return dict(zip(names, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True))


def _number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """Keep as text what YAML 1.1 counts otherwise than people do: it takes 010 for 8, and 1:30 for 90."""
    if _OTHERWISE.match(node.value):
        return node.value
    return yaml.SafeLoader.yaml_constructors[node.tag](loader, node)


_OTHERWISE = re.compile(r"[-+]?(?:0[0-9xXbBoO_]|.*[:_])")

_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _wanted(path: Path, name: Any, value: Any, alerts: frozenset[str]) -> Wanted:
    if name not in alerts or name == "Watchdog":
        near = difflib.get_close_matches(str(name), alerts - {"Watchdog"}, n=1)
        hint = f"Did you mean {near[0]}?" if near else "docs/monitoring.md lists them."
        raise ThresholdError(f"{path}: there is no alert {name} with a threshold. {hint}")
    figure = FIGURES.get(name)
    parts = value if isinstance(value, dict) else {"threshold" if figure else "for": value}
    if not parts or not parts.keys() <= {"threshold", "for"}:
        raise ThresholdError(
            f"{path}: {name} takes `threshold` and `for`, not {', '.join(map(str, parts)) or 'nothing'}."
        )
    if "threshold" in parts and figure is None:
        raise ThresholdError(f"{path}: {name} has no number to change, only how long it waits: `{name}: {{for: 5m}}`.")
    return Wanted(
        _figure(path, name, parts["threshold"], figure) if figure and "threshold" in parts else None,
        _seconds(path, name, parts["for"]) if "for" in parts else None,
    )


def _figure(path: Path, name: str, value: Any, figure: Figure) -> float:
    number = value
    if figure.is_time and isinstance(value, str):
        number = _duration(value)
    known = isinstance(number, int | float) and not isinstance(number, bool)
    if not known or not figure.lowest <= number <= figure.highest or (figure.whole and number != int(number)):
        kind = "a whole number" if figure.whole else "a number"
        like = " or a duration such as 5m" if figure.is_time else ""
        raise ThresholdError(
            f"{path}: {name} must be {kind} from {figure.lowest:g} to {figure.highest:.10g} "
            f"({figure.unit}){like}, not {value!r}."
        )
    return float(number)


def _seconds(path: Path, name: str, value: Any) -> float:
    seconds = _duration(value) if isinstance(value, str) else 0.0 if value == 0 and value is not False else None
    if seconds is None or seconds > LONGEST_SECONDS:
        raise ThresholdError(f"{path}: {name} must wait for a duration from 0s to 7d, such as 10m, not {value!r}.")
    return seconds


def _duration(text: str) -> float | None:
    try:
        return durations.seconds_of(text)
    except ValueError:  # not a duration, or one with more digits than Python reads
        return None


def applied(files: Mapping[str, str], wanted: Mapping[str, Wanted]) -> dict[str, str]:
    """Return the configuration (path -> text) with the requested values in its rules.

    Raises ValueError as `apply` does.
    """
    changed = dict(files)
    for path, text in files.items():
        if path.startswith(RULES) and wanted:
            tree = yaml.safe_load(text)
            for rule in alert_rules(tree):
                if rule["alert"] in wanted:
                    apply(rule, wanted[rule["alert"]])
            changed[path] = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=1000)
    return changed


def apply(rule: dict[str, Any], wanted: Wanted) -> None:
    """Put the requested values into an alert's rule, its texts included.

    Raises ValueError if the rule has another form.
    """
    notes = rule["annotations"]
    if wanted.figure is not None:
        before = default_of(rule)
        assert before is not None, rule["alert"]
        rule["expr"] = MARKED.sub(
            lambda line: durations.NUMBER.sub(f"{wanted.figure:.15g}", line["code"]) + line["mark"], rule["expr"]
        )
        for text in FIGURES[rule["alert"]].texts:
            notes["description"] = _instead(notes["description"], text(before), text(wanted.figure))
    if wanted.wait_seconds is not None:
        before_seconds = durations.seconds_of(rule["for"])
        rule["for"] = durations.text_of(wanted.wait_seconds)
        if rule["alert"] in WAIT_IN_TEXT:
            said, says = _spoken(before_seconds), _spoken(wanted.wait_seconds)
            notes["description"] = _instead(notes["description"], said, says)


WAIT_IN_TEXT = frozenset({"BotDown", "HealthFailing", "HealthDegraded", "SiteBroken", "AlertmanagerDown"})
"""Alerts whose text says how long they waited."""


def default_of(rule: Mapping[str, Any]) -> float | None:
    """Return the number that an alert's rule ships with; None if it has none. Raises ValueError if it has two."""
    found = [durations.NUMBER.findall(line["code"]) for line in MARKED.finditer(rule["expr"])]
    numbers = {number for line in found for number in line}
    if any(len(line) != 1 for line in found) or len(numbers) > 1:
        raise ValueError(f"{rule['alert']} is to have one number that is marked as its threshold, not {found}")
    return float(numbers.pop()) if numbers else None


def _instead(text: str, before: str, after: str) -> str:
    if before not in text:
        raise ValueError(f"{text!r} does not say {before!r}")
    return text.replace(before, after)


def _spoken(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:g} seconds"
