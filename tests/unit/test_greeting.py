"""What the program says on standard output once it is ready."""

from __future__ import annotations

from pathlib import Path

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
    """That nobody will get alerts is said where it is so: a chat of DORADURA_ALERT_CHATS is somebody."""
    settings = read_settings({"DORADURA_TELEGRAM_TOKEN": TOKEN, **given})
    _greet(App(settings, environment={}, build=BUILD, ffmpeg=""))
    assert capsys.readouterr().out.count("nobody will get alerts") == times


def test_a_second_bot_in_the_sandbox_is_one_line_to_copy(capsys: pytest.CaptureFixture[str]) -> None:
    """With the sandbox's media allowed, an address and a directory of its own, and settings that are accepted."""
    app = App(read_settings({}, sandbox=True), environment={}, build=BUILD, ffmpeg="")
    app.sandbox_url = "http://127.0.0.1:8082"
    _greet(app)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.endswith(" just run")]
    given = dict(word.split("=", 1) for word in line.split()[:-2])
    assert read_settings(given).allowed_private == ("127.0.0.1:8082",)
    assert read_settings(given).telegram_api_url == "http://127.0.0.1:8082"
    assert given["DORADURA_HTTP_BIND"] == "127.0.0.1:0"
    assert Path(given["DORADURA_DATA_DIR"]) != read_settings({}, sandbox=True).data_dir


@pytest.mark.parametrize(
    ("listens", "shown"),
    [
        ("http://0.0.0.0:9090", "http://127.0.0.1:9090"),
        ("http://[::]:9090", "http://[::1]:9090"),
        ("http://192.0.2.7:80", "http://192.0.2.7:80"),
    ],
)
def test_where_to_look_is_an_address_to_open(listens: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What listens on every address is named by one that a browser on this machine reaches."""
    app = App(read_settings({}, sandbox=True), environment={}, build=BUILD, ffmpeg="")
    app.http_url = listens
    _greet(app)
    assert f"Numbers: {shown}/metrics   Health: {shown}/health " in capsys.readouterr().out
