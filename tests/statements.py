"""Finds every SQL statement that the query modules can run, in their source.

A statement is evaluated with the names of its module, the loops around it and the assignments before it. For values
that come from a caller there are examples here. A statement that can't be evaluated is an error, so none is left out.
"""

from __future__ import annotations

import ast
import importlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from doradura import storage
from doradura.storage.conditions import Clause
from doradura.storage.paces import without_look

EXAMPLES: Mapping[str, tuple[Any, ...]] = {
    "few": ((1,), (1, 2)),
    "full": ((), (1, 2)),
    "held_chats": ((), (1, 2)),
    "only": (Clause(), without_look(("a", "b"), (), 1), without_look(("a",), (1, 2), 1)),
    "of_chat": ("", " AND chat_id = ?"),
    "passed_by": ((), (1, 2)),
    "paused_sites": ((), ("a", "b")),
    "without": (without_look(("a",), (), 1), without_look(("a",), (1, 2), 1)),
    "which": ("", " AND chat_id = ?", " AND chat_id = ? AND job_id = ?"),
}
"""Local names whose values come from a caller, with empty and other examples."""

_RUNS_SQL = {"execute": 0, "_grouped": 1}
"""Function -> position of the argument that is the statement."""


def statements() -> dict[str, str]:
    """Return "module:line:number" -> statement. The number counts the forms of one statement."""
    found: dict[str, str] = {}
    for path in sorted(Path(storage.__file__).parent.glob("*.py")):
        module = importlib.import_module(f"doradura.storage.{path.stem}")
        for function in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(function, ast.FunctionDef) or path.stem == "seam":
                continue
            forms: dict[int, dict[str, None]] = {}
            for line, text, names in _of(function, dict(vars(module))):
                forms.setdefault(line, {}).update(dict.fromkeys(_forms(text, names)))
            for line, texts in forms.items():
                found |= {f"{path.stem}:{line}:{number}": text for number, text in enumerate(texts)}
    return found


def _of(node: ast.AST, names: dict[str, Any]) -> Iterator[tuple[int, ast.expr, dict[str, Any]]]:
    """Yield every SQL text below a syntax node, given the names that are known there."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.For) and (turns := _turns(child, names)):
            for turn in turns:
                yield from _of(child, names | turn)
            continue
        if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            try:
                names[child.targets[0].id] = _value(child.value, names)
            except NameError:  # the value depends on a caller, which is an error only if a statement needs it
                names.pop(child.targets[0].id, None)
        if isinstance(child, ast.Call):
            called = getattr(child.func, "attr", getattr(child.func, "id", None))
            text = child.args[_RUNS_SQL[called]] if called in _RUNS_SQL else None
            if text is not None and not (isinstance(text, ast.Name) and text.id == "sql"):
                yield child.lineno, text, dict(names)
        yield from _of(child, names)


def _turns(loop: ast.For, names: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a loop's names in each of its iterations; an empty list if the iterated values are not known."""
    targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
    try:
        values = list(_value(loop.iter, names))
    except NameError:
        return []
    rows = [value if isinstance(loop.target, ast.Tuple) else (value,) for value in values]
    return [{ast.unparse(target): value for target, value in zip(targets, row, strict=True)} for row in rows]


def _forms(text: ast.expr, names: dict[str, Any]) -> Iterator[str]:
    used = sorted({node.id for node in ast.walk(text) if isinstance(node, ast.Name)} & set(EXAMPLES))
    for values in itertools.product(*(EXAMPLES[name] for name in used)):
        yield _value(text, names | dict(zip(used, values, strict=True)))


def _value(expression: ast.expr, names: dict[str, Any]) -> Any:
    """Return the value of an expression. Raises NameError for a name that is not known."""
    return eval(compile(ast.Expression(expression), "<query>", "eval"), dict(names))
