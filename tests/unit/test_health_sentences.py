"""The health checks' sentences: each template is used, with the values that it names."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import doradura
from doradura.health_sentences import PLURALS, HealthText, Listed, Sentence

PACKAGE = Path(doradura.__file__).parent
OWNER = PACKAGE / "health_sentences.py"


class Use(NamedTuple):
    """A place in the code that makes something of a template."""

    where: str
    text: HealthText
    values: frozenset[str]


def named_in(text: str) -> frozenset[str]:
    """Return the names of the values of a template."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def uses() -> Iterator[Use]:
    """Return each mention of a template outside of the module that owns them."""
    for path in sorted(set(PACKAGE.rglob("*.py")) - {OWNER}):
        source = path.read_text(encoding="utf-8")
        if "HealthText." in source:
            for function in ast.parse(source).body:
                yield from uses_in(function, path.name)


def uses_in(part: ast.stmt, file: str) -> Iterator[Use]:
    """Return those in a function, a class or another statement of a module."""
    made = {
        id(text): values_of(node, part)
        for node in ast.walk(part)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Sentence", "Listed"}
        for text in texts_of(node.args[0])
    }
    for node in ast.walk(part):
        for text in texts_of(node) if isinstance(node, ast.Attribute) else ():
            yield Use(f"{file}:{text.lineno}", HealthText[text.attr], made.get(id(text), frozenset()))


def texts_of(node: ast.expr) -> list[ast.Attribute]:
    """Return the templates that an expression may be."""
    if isinstance(node, ast.IfExp):
        return [*texts_of(node.body), *texts_of(node.orelse)]
    is_text = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "HealthText"
    return [node] if is_text and isinstance(node, ast.Attribute) else []


def values_of(call: ast.Call, part: ast.stmt) -> frozenset[str]:
    """Return the names of the values that a sentence or a list is made with."""
    assert isinstance(call.func, ast.Name)
    if call.func.id == "Listed":
        return frozenset({"first", "next"})
    counted = {"count"} if any(keyword.arg == "count" for keyword in call.keywords) else set()
    given = call.args[1] if len(call.args) > 1 else ast.Dict([], [])
    if isinstance(given, ast.Name):
        given = nearest(given, part)
    assert isinstance(given, ast.Dict), f"values that can't be followed: {ast.unparse(call)}"
    return frozenset(str(key.value) for key in given.keys if isinstance(key, ast.Constant)) | counted


def nearest(name: ast.Name, part: ast.stmt) -> ast.expr:
    """Return what was last assigned to a name above its use."""
    found = [
        (node.lineno, node.value)
        for node in ast.walk(part)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and node.lineno < name.lineno
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == name.id
    ]
    return max(found, key=lambda each: each[0])[1]


def test_each_template_gets_the_values_that_it_names() -> None:
    """No more and no less; what is counted is given a number, and what stands for itself needs nothing."""
    wrong = [f"{use.where}: {use.text.name}" for use in uses() if use.values != named_in(use.text)]
    assert wrong == []


def test_each_template_is_used() -> None:
    """Nobody is to translate what is never shown."""
    used = {use.text for use in uses()} | set(PLURALS.values())
    assert [text.name for text in HealthText if text not in used] == []


def test_the_two_forms_of_a_counted_template_have_the_same_values() -> None:
    """Whatever the number, the same is given; and no other template is given a number."""
    assert [text.name for text, plural in PLURALS.items() if named_in(text) != named_in(plural)] == []
    assert {text for text in HealthText if "count" in named_in(text)} == {*PLURALS, *PLURALS.values()}


def test_a_sentence_is_its_english() -> None:
    """Values that are sentences or lists are filled in from the inside; braces in a value are just braces."""
    first, other = (Sentence(HealthText.METHOD_HELD, {"method": name, "seconds": "4"}) for name in ("{x}", "getMe"))
    one, two = (Sentence(HealthText.YTDLP_A_DAY_OLD, count=days) for days in (1, 46))
    assert str(Sentence(HealthText.TELEGRAM_HOLDS, {"holds": Listed(HealthText.AND, (first, other, "more"))})) == (
        "Telegram told the bot to wait with {x} for another 4 s; getMe for another 4 s; more"
        " - it then resumes by itself"
    )
    assert str(Sentence(HealthText.WRITE_FAILED, {"error": "E", "advice": HealthText.SEE_RUNBOOK})) == (
        "E - see StorageFailing in the runbooks"
    )
    assert (str(one)[:20], str(two)[:22]) == ("yt-dlp is 1 day old,", "yt-dlp is 46 days old,")
    assert str(Listed(HealthText.AND_TO, ("a", "b"))) == "a; and to b"
