"""CONTRIBUTING's glossary and the code: what it names is there, and each term stands once."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "doradura"


def rows() -> list[tuple[str, str]]:
    """Return (terms, names in the code) of each row."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Glossary\n")[2]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert {len(row) for row in cells} == {4}
    return [(row[0], row[2]) for row in cells[1:] if not row[0].startswith("**")]


def is_there(name: str) -> bool:
    """Return whether a folder, a module or a module's name of this spelling exists in the package."""
    if name.endswith("/"):
        return (PACKAGE / name).is_dir()
    module, _, attribute = name.rpartition(".")
    if (PACKAGE / f"{name.replace('.', '/')}.py").is_file() or (PACKAGE / name.replace(".", "/")).is_dir():
        return True
    return bool(module) and hasattr(importlib.import_module(f"doradura.{module}"), attribute)


@pytest.mark.parametrize(("term", "code"), rows())
def test_what_the_glossary_names_is_there(term: str, code: str) -> None:
    """A row's modules, types and tables exist."""
    tables = re.findall(r"CREATE TABLE (\w+)", "".join(path.read_text() for path in PACKAGE.rglob("migrations/*.sql")))
    for words in code.split(", "):
        is_table = words.startswith("table ")
        for name in re.findall(r"`([\w./]+)`", words):
            assert name in tables if is_table else is_there(name), f"{term}: there is no {name}"


def test_each_term_stands_once() -> None:
    """One name, one meaning: no term has two rows."""
    terms = [term for row, _ in rows() for term in row.split(", ")]
    assert sorted(terms) == sorted(set(terms))
    assert len(terms) > 60
