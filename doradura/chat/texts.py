"""Every text a user reads, by key, through gettext.

Owns the catalogues under `locale/` and how values get into a text: a value is escaped for HTML, a template is not, so
that a site's title can't bring markup with it. A missing key is an error here and a failing test, never a key shown
to a user.
"""

from __future__ import annotations

import gettext
import html
from collections.abc import Mapping
from importlib import resources

DOMAIN = "doradura"
LANGUAGES = ("en",)
"""The catalogues there are; the first one serves whoever speaks none of them."""


class Texts:
    """The texts of one language."""

    def __init__(self, language: str, catalogue: gettext.NullTranslations) -> None:
        self.language = language
        self._catalogue = catalogue

    def __call__(self, key: str, **values: object) -> str:
        """Return a text as HTML, its values escaped. Raises KeyError for an unknown key or a missing value."""
        return self._fill(key, self._catalogue.gettext(key), values)

    def counted(self, key: str, count: int, **values: object) -> str:
        """Return a text in the form the number asks for; `{count}` in it is the number."""
        return self._fill(key, self._catalogue.ngettext(key, key, count), {**values, "count": count})

    def plain(self, key: str, **values: object) -> str:
        """Return a text where Telegram takes no markup: buttons, answers to a press, command descriptions."""
        return html.unescape(self(key, **values))

    @staticmethod
    def _fill(key: str, text: str, values: Mapping[str, object]) -> str:
        if text == key:
            raise KeyError(f"no text {key!r}")
        return text.format_map({name: _escaped(value) for name, value in values.items()})


def _escaped(value: object) -> str:
    """Escape a value for HTML; a NUL would end the text at Telegram, in the middle of its markup."""
    return html.escape(str(value).replace("\0", ""), quote=False)


def attribute_url(url: str) -> str:
    """Return a link as a template's `href="{url}"` takes it: a value's quotes are not escaped, and would end it."""
    return url.replace('"', "%22")


class Catalogues:
    """The texts of every language, read once."""

    def __init__(self) -> None:
        folder = str(resources.files("doradura.chat") / "locale")
        self._texts = {
            language: Texts(language, gettext.translation(DOMAIN, folder, languages=[language]))
            for language in LANGUAGES
        }

    def for_language(self, code: str | None) -> Texts:
        """Return the texts for a language code as Telegram tells it ("pt-br"); the default where there are none."""
        short = (code or "").split("-")[0].lower()
        return self._texts.get(short, self._texts[LANGUAGES[0]])


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
