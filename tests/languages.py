"""A language made for a test: English's texts and health sentences, but for changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from babel.messages.pofile import escape

from doradura.accounts.account import DEFAULT_LANGUAGE
from doradura.health_sentences import PLURALS, HealthText
from tests.texts import LOCALE, compiled

Sentences: TypeAlias = Mapping[HealthText, tuple[str, ...]]
"""Health sentences in their forms; one without a form is left out."""

NO_CHANGES: Sentences = MappingProxyType({})


def language(
    folder: Path, code: str, sentences: Sentences = NO_CHANGES, /, *, without: str = "", **changes: str
) -> Path:
    """Make a catalogue beside English: English's texts but for changes, `__` in a key standing for a dot."""
    shutil.copytree(LOCALE / "en", folder / "en", dirs_exist_ok=True)
    texts = (LOCALE / "en" / "LC_MESSAGES" / "doradura.po").read_text(encoding="utf-8")
    for key in [without, *(key.replace("__", ".") for key in changes)]:
        texts = re.sub(rf'^msgid "{re.escape(key)}"\n(msg.*\n|".*\n)+', "", texts, flags=re.MULTILINE) if key else texts
    texts = texts.replace("Language: en", f"Language: {code}")
    texts += "".join(f'\nmsgid "{key.replace("__", ".")}"\nmsgstr "{text}"\n' for key, text in changes.items())
    usual = {} if code == DEFAULT_LANGUAGE else _as_in_english()
    texts += "".join(_entry(text, forms) for text, forms in {**usual, **sentences}.items() if forms)
    target = folder / code / "LC_MESSAGES" / "doradura.po"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(texts, encoding="utf-8")
    target.with_suffix(".mo").write_bytes(compiled(target))
    return target


def _as_in_english() -> Sentences:
    said = [text for text in HealthText if text not in PLURALS.values()]
    return {text: (text, PLURALS[text]) if text in PLURALS else (text,) for text in said}


def _entry(text: HealthText, forms: tuple[str, ...]) -> str:
    if len(forms) == 1:
        return f"\nmsgid {escape(text)}\nmsgstr {escape(forms[0])}\n"
    counted = "".join(f"msgstr[{number}] {escape(form)}\n" for number, form in enumerate(forms))
    return f"\nmsgid {escape(text)}\nmsgid_plural {escape(PLURALS[text])}\n{counted}"
