"""Writes the files that are copies of another source, so that nobody copies them by hand.

docs/runbooks.md is the source of the package's runbooks, which the bot serves. The table of settings is the source of
the table in docs/settings.md and of what Compose gives to the bot's container; the alert rules are the source of the
table in docs/monitoring.md. `python -m tests.copies` writes; with `--check` it only says what is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from doradura.settings import OPTIONS, Option
from stack.render import alert_rules
from stack.thresholds import FIGURES, default_of

ROOT = Path(__file__).parent.parent
RUNBOOKS = ROOT / "doradura" / "runbooks" / "runbooks.md"
SETTINGS = ROOT / "docs" / "settings.md"
RULES = ROOT / "stack" / "prometheus" / "rules" / "alerts.yml"
MONITORING = ROOT / "docs" / "monitoring.md"
COMPOSE = ROOT / "stack" / "compose.yaml"

NOT_PASSED = re.compile(r"DORADURA_(STACK_.*|SANDBOX_BIND|COOKIES_FILE|RUNBOOKS_URL)")
"""Settings that the bot in its container does not use: those of the stack, the sandbox, the rules, and a local path."""


def _runbooks(_old: str) -> str:
    return (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")


def _settings(old: str) -> str:
    rows = [_row(option) for option in OPTIONS]
    return re.sub(r"(?<=\|---\|---\|---\|\n)(\|.*\n)+", lambda _: "".join(rows), old)


def _row(option: Option) -> str:
    secret = " (secret)" if option.secret else ""
    return f"| {option.name}{secret} | {option.default} | {option.meaning} |\n"


def _compose(old: str) -> str:
    """Return the other settings by name only, so that they have the values with which the stack was started."""
    given = re.search(r"(?<=    environment:\n)(?:      DORADURA_\w+: .*\n)+(?=      DORADURA_\w+:\n)", old)
    assert given is not None
    known = set(re.findall(r"(DORADURA_\w+?)(?:_FILE)?:", given[0]))
    names = [option.name for option in OPTIONS if option.name not in known and not NOT_PASSED.fullmatch(option.name)]
    passed = re.compile(r"(?:      DORADURA_\w+:\n)+")
    return passed.sub(lambda _: "".join(f"      {name}:\n" for name in names), old)


def _monitoring(old: str) -> str:
    rules = alert_rules(yaml.safe_load(RULES.read_text(encoding="utf-8")))
    rows = [_alert_row(rule) for rule in rules if rule["alert"] != "Watchdog"]
    return re.sub(r"(?<=\| alert \| figure \| unit \| `for` \|\n\|---\|---\|---\|---\|\n)(\|.*\n)+", "".join(rows), old)


def _alert_row(rule: Mapping[str, Any]) -> str:
    name, default = rule["alert"], default_of(rule)
    figure, unit = ("", "") if default is None else (f"{default:g}", FIGURES[name].unit if name in FIGURES else "")
    return f"| `{name}` | {figure} | {unit} | {rule['for']} |\n"


COPIES: Mapping[Path, Callable[[str], str]] = {
    RUNBOOKS: _runbooks,
    SETTINGS: _settings,
    COMPOSE: _compose,
    MONITORING: _monitoring,
}
"""File -> function that returns its right text from its present one."""


def stale() -> dict[Path, str]:
    """Return the files that are out of date, each with its right text."""
    found = {}
    for path, write in COPIES.items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if (new := write(old)) != old:
            found[path] = new
    return found


def main(arguments: list[str]) -> int:
    """Write the files, or check them."""
    old = stale()
    for path, text in old.items():
        if "--check" in arguments:
            print(f"{path} is stale: run `just fmt`")  # noqa: T201
        else:
            path.write_text(text, encoding="utf-8")
    return bool(old) and "--check" in arguments


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
