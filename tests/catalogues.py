"""Checks the catalogues of every language, and finds the uses of their texts in the code.

A language is a folder beside the others: `faults` says in a sentence each what is wrong with those in a directory.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from html import escape, unescape
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, get_args

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

import doradura
from doradura.accounts.account import DEFAULT_LANGUAGE
from doradura.alerts.fetching import MonitoringReason
from doradura.alerts.silencing import What
from doradura.chat.alert_graph import Source
from doradura.chat.analytics import WINDOWS
from doradura.chat.conversations import COMMANDS
from doradura.downloads.admission import Rejection
from doradura.health import CHECKS, ReportStatus
from doradura.health_sentences import PLURALS, HealthText
from doradura.media.has import Lacks
from doradura.media.links import LinkFault
from doradura.media.reasons import Reason
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import parse_html
from tests.texts import LOCALE, stale

PACKAGE = Path(doradura.__file__).parent
MOST_UNITS = 4096
"""Of a message (Bot API, sendMessage)."""
SHORT = MappingProxyType(
    {
        # What answers a callback query (Bot API, answerCallbackQuery).
        (
            *("press.", "alert.press.", "outcome.", "alertmanager.", "offer.stale", "offer.not_yours"),
            *("already", "refused.", "trouble", "user.not_admin"),
        ): 200,
        # What a phone shows of a button that has a row for itself; Telegram cuts a button's words to one line.
        ("button.",): 28,
        # Clients cut what does not fit beside a command on one line of a phone, long before Telegram's 256.
        ("about.",): 30,
    }
)
"""What keys begin with -> the most characters that are shown there. No markup is taken there."""
MARKUP = "<b>&amp; </i>&lt;" + "x" * 40
"""A value that consists only of markup."""

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
"""The possible endings of composed keys, such as "failed." + reason."""

SENTENCES = frozenset(HealthText) - frozenset(PLURALS.values())
"""The msgids of the health checks' templates. The default language's catalogue has none, as they are its texts."""


Texts = Mapping[str, tuple[str, ...]]
"""Key -> all forms of a text, for one catalogue."""


class Use(NamedTuple):
    """A place in the code that shows a text."""

    where: str
    key: str
    values: frozenset[str]
    """The names of the values that it passes."""


@cache
def uses() -> tuple[Use, ...]:
    """Return all uses of texts in the code."""
    return tuple(
        use
        for path in [*sorted((PACKAGE / "chat").glob("*.py")), PACKAGE / "app.py"]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for use in _uses_in(node, path.name)
    )


def _uses_in(node: ast.AST, file: str) -> Iterator[Use]:
    if isinstance(node, ast.Call) and node.args and _is_text_call(node.func) and file != "texts.py":
        values = {str(keyword.arg) for keyword in node.keywords}
        if isinstance(node.func, ast.Attribute) and node.func.attr == "counted":
            values.add("count")
        for key in _keys(node.args[0]):
            yield Use(_where(key, f"{file}:{node.lineno}"), key, frozenset(values))
    elif isinstance(node, ast.keyword) and node.arg == "too_old":
        for key in _keys(node.value):
            yield Use(f"{file}:{node.value.lineno}", key, frozenset())


def _where(key: str, place: str) -> str:
    return f"the command /{key.removeprefix('about.')}" if key.startswith("about.") else place


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
            pass  # one of the conversations' buttons, which name their texts themselves
        case _:
            raise AssertionError(f"a key that can't be followed: {ast.unparse(argument)}")


def read(source: Path) -> Texts:
    """Return a catalogue's texts."""
    return {_key(message): _forms(message) for message in _catalogue(source) if message.id}


def _catalogue(source: Path) -> Catalog:
    with source.open("rb") as file:
        return read_po(file, locale=source.parent.parent.name)


def _key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def faults(locale: Path = LOCALE) -> list[str]:
    """Return the faults of the catalogues in a directory, one sentence for each, beginning with the language."""
    found = [f"{path.parent.parent.name}: is not compiled, run `just fmt`" for path in stale(locale)]
    used = uses()
    sources = {path.parent.parent.name: path for path in sorted(locale.glob("*/LC_MESSAGES/doradura.po"))}
    default = read(sources[DEFAULT_LANGUAGE])
    for language, source in sources.items():
        catalogue = _catalogue(source)
        sentences = () if language == DEFAULT_LANGUAGE else SENTENCES
        texts = {key: forms for key, forms in read(source).items() if key not in sentences}
        shown = (_shown_faults(key, form) for key, forms in texts.items() for form in forms if form)
        said = [*_keys_faults(texts, used), *_forms_faults(catalogue, default), *chain.from_iterable(shown)]
        said += chain.from_iterable(_sentence_faults(text, catalogue) for text in sorted(sentences))
        found += [f"{language}: {each}" for each in said]
    return found


def _keys_faults(texts: Texts, used: Sequence[Use]) -> Iterator[str]:
    """Yield a sentence for each missing key, each unused key, and each value that no use passes."""
    for key in dict.fromkeys(use.key for use in used):
        places = [use for use in used if use.key == key]
        if not all(texts.get(key, ("",))):
            yield f"no text {key}, which {places[0].where} shows"
        for use in places:
            for name in sorted(_values(texts.get(key, ())) - use.values):
                yield f"{key} needs {{{name}}}, which {use.where} does not give"
    yield from (f"{key} is used nowhere" for key in sorted(texts.keys() - {use.key for use in used}))


def _forms_faults(catalogue: Catalog, default: Texts) -> Iterator[str]:
    """Yield a sentence for each text whose forms or values differ from those of the default language."""
    for message in catalogue:
        key = _key(message)
        if key not in default:
            continue
        if message.fuzzy:
            yield f"{key} is marked fuzzy, which gettext does not show"
        is_counted = not isinstance(message.id, str)
        if is_counted is not (len(default[key]) > 1):
            yield f"{key} is counted in one language and not in the other"
        elif is_counted and len(_forms(message)) != catalogue.num_plurals:
            yield f"{key} has {len(_forms(message))} forms in place of {catalogue.num_plurals}"
        for form in filter(None, _forms(message)):
            # A form for one number only may say it in a word.
            other = (_values([form]) ^ _values(default[key])) - ({"count"} if is_counted else set())
            if other:
                yield f"{key} has other values than {DEFAULT_LANGUAGE}'s: {', '.join(sorted(other))}"


def _sentence_faults(text: HealthText, catalogue: Catalog) -> Iterator[str]:
    """Yield a sentence for everything wrong with the translation of a health check's template (no markup)."""
    message = catalogue.get(text)
    if message is None or message.fuzzy or not all(_forms(message)):
        yield f"no translation of HealthText.{text.name}: {text}"
        return
    plural = PLURALS.get(text)
    if message.id != (text if plural is None else (text, plural)):
        yield f"HealthText.{text.name} has not the msgid_plural of PLURALS"
    elif plural is not None and len(_forms(message)) != catalogue.num_plurals:
        yield f"HealthText.{text.name} has {len(_forms(message))} forms in place of {catalogue.num_plurals}"
    for form in _forms(message):
        other = (_values([form]) ^ _values([text])) - (set() if plural is None else {"count"})
        if other:
            yield f"HealthText.{text.name} has other values than the English: {', '.join(sorted(other))}"
        try:
            form.format_map(dict.fromkeys(_values([form]), "x"))
        except (ValueError, LookupError) as error:
            yield f"HealthText.{text.name} can't be filled: {error}"
        if "<" in form:
            yield f"HealthText.{text.name} has markup, which is shown as it is"


def _shown_faults(key: str, form: str) -> Iterator[str]:
    """Yield a sentence for everything in one form of a text that Telegram would refuse or a phone would not show."""
    names = _values([form])
    try:
        visible, _ = parse_html(form.format_map(dict.fromkeys(names, escape(MARKUP, quote=False))))
        plain = unescape(form.format_map(dict.fromkeys(names, "mp4 1080p")))
    except (ValueError, LookupError) as error:
        yield f"{key} can't be filled, or is no HTML that Telegram takes: {error}"
        return
    if not 0 < units(visible) < MOST_UNITS:
        yield f"{key} is empty, or too long for a message"
    if names and 'href="{' not in form and MARKUP not in visible:
        yield f"{key} does not show its values as they are"
    for starts, most in SHORT.items():
        if key.startswith(starts) and (len(plain) > most or "<" in plain):
            yield f"{key} has {len(plain)} characters, or markup: at most {most} are shown there, and no markup"


def _values(forms: Iterable[str]) -> set[str]:
    """Return the names of the values that forms need, without those of a form that can't be filled."""
    found: set[str] = set()
    for form in forms:
        with suppress(ValueError):
            found |= {name for _, name, _, _ in string.Formatter().parse(form) if name is not None}
    return found
