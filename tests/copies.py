"""Copies what is written once and is also needed in the package: docs/runbooks.md, which the bot serves.

`python -m tests.copies` writes, with `--check` it only reports what is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIES: Mapping[Path, Path] = {ROOT / "docs" / "runbooks.md": ROOT / "doradura" / "runbooks" / "runbooks.md"}


def stale() -> list[Path]:
    """Return the originals whose copy is missing or old."""
    return [
        source for source, target in COPIES.items() if not target.exists() or target.read_bytes() != source.read_bytes()
    ]


def main(arguments: list[str]) -> int:
    """Copy, or check."""
    old = stale()
    if "--check" in arguments:
        for source in old:
            print(f"{COPIES[source]} is not {source}: run `just fmt`")  # noqa: T201
        return bool(old)
    for source in old:
        COPIES[source].write_bytes(source.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
