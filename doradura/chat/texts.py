"""All texts that users read, looked up by key with gettext.

The catalogues are under `locale/`, a folder for each language. Values that are put into a text are escaped for HTML,
while the text itself may contain markup; so a site's title can't add any. A text that is missing or can't be filled
fails a test (tests/catalogues.py). In a running bot it is logged and the default language's text is shown, or three
dots if that is missing too; never a key, and no exception. The keys of the health checks' sentences are their English
templates, which are shown if a catalogue has no translation.
"""

from __future__ import annotations

import gettext
import html
import logging
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal

from doradura.accounts.account import DEFAULT_LANGUAGE
from doradura.health_sentences import HealthText, Sentence, english, rendered

DOMAIN = "doradura"
LOCALE = Path(str(resources.files("doradura.chat"))) / "locale"
LACKING = "…"
"""Shown instead of a text that no catalogue has."""
NO_TEXT = ""
"""What a catalogue returns for a key that it lacks or leaves empty."""

log = logging.getLogger(__name__)


def languages(folder: Path = LOCALE) -> tuple[str, ...]:
    """Return the languages that have a catalogue, the default first."""
    found = {path.parent.parent.name for path in folder.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")}
    return DEFAULT_LANGUAGE, *sorted(found - {DEFAULT_LANGUAGE})


class Texts:
    """The texts of one language. Those that its catalogue lacks are taken from `otherwise`."""

    def __init__(self, language: str, catalogue: gettext.NullTranslations, otherwise: Texts | None = None) -> None:
        self.language = language
        self._catalogue = catalogue
        self._otherwise = otherwise
        self._locale = _locale(language)
        self._lacking: set[str] = set()
        """The missing keys that were logged already; each is logged once."""

    def __call__(self, key: str, **values: object) -> str:
        """Return a text as HTML, with its values escaped."""
        return self._text(key, None, {name: _escaped(value) for name, value in values.items()})

    def counted(self, key: str, count: int, **values: object) -> str:
        """Return a text as HTML in the plural form for `count`, which is also a value of the text."""
        return self._text(key, count, {name: _escaped(value) for name, value in {**values, "count": count}.items()})

    def plain(self, key: str, **values: object) -> str:
        """Return a text without HTML escapes, for buttons, answers to callback queries and command descriptions."""
        return html.unescape(self(key, **values))

    def number(self, value: float, *, decimals: int = 0) -> str:
        """Return a number as this language writes it, with separated thousands: "1,204.5" in English."""
        pattern = "#,##0." + "0" * decimals if decimals else "#,##0"
        return format_decimal(round(value, decimals), pattern, locale=self._locale)

    def sentence(self, sentence: Sentence) -> str:
        """Return a health check's sentence in this language, not escaped: it is meant as a value for a text."""
        return rendered(sentence, english if self._otherwise is None else self._translated)

    def _translated(self, text: HealthText, count: int | None, values: Mapping[str, str]) -> str:
        found = self._filled(text, count, values)
        return english(text, count, values) if found is None else found

    def _text(self, key: str, count: int | None, values: Mapping[str, str]) -> str:
        found = self._filled(key, count, values)
        if found is not None:
            return found
        return LACKING if self._otherwise is None else self._otherwise._text(key, count, values)  # noqa: SLF001 - another of its kind

    def _filled(self, key: str, count: int | None, values: Mapping[str, str]) -> str | None:
        """Return the text filled with its values; None, after logging it, if it is missing or can't be filled."""
        found = self._catalogue.gettext(key) if count is None else self._catalogue.ngettext(key, key, count)
        try:
            if found == NO_TEXT:
                raise KeyError("no text")
            return found.format_map(values)
        except (LookupError, ValueError, AttributeError) as error:  # what format_map raises for a bad template
            if key not in self._lacking:
                self._lacking.add(key)
                log.error(  # noqa: TRY400 - the error is the catalogue's
                    "text lacking", extra={"key": key, "language": self.language, "error": str(error)}
                )
            return None


def _locale(language: str) -> Locale:
    """Return what Babel knows of a language; the default's for one that it does not know."""
    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse(DEFAULT_LANGUAGE)


def _escaped(value: object) -> str:
    """Return a value escaped for HTML. NUL is removed because Telegram would end the text there."""
    return html.escape(str(value).replace("\0", ""), quote=False)


def attribute_url(url: str) -> str:
    """Return a URL for `href="{url}"` in a text: quotes are encoded, as values are escaped without their quotes."""
    return url.replace('"', "%22")


class Catalogues:
    """The texts of all languages, read once."""

    def __init__(self, folder: Path = LOCALE) -> None:
        default = Texts(DEFAULT_LANGUAGE, _read(folder, DEFAULT_LANGUAGE))
        self._default = default
        self._texts = {
            language: default if language == DEFAULT_LANGUAGE else Texts(language, _read(folder, language), default)
            for language in languages(folder)
        }

    def for_language(self, code: str | None) -> Texts:
        """Return the texts for Telegram's language code ("pt-br"); the default language's if there are none."""
        short = (code or "").split("-")[0].lower()
        return self._texts.get(short, self._default)


class _NoText(gettext.NullTranslations):
    """Answers for the keys that a catalogue lacks. Without it gettext returns the key, which may itself be a text."""

    def gettext(self, message: str) -> str:  # noqa: ARG002 - gettext's signature
        return NO_TEXT

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:  # noqa: ARG002 - gettext's signature
        return NO_TEXT


def _read(folder: Path, language: str) -> gettext.NullTranslations:
    found = gettext.translation(DOMAIN, str(folder), languages=[language])
    found.add_fallback(_NoText())
    return found


def duration_text(seconds: float) -> str:
    """Return a duration as people write it: 0:10, 3:25, 1:02:03."""
    whole = max(1, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def limit_text(limit_bytes: int) -> str:
    """Return Telegram's upload limit as Telegram writes it: "50 MB" for 50 MiB."""
    return f"{limit_bytes // 1024**2} MB"


def size_text(t: Texts, size_bytes: float) -> str:
    """Return a size in kB, MB or GB (powers of ten, as phones show them)."""
    # Each limit is where rounding would reach the next unit.
    if size_bytes < 999_500:
        return f"{t.number(max(1, round(size_bytes / 1000)))} kB"
    if size_bytes < 99_950_000:
        return f"{t.number(size_bytes / 1_000_000, decimals=1)} MB"
    if size_bytes < 999_500_000:
        return f"{t.number(size_bytes / 1_000_000)} MB"
    return f"{t.number(size_bytes / 1_000_000_000, decimals=1)} GB"
