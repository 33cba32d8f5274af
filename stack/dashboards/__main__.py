"""Writes the dashboards' JSON files, or with --check reports which are out of date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stack.dashboards.business import business
from stack.dashboards.monitoring import monitoring
from stack.dashboards.operations import operations
from stack.dashboards.overview import overview

DIRECTORY = Path(__file__).parent.parent / "grafana" / "dashboards"


def made() -> dict[str, str]:
    """Return each file's name and text."""
    return {
        "overview.json": overview(),
        "operations.json": operations(),
        "business.json": business(),
        "monitoring.json": monitoring(),
    }


def main(arguments: list[str] | None = None, *, directory: Path = DIRECTORY) -> int:
    """Write the files.

    With --check only compare, and return 1 if one differs, is missing, or is not generated any more.
    """
    parser = argparse.ArgumentParser(prog="python -m stack.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is out of date")
    options = parser.parse_args(arguments)
    files = made()
    if options.check:
        there = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.json")}
        stale = sorted(name for name in files.keys() | there.keys() if files.get(name) != there.get(name))
        for name in stale:
            sys.stderr.write(f"{name} is out of date; run: python -m stack.dashboards\n")
        return 1 if stale else 0
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
