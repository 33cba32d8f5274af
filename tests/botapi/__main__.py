"""Make tests/data/botapi.json: `python -m tests.botapi FILE`.

FILE is the Bot API as data, scraped from https://core.telegram.org/bots/api: `methods` and `types`, each with `fields`
(name, types, required, limits), methods with `returns`, types with `subtypes`. Kept is what the checker needs: no
words.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "data" / "botapi.json"

LIMITS = ("const", "enum", "icase", "enum_int", "range", "items", "len")


def reduced(given: dict[str, Any]) -> dict[str, Any]:
    """Return what is needed: fields as [types, required, limits?], what methods return, what types are made of."""

    def fields(thing: dict[str, Any]) -> dict[str, list[Any]]:
        return {field["name"]: described(field) for field in thing.get("fields") or []}

    def described(field: dict[str, Any]) -> list[Any]:
        limits = {name: field[name] for name in LIMITS if name in field}
        return [field["types"], field["required"], *([limits] if limits else [])]

    return {
        "version": given["version"],
        "methods": {
            name: {"fields": fields(method), "returns": method["returns"]} for name, method in given["methods"].items()
        },
        "types": {
            name: {"fields": fields(kind), "subtypes": kind.get("subtypes") or []}
            for name, kind in given["types"].items()
        },
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.botapi", description=__doc__)
    parser.add_argument("file", type=Path)
    found = json.loads(parser.parse_args().file.read_text())
    TARGET.write_text(json.dumps(reduced(found), ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n")
