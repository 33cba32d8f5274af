"""An installation's own thresholds: taken, or refused in words."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack import durations
from stack.files import committed
from stack.render import alert_rules, render
from stack.thresholds import (
    FIGURES,
    MARKED,
    WAIT_IN_TEXT,
    ThresholdError,
    Wanted,
    applied,
    default_of,
    read,
)
from tests.unit.stack.test_render import FACTS

ALERTS_FILE = "prometheus/rules/alerts.yml"
SHIPPED = {rule["alert"]: rule for rule in alert_rules(yaml.safe_load(committed()[ALERTS_FILE]))}
PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "monitoring.md"


def put(directory: Path, text: str) -> Path:
    """Write the file."""
    path = directory / "thresholds.yml"
    path.write_text(text, encoding="utf-8")
    return path


def rendered(path: Path, speed: float = 1) -> dict[str, Any]:
    """Render with the thresholds of a file: alert -> rule."""
    wanted = read(path, frozenset(SHIPPED))
    text = render(applied(committed(), wanted), dataclasses.replace(FACTS, speed=speed))[ALERTS_FILE]
    return {rule["alert"]: rule for rule in alert_rules(yaml.safe_load(text))}


DEFAULT = {
    rule["alert"]: rule for rule in alert_rules(yaml.safe_load(render(applied(committed(), {}), FACTS)[ALERTS_FILE]))
}
"""What is rendered without thresholds."""


def test_no_file_changes_nothing(tmp_path: Path) -> None:
    """Without a file, and with an empty one, the rules are those that ship."""
    assert rendered(tmp_path / "thresholds.yml") == DEFAULT
    assert rendered(put(tmp_path, "# none yet\n")) == DEFAULT


def test_a_line_changes_its_alert_and_no_other(tmp_path: Path) -> None:
    """A number, a duration and a wait are put where they belong."""
    lines = "HighErrorRate: 15\nTelegramUnreachable: 5m\nLoopStalled: {threshold: 0.75, for: 10m}\nBotDown: 10m\n"
    found = rendered(put(tmp_path, lines))
    assert found["HighErrorRate"]["expr"] == SHIPPED["HighErrorRate"]["expr"].replace("> 10 ", "> 15 ")
    unreachable = found["TelegramUnreachable"]["expr"]
    assert unreachable == SHIPPED["TelegramUnreachable"]["expr"].replace("> 120 ", "> 300 ")
    assert (found["LoopStalled"]["for"], found["LoopStalled"]["expr"].count("> 0.75 ")) == ("600s", 1)
    assert found["BotDown"]["for"] == "600s"
    changed = {"HighErrorRate", "TelegramUnreachable", "LoopStalled", "BotDown"}
    assert {name for name in SHIPPED if found[name] != DEFAULT[name]} == changed


@pytest.mark.parametrize(
    "line", ["SlowDownloads: 2m", "LoopStalled: 750ms", "ScrapeSlow: 1500ms", "AlertDeliveryStalled: 10m"]
)
def test_every_time_may_be_a_duration(tmp_path: Path, line: str) -> None:
    """A figure in seconds is written as a duration too, whatever it is the seconds of."""
    name, _, text = line.partition(": ")
    number = f"{durations.seconds_of(text):g}"
    assert default_of(rendered(put(tmp_path, line))[name]) == float(number)


def test_every_place_of_a_figure_changes(tmp_path: Path) -> None:
    """Where a figure stands twice in a rule, both are changed."""
    found = rendered(put(tmp_path, "CanaryFailing: 5\nDownloadsFailing: 7\nQueueBackup: 250\n"))
    for name, figure in (("CanaryFailing", "5"), ("DownloadsFailing", "7"), ("QueueBackup", "250")):
        lines = MARKED.findall(found[name]["expr"])
        assert len(lines) == 2
        assert all(code.endswith(f" {figure}") for code, _ in lines)


def test_texts_follow(tmp_path: Path) -> None:
    """A text that says the figure says the new one."""
    found = rendered(put(tmp_path, "DiskFillingUp: 2.5\nBotDown: 90s\nHealthDegraded: 2h\nAlertmanagerDown: 1m\n"))
    disk = found["DiskFillingUp"]["annotations"]["description"]
    assert "if lt $value 2684354560.0 }}under 2.5 GiB" in disk
    assert "* 2.5  # threshold" in found["DiskFillingUp"]["expr"]
    assert "has not answered Prometheus for 90 seconds" in found["BotDown"]["annotations"]["description"]
    assert "has been degraded for 2 hours" in found["HealthDegraded"]["annotations"]["description"]
    assert "for 1 minute" in found["AlertmanagerDown"]["annotations"]["description"]


def test_speed_divides_what_was_asked_for(tmp_path: Path) -> None:
    """At --speed a time asked for is divided as the default would be."""
    found = rendered(put(tmp_path, "TelegramUnreachable: 300\nBotDown: 10m\n"), speed=30)
    assert "> 10  # threshold, duration" in found["TelegramUnreachable"]["expr"]
    assert found["BotDown"]["for"] == "20s"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HighErorRate: 15", "no alert HighErorRate with a threshold. Did you mean HighErrorRate?"),
        ("zzz: 1", "docs/monitoring.md lists them"),
        ("Watchdog: 1m", "no alert Watchdog"),
        ("1: 1", "no alert 1"),
        ("HighErrorRate: much", "from 0.1 to 99.9 (% of downloads), not 'much'"),
        ("HighErrorRate: '15'", "not '15'"),
        ("HighErrorRate: 150", "not 150"),
        ("HighErrorRate: 0", "not 0"),
        ("HighErrorRate: -1", "not -1"),
        ("HighErrorRate: .nan", "not nan"),
        ("HighErrorRate: 1" + "0" * 400, "not 10"),
        ("TelegramUnreachable: " + "9" * 400 + "m", "not '99"),
        ("TelegramUnreachable: " + "9" * 5000 + "m", "not '99"),
        ("BotDown: " + "9" * 5000 + "m", "not '99"),
        ("HighErrorRate: .inf", "not inf"),
        ("HighErrorRate: true", "not True"),
        ("HighErrorRate:", "not None"),
        ("HighErrorRate: [1]", "not [1]"),
        ("HighErrorRate: 15%", "not '15%'"),
        ("HighErrorRate: 5m", "not '5m'"),
        ("HighErrorRate: {}", "not nothing"),
        ("HighErrorRate: {threshhold: 15}", "takes `threshold` and `for`, not threshhold"),
        ("HighErrorRate: {for: 10}", "a duration from 0s to 7d, such as 10m, not 10"),
        ("HighErrorRate: {for: -1m}", "not '-1m'"),
        ("HighErrorRate: {for: 8d}", "not '8d'"),
        ("QueueBackup: 010", "not '010'"),
        ("QueueBackup: 0x64", "not '0x64'"),
        ("QueueBackup: 1_000", "not '1_000'"),
        ("TelegramUnreachable: 5:00", "not '5:00'"),
        ("LoopStalled: 1:00.5", "not '1:00.5'"),
        ("QueueBackup: 1.5", "a whole number from 1"),
        ("TelegramUnreachable: 1m", "from 120 to 604800 (seconds) or a duration such as 5m, not '1m'"),
        ("TelegramUnreachable: 99999999999999999999m", "not '99999999999999999999m'"),
        ("BotDown: 5", "BotDown must wait for a duration"),
        ("BotDown: {threshold: 5}", "BotDown has no number to change"),
        ("HighErrorRate: 15\nHighErrorRate: 20", "HighErrorRate occurs twice"),
        ("HighErrorRate: 15: 3", "is not YAML"),
        ("HighErrorRate: !!python/object:os.system 1", "is not YAML"),
        ("- HighErrorRate", "one line per alert"),
        ("15", "one line per alert"),
        ("? [a]\n: 1", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("a: " + "1" * 70_000, "larger than 64 KB"),
        ("a: 1" * 3, "is not YAML"),
        ("HighErrorRate: !!bool x", "is not YAML: not a valid bool"),
        ("HighErrorRate: !!bool", "not a valid bool"),
        ("HighErrorRate: !!int ''", "not a valid int"),
        ("HighErrorRate: !!int '-'", "not a valid int"),
        ("HighErrorRate: !!float ''", "not a valid float"),
        ("HighErrorRate: !!timestamp abc", "not a valid timestamp"),
        ("BotDown: {for: !!bool x}", "not a valid bool"),
        ("!!bool x: 1", "not a valid bool"),
        ("HighErrorRate: 2001-99-99", "is not YAML"),
        ("HighErrorRate: 2001-01-01", "not datetime.date(2001, 1, 1)"),
        ("HighErrorRate: !!binary x", "is not YAML"),
        ("HighErrorRate: !!binary aGk=", "not b'hi'"),
        ("HighErrorRate: !!set {15}", "not {15}"),
        ("HighErrorRate: !!int [15]", "is not YAML"),
        ('HighErrorRate: "\\UFFFFFFFF"', "is not YAML"),
        ("HighErrorRate: &a [*a]", "is not YAML"),
        ("HighErrorRate: &a {threshold: *a}", "is not YAML"),
        ("HighErrorRate: *a", "is not YAML"),
        ("HighErrorRate:\t- 15", "is not YAML"),
        ("\tHighErrorRate: 15", "is not YAML"),
        ("HighErrorRate: 15\n---\nBotDown: 5m", "is not YAML"),
        ("HighErrorRate: \x00", "is not YAML"),
        ("<<: {HighErrorRate: 15}", "is not YAML"),
    ],
)
def test_nonsense_is_refused_in_words(text: str, words: str, tmp_path: Path) -> None:
    """What is no alert, no value or no file is a sentence that names the file."""
    path = put(tmp_path, text)
    with pytest.raises(ThresholdError, match=re.escape(words)) as caught:
        read(path, frozenset(SHIPPED))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("tag", sorted(tag for tag in yaml.SafeLoader.yaml_constructors if tag is not None))
def test_whatever_a_tag_is_put_before_is_refused_in_words(tag: str, tmp_path: Path) -> None:
    """Every kind that YAML knows, before what is not of it, as a value and as a name."""
    for value in ("", "''", "x", "'-'", "'+'", "'0x'", "'1:x'", "=", "[a]", "{a: 1}", "&a [*a]"):
        for text in (f"HighErrorRate: !<{tag}> {value}", f"? !<{tag}> {value}\n: 1"):
            with pytest.raises(ThresholdError) as caught:
                read(put(tmp_path, text), frozenset(SHIPPED))
            assert str(caught.value).startswith(str(tmp_path)), text


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    """A directory, and bytes that are no text."""
    (tmp_path / "thresholds.yml").mkdir()
    with pytest.raises(ThresholdError, match="can't be read"):
        read(tmp_path / "thresholds.yml", frozenset(SHIPPED))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ThresholdError, match="can't be read"):
        read(tmp_path / "bytes", frozenset(SHIPPED))


def test_figures_are_those_of_the_rules() -> None:
    """Every alert with a marked number has a unit and bounds that hold its default, and no other alert has."""
    defaults = {name: default for name, rule in SHIPPED.items() if (default := default_of(rule)) is not None}
    assert set(defaults) == set(FIGURES)
    for name, default in defaults.items():
        assert FIGURES[name].lowest <= default <= FIGURES[name].highest, name


@pytest.mark.parametrize("name", sorted(SHIPPED.keys() - {"Watchdog"}))
def test_every_alert_can_be_changed(name: str, tmp_path: Path) -> None:
    """Each alert's wait and figure can be changed, and its texts say no other wait than the rule's."""
    figure = FIGURES.get(name)
    threshold = "" if figure is None else f"threshold: {figure.highest:.10g}, "
    found = rendered(put(tmp_path, f"{name}: {{{threshold}for: 7m}}\n"))[name]
    assert found["for"] == "420s"
    assert ("for 7 minutes" in found["annotations"]["description"]) == (name in WAIT_IN_TEXT)
    assert figure is None or default_of(found) == figure.highest
    assert read(tmp_path / "thresholds.yml", frozenset(SHIPPED))[name] == Wanted(
        None if figure is None else figure.highest, 420
    )


def test_the_page_lists_every_alert_with_its_default() -> None:
    """docs/monitoring.md has a row an alert: its figure, unit and wait as they ship."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    expected = {}
    for name, rule in SHIPPED.items():
        if name != "Watchdog":
            default = default_of(rule)
            figure = "" if default is None else f"{default:g} | {FIGURES[name].unit}"
            expected[name] = f"{figure or ' | '} | {rule['for']}".strip()
    assert {name: " ".join(row.split()) for name, row in rows.items()} == {
        name: " ".join(row.split()) for name, row in expected.items()
    }
