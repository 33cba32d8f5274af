"""The texts: every key there is, every value given, everything Telegram can read."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import doradura
from doradura.alerts.fetching import MonitoringReason
from doradura.alerts.silencing import What
from doradura.chat.alert_graph import Source
from doradura.chat.analytics import WINDOWS
from doradura.chat.cards import known_text
from doradura.chat.progress import ProgressTexts, failure_text
from doradura.chat.router import COMMANDS
from doradura.chat.texts import Catalogues, Texts, duration_text, size_text
from doradura.downloads.admission import Rejection
from doradura.downloads.stages import Converting, Failed, Fetching, Paused, Retrying, Sending, Stage, Waiting, Working
from doradura.health import CHECKS, ReportStatus
from doradura.media.links import LinkError, LinkFault, check_link
from doradura.media.protocol import Lacks, Metadata
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import parse_html
from tests.jobs import running_job
from tests.texts import stale

PACKAGE = Path(doradura.__file__).parent
(SOURCE,) = (PACKAGE / "chat" / "locale" / "en").rglob("*.po")
T = Catalogues().for_language(None)
CLOSED_SETS = {
    "about.": tuple(COMMANDS),
    "span.": ("s", "min", "h", "d"),
    "window.": tuple(window.word for window in WINDOWS),
    "health.": get_args(ReportStatus),
    "metrics.health.": get_args(ReportStatus),
    "check.": (*CHECKS, "other"),
    "do.": (*CHECKS, "other"),
    "link.": tuple({*get_args(LinkFault)} - {"private_address", "local_name"}),
    "refused.": tuple({*get_args(Rejection)} - {"blocked"}),
    "failed.": (*(set(Reason) - {Reason.DEADLINE}), "too_large.source"),
    "failed.lacks.": tuple({*get_args(Lacks)} - {""}),
    "why.": tuple(reason for reason in Reason if reason.retried),
    "queue.": ("running", "sending"),
    "alert.first.": ("critical", "warning", "info", "resolved"),
    "alert.line.": ("critical", "warning", "info", "resolved"),
    "alert.many.": ("critical", "warning", "info", "resolved"),
    "outcome.": (
        *(what for what in get_args(What) if what != "already"),
        *("already_silenced", "already_acknowledged", "already_dismissed"),
    ),
    "alerts.why.": tuple(reason for reason in get_args(MonitoringReason) if reason != "unreachable"),
    "alertmanager.": (*get_args(MonitoringReason), "unsure"),
    "prometheus.": get_args(MonitoringReason),
    "graph.link.": get_args(Source),
}
"""What may stand behind a key that is put together: "failed." + reason."""

with SOURCE.open("rb") as _file:
    TEMPLATES: dict[str, tuple[str, ...]] = {
        (message.id if isinstance(message.id, str) else message.id[0]): (
            (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        )
        for message in read_po(_file)
        if message.id
    }


def placeholders(text: str) -> set[str]:
    """The names of the values a text needs."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def uses() -> Iterator[tuple[str, str, set[str]]]:
    """Every use of a text in the code: where, which key, which values."""
    for path in [*sorted((PACKAGE / "chat").glob("*.py")), PACKAGE / "app.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and _is_text_call(node.func) and path.name != "texts.py":
                given_values = {str(keyword.arg) for keyword in node.keywords}
                if isinstance(node.func, ast.Attribute) and node.func.attr == "counted":
                    given_values.add("count")
                for key in _keys(node.args[0]):
                    yield f"{path.name}:{node.lineno}", key, given_values
            elif isinstance(node, ast.keyword) and node.arg == "too_old":
                for key in _keys(node.value):
                    yield f"{path.name}:{node.value.lineno}", key, set()


def _is_text_call(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "t"
    if isinstance(function, ast.Attribute):
        return function.attr in {"plain", "counted", "texts"}
    return (
        isinstance(function, ast.Call)
        and isinstance(function.func, ast.Attribute)
        and function.func.attr == "for_language"
    )


def _keys(argument: ast.expr) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str() as key):
            yield key
        case ast.IfExp():
            yield from _keys(argument.body)
            yield from _keys(argument.orelse)
        case ast.JoinedStr(values=[ast.Constant(value=str() as prefix), ast.FormattedValue()]):
            yield from (prefix + word for word in CLOSED_SETS[prefix])
        case ast.Attribute(attr="too_old"):
            pass  # of one of the conversations' buttons, which name it themselves
        case _:
            raise AssertionError(f"a key this test can't follow: {ast.unparse(argument)}")


def test_every_key_used_exists_with_every_value_it_needs() -> None:
    """A missing key or value would be an error in front of a user."""
    found = list(uses())
    assert len(found) > 60
    assert [(where, key) for where, key, _ in found if key not in TEMPLATES] == []
    assert [
        (where, key, missing)
        for where, key, given_values in found
        for text in TEMPLATES[key]
        if (missing := placeholders(text) - given_values)
    ] == []


def test_every_text_is_used() -> None:
    """A text nobody shows is a feature that was forgotten."""
    assert sorted(TEMPLATES.keys() - {key for _, key, _ in uses()}) == []


def test_the_catalogue_is_compiled() -> None:
    """What people edit is what the program reads."""
    assert stale() == []


@pytest.mark.parametrize("key", sorted(TEMPLATES))
def test_every_text_is_html_that_telegram_takes(key: str) -> None:
    """With values that are nothing but markup, each text parses and stays under Telegram's limit."""
    for text in TEMPLATES[key]:
        values = dict.fromkeys(placeholders(text), "<b>&amp; </i>&lt;" + "x" * 40)
        counted = values.pop("count", None) is not None
        filled = T.counted(key, 3, **values) if len(TEMPLATES[key]) > 1 else None
        filled = filled or T(key, **values, **({"count": 3} if counted else {}))
        visible, _ = parse_html(filled)
        assert 0 < units(visible) < 4096
        for value in values.values():
            if 'href="{' not in text:
                assert value in visible


@pytest.mark.parametrize(
    "key",
    [
        key
        for key in TEMPLATES
        if key.startswith(
            (
                "press.",
                "alert.press.",
                "outcome.",
                "alertmanager.",
                "offer.stale",
                "offer.not_yours",
                "already",
                "refused.",
                "trouble",
            )
        )
    ],
)
def test_answers_to_a_press_are_short_enough(key: str) -> None:
    """Telegram takes 200 characters and no markup there (Bot API, answerCallbackQuery)."""
    shown = T.plain(key, **dict.fromkeys(placeholders(TEMPLATES[key][0]), "mp4 1080p"))
    assert 0 < len(shown) <= 200
    assert "<" not in shown


@pytest.mark.parametrize("word", COMMANDS)
def test_a_commands_description_fits_the_menu(word: str) -> None:
    """Clients cut what does not fit beside the command on one line of a phone, long before Telegram's 256."""
    assert 1 <= len(T.plain(f"about.{word}")) <= 30


def test_a_missing_key_is_an_error() -> None:
    """Never a key in front of a user; a missing value neither."""
    with pytest.raises(KeyError):
        T("no.such")
    with pytest.raises(KeyError):
        T.counted("no.such", 2)
    with pytest.raises(KeyError):
        T("start")


def test_plain_texts_show_values_as_they_are() -> None:
    """Where Telegram takes no markup, escapes would be seen."""
    assert T.plain("press.queued", choice="a & <b> &lt;") == "Got it: a & <b> &lt;"


def test_numbers_choose_the_form() -> None:
    """One is singular, all else plural."""
    assert [T.counted("cancel.done", n) for n in (1, 2)] == ["✖ Cancelled 1 download.", "✖ Cancelled 2 downloads."]


def test_an_unknown_language_gets_the_first() -> None:
    """Regions don't matter, and nobody is without texts."""
    catalogues = Catalogues()
    for code in ("en-GB", "EN", "xx", "", None):
        assert isinstance(catalogues.for_language(code), Texts)
        assert catalogues.for_language(code).language == "en"


def test_lengths_and_sizes_as_people_write_them() -> None:
    """No zero length, no unit that reads odd at its border."""
    assert [duration_text(s) for s in (0.2, 9.6, 205, 3723)] == ["0:01", "0:10", "3:25", "1:02:03"]
    assert [size_text(b) for b in (1, 1000, 999_499, 999_500, 1_500_000, 99_950_000, 999_500_000, 2 * 10**9)] == [
        *("1 kB", "1 kB", "999 kB", "1.0 MB", "1.5 MB", "100 MB", "1.0 GB", "2.0 GB")
    ]


JOB = running_job(job_id=2**62, url="", site="youtube", variant=Variant("mp4", "1080p"))
LETTERS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("<>&\"'{}\0\n😀/ ")), max_size=400)
SHOWN = ProgressTexts(Catalogues(), 50 << 20)


@given(LETTERS, LETTERS, LETTERS)
def test_any_title_gives_text_that_parses(title: str, performer: str, url: str) -> None:
    """Whatever a site calls its things, Telegram can read the text, and it fits a message."""
    stages: list[Stage] = [
        Fetching(title, 5, 10, 2.0),
        Fetching(title, 5, None, None),
        Converting(title),
        Sending(title),
    ]
    stages += [Waiting(0), Waiting(7), Paused("youtube"), Working(), Retrying(Reason.NETWORK, 3)]
    texts = [SHOWN.stage(JOB, stage)[0] for stage in stages]
    texts.append(known_text(T, Metadata(title=title, performer=performer, duration_seconds=3.0), url or "x", 50))
    for text in texts:
        visible, _ = parse_html(text)
        assert 0 < units(visible) < 4096


@given(LETTERS, st.sampled_from(sorted(Reason)))
def test_any_link_gives_text_that_parses(rest: str, reason: Reason) -> None:
    """What a user sent as a link is shown as that link and nothing else: one link, and no markup of its own."""
    url = "https://a.example/" + rest
    for text in (failure_text(T, reason, url, 50 << 20), SHOWN.stage(replace(JOB, url=url), Failed(reason))[0]):
        visible, entities = parse_html(text)
        assert 0 < units(visible) < 4096
        assert [entity["type"] for entity in entities] == ["text_link"]


@given(LETTERS)
def test_a_checked_link_is_shown_as_it_is(rest: str) -> None:
    """The link in a failure's text leads where the user's link led."""
    url = "https://a.example/" + rest
    try:
        check_link(url)
    except LinkError:
        return
    _, (entity,) = parse_html(failure_text(T, Reason.GONE, url, 50 << 20))
    assert entity["url"] == url.replace('"', "%22")
