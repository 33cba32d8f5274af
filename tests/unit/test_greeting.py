"""What the program says on standard output once it is ready."""

from __future__ import annotations

import pytest

from doradura.app import App
from doradura.cli.run import _greet
from doradura.metrics import BuildFacts
from doradura.settings import read_settings

TOKEN = "123456789:" + "A" * 35
BUILD = BuildFacts(version="1", python="3", yt_dlp="2", ffmpeg="7", mode="telegram")


@pytest.mark.parametrize(
    ("given", "times"),
    [
        ({}, 1),
        ({"DORADURA_ADMIN_IDS": "7"}, 0),
        ({"DORADURA_ALERT_CHATS": "-1001234567890"}, 0),
    ],
)
def test_who_is_told_of_alerts(given: dict[str, str], times: int, capsys: pytest.CaptureFixture[str]) -> None:
    """That nobody is told of alerts is said where it is so: a chat of DORADURA_ALERT_CHATS is somebody."""
    settings = read_settings({"DORADURA_TELEGRAM_TOKEN": TOKEN, **given})
    _greet(App(settings, environment={}, build=BUILD, ffmpeg=""))
    assert capsys.readouterr().out.count("nobody is told of alerts") == times
