"""The closed set of reasons: what is true of each, and that whoever can't import it says the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from babel.messages.pofile import read_po

from doradura.media.reasons import OUR_REASONS, USER_REASONS, Reason
from stack.dashboards.queries import USER_REASONS as USERS_IN_DASHBOARDS

ROOT = Path(__file__).parent.parent.parent.parent
RULES = ROOT / "stack" / "prometheus" / "rules"
MARKS = {
    "gone": "passes",
    "private": "",
    "login": "",
    "geo": "",
    "live": "passes",
    "too_large": "",
    "too_slow": "passes",
    "unsupported": "",
    "refused_address": "",
    "user_blocked": "",
    "bot_check": "ours passes",
    "rate_limited": "ours retried passes",
    "network": "ours retried passes",
    "site_error": "ours retried passes",
    "deadline": "ours passes of_this_machine",
    "disk": "ours passes of_this_machine",
    "tool_crash": "ours retried passes of_this_machine",
    "telegram": "ours passes",
    "internal": "ours passes of_this_machine",
}
"""The words are label values, which rules and dashboards of others may read."""


def test_the_words_and_what_is_true_of_each() -> None:
    """Every reason has its word, and is ours, tried again, passing or this machine's as written here."""
    words = ("ours", "retried", "passes", "of_this_machine")
    found = {str(reason): " ".join(word for word in words if getattr(reason, word)) for reason in Reason}
    assert found == MARKS
    assert all(reason.final != reason.ours for reason in Reason)
    assert {*OUR_REASONS, *USER_REASONS} == set(Reason)


def test_an_unknown_word_is_no_reason() -> None:
    """A reason is looked up by its word, strictly."""
    assert Reason("gone") is Reason.GONE
    with pytest.raises(ValueError, match="vanished"):
        Reason("vanished")


def test_dashboards_leave_out_the_users_reasons() -> None:
    """The pattern of the dashboards' queries is the set of reasons that are not ours."""
    assert sorted(USERS_IN_DASHBOARDS.split("|")) == sorted(USER_REASONS)


@pytest.mark.parametrize("name", ["alerts.yml", "recording.yml"])
def test_rules_count_our_reasons(name: str) -> None:
    """Each pattern of reasons in the rules is the set of ours; each single one is a reason."""
    assert set(reasons_in(expressions(RULES / name))) <= {frozenset(OUR_REASONS), *(frozenset({r}) for r in Reason)}
    assert frozenset(OUR_REASONS) in set(reasons_in(expressions(RULES / name)))


def test_a_typo_in_a_pattern_is_found() -> None:
    """What looks into the expressions sees each word of a pattern."""
    assert list(reasons_in(['a{reason=~"disk|tool_crush"}', 'b{x="1", reason="gone"}'])) == [
        {"disk", "tool_crush"},
        {"gone"},
    ]


def test_texts_have_each_reason() -> None:
    """Each reason has its sentence, each that is tried again the half sentence for meanwhile, and nothing else has."""
    (source,) = (ROOT / "doradura" / "chat" / "locale" / "en").rglob("*.po")
    with source.open("rb") as file:
        ids = [message.id if isinstance(message.id, str) else message.id[0] for message in read_po(file) if message.id]
    of_more = {"lacks", "unresolved", "quoted", "too_heavy"}
    failed = {key.split(".")[1] for key in ids if key.startswith("failed.")}
    assert failed - of_more == set(Reason)
    assert {key.split(".")[1] for key in ids if key.startswith("why.")} == {r for r in Reason if r.retried}


def test_the_pages_name_each_reason() -> None:
    """docs/downloads.md says of each reason whether it is tried again; docs/admin.md names ours."""
    table = (ROOT / "docs" / "downloads.md").read_text(encoding="utf-8").partition("| reason |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    told = {word: again for words, _, again in rows for word in words.split(", ")}
    assert told.keys() == set(Reason)
    assert {word for word, again in told.items() if "attempts" in again} == {r for r in Reason if r.retried}
    assert {word for word, again in told.items() if again != "no"} - {"bot_check"} == {r for r in Reason if r.retried}
    page = (ROOT / "docs" / "admin.md").read_text(encoding="utf-8")
    ours = page.partition("- **Our fault** are ")[2].partition(".")[0]
    assert sorted(re.findall(r"`(\w+)`", ours)) == sorted(OUR_REASONS)


def expressions(path: Path) -> Iterator[str]:
    """Return the expression of each rule of a file."""
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def reasons_in(expressions: Iterable[str]) -> Iterator[frozenset[str]]:
    """Return the words of each matcher of a failed download's reason."""
    for expression in expressions:
        if "payment_failures" in expression:
            continue  # its label of the same name has another set
        for words in re.findall(r'\breason=~?"([^"]*)"', expression):
            yield frozenset(words.split("|"))
