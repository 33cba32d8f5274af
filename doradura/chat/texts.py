"""Every text a user reads, by key, through gettext.

Owns the catalogues under `locale/`, a folder for each language, and how values get into a text: a value is escaped for
HTML, a template is not, so that a site's title can't bring markup with it. A text that a catalogue lacks, or that can't
be filled, is a failing test (tests/catalogues.py); should one come to a running bot, it is logged and the default
language's is shown, and where that lacks it too, three dots: never a key, and it ends nothing.
"""

from __future__ import annotations

import gettext
import html
import logging
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from doradura.accounts.account import DEFAULT_LANGUAGE

DOMAIN = "doradura"
LOCALE = Path(str(resources.files("doradura.chat"))) / "locale"
LACKING = "…"
"""Stands for a text that is in no catalogue."""

log = logging.getLogger(__name__)


def languages(folder: Path = LOCALE) -> tuple[str, ...]:
    """Return the languages that there are catalogues of, the default first: each is a folder."""
    found = {path.parent.parent.name for path in folder.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")}
    return DEFAULT_LANGUAGE, *sorted(found - {DEFAULT_LANGUAGE})


class Texts:
    """The texts of one language. `otherwise` has those that its catalogue lacks."""

    def __init__(self, language: str, catalogue: gettext.NullTranslations, otherwise: Texts | None = None) -> None:
        self.language = language
        self._catalogue = catalogue
        self._otherwise = otherwise
        self._lacking: set[str] = set()
        """Keys whose lack was logged: once each is enough."""

    def __call__(self, key: str, **values: object) -> str:
        """Return a text as HTML, its values escaped."""
        return self._text(key, None, {name: _escaped(value) for name, value in values.items()})

    def counted(self, key: str, count: int, **values: object) -> str:
        """Return a text in the form the number asks for; `{count}` in it is the number."""
        return self._text(key, count, {name: _escaped(value) for name, value in {**values, "count": count}.items()})

    def plain(self, key: str, **values: object) -> str:
        """Return a text where Telegram takes no markup: buttons, answers to a callback query, command descriptions."""
        return html.unescape(self(key, **values))

    def _text(self, key: str, count: int | None, values: Mapping[str, str]) -> str:
        found = self._catalogue.gettext(key) if count is None else self._catalogue.ngettext(key, key, count)
        try:
            if found == key:
                raise KeyError("no text")
            return found.format_map(values)
        except (LookupError, ValueError, AttributeError) as error:  # what format_map raises for a bad template
            if key not in self._lacking:
                self._lacking.add(key)
                log.error(  # noqa: TRY400 - the error is the catalogue's
                    "text lacking", extra={"key": key, "language": self.language, "error": str(error)}
                )
            return LACKING if self._otherwise is None else self._otherwise._text(key, count, values)  # noqa: SLF001 - another of its kind


def _escaped(value: object) -> str:
    """Escape a value for HTML; a NUL would end the text at Telegram, in the middle of its markup."""
    return html.escape(str(value).replace("\0", ""), quote=False)


def attribute_url(url: str) -> str:
    """Return a link as a template's `href="{url}"` takes it: a value's quotes are not escaped, and would end it."""
    return url.replace('"', "%22")


class Catalogues:
    """The texts of every language, read once."""

    def __init__(self, folder: Path = LOCALE) -> None:
        default = Texts(DEFAULT_LANGUAGE, _read(folder, DEFAULT_LANGUAGE))
        self._default = default
        self._texts = {
            language: default if language == DEFAULT_LANGUAGE else Texts(language, _read(folder, language), default)
            for language in languages(folder)
        }

    def for_language(self, code: str | None) -> Texts:
        """Return the texts for a language code as Telegram tells it ("pt-br"); the default where there are none."""
        short = (code or "").split("-")[0].lower()
        return self._texts.get(short, self._default)


def _read(folder: Path, language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, str(folder), languages=[language])


def duration_text(seconds: float) -> str:
    """Show a length as people write it: 0:10, 3:25, 1:02:03."""
    whole = max(1, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def limit_text(limit_bytes: int) -> str:
    """Show Telegram's limit as Telegram says it: "50 MB" for 50 MiB."""
    return f"{limit_bytes // 1024**2} MB"


def size_text(size_bytes: float) -> str:
    """Show a size in kB, MB or GB (powers of ten, as phones show them)."""
    # The borders lie where rounding would show the next unit's first figure.
    if size_bytes < 999_500:
        return f"{max(1, round(size_bytes / 1000))} kB"
    if size_bytes < 99_950_000:
        return f"{size_bytes / 1_000_000:.1f} MB"
    if size_bytes < 999_500_000:
        return f"{size_bytes / 1_000_000:.0f} MB"
    return f"{size_bytes / 1_000_000_000:.1f} GB"
