"""Compiles the catalogues of the chat's texts (.po, which people edit) into what gettext reads (.mo).

`python -m tests.texts` writes, with `--check` it only reports what is out of date.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).parent.parent / "doradura" / "chat" / "locale"
"""A folder for each language."""


def compiled(source: Path) -> bytes:
    """Return the compiled form of a catalogue."""
    with source.open("rb") as file:
        catalogue = read_po(file, locale=source.parent.parent.name)
    # Babel inserts the present minute: the same source would be out of date a minute later.
    catalogue.creation_date = datetime(2026, 1, 1, tzinfo=UTC)
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def stale(locale: Path = LOCALE) -> list[Path]:
    """Return the catalogues whose compiled form is missing or old."""
    found = []
    for source in sorted(locale.rglob("*.po")):
        target = source.with_suffix(".mo")
        if not target.exists() or target.read_bytes() != compiled(source):
            found.append(source)
    return found


def main(arguments: list[str]) -> int:
    """Compile, or check."""
    old = stale()
    if "--check" in arguments:
        for source in old:
            print(f"{source} is not compiled: run `just fmt`")  # noqa: T201
        return bool(old)
    for source in old:
        source.with_suffix(".mo").write_bytes(compiled(source))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
