"""What `check` says of settings and extras that work only under conditions."""

from __future__ import annotations

from pathlib import Path

import pytest

from doradura.cli.check import _check_settings, _impersonation
from doradura.settings import read_settings
from tests.doubles import TOKEN


@pytest.mark.parametrize(
    ("provider", "noted"),
    [
        ("", False),
        ("http://127.0.0.1:4416", False),
        ("http://[::1]:4416", False),
        ("http://localhost:4416", False),
        ("http://provider:4416", True),
    ],
)
def test_a_provider_by_name_is_noted(tmp_path: Path, provider: str, *, noted: bool) -> None:
    """A name that leads to a private address is refused by the gate, and yt-dlp goes on without a token."""
    settings = read_settings(
        {
            "DORADURA_TELEGRAM_TOKEN": TOKEN,
            "DORADURA_DATA_DIR": str(tmp_path),
            "DORADURA_ADMIN_IDS": "1",
            "DORADURA_POT_PROVIDER": provider,
        }
    )
    notes = [line.text for line in _check_settings(settings) if line.mark == "note"]
    assert len(notes) == noted
    assert all(text.startswith("DORADURA_POT_PROVIDER names a host") for text in notes)


@pytest.mark.parametrize(
    ("installed", "walled", "mark", "said"),
    [
        (False, True, "note", "impersonate is not installed"),
        (False, False, "note", "impersonate is not installed"),
        (True, False, "note", "impersonate 0.15.0 is installed and not used, as no wall stands"),
        (True, True, "ok", "impersonate 0.15.0 (requests that look like a browser's"),
    ],
)
def test_the_extra_serves_behind_a_wall(
    monkeypatch: pytest.MonkeyPatch, *, installed: bool, walled: bool, mark: str, said: str
) -> None:
    """Whether requests can look like a browser's takes both, and what is missing is named."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object() if installed else None)
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "0.15.0")
    line = _impersonation(walled=walled)
    assert line.mark == mark
    assert line.text.startswith(said)
