"""The stack's check: what is sound, what is not, what could not be looked at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import trio

from stack import verify
from stack.facts import settings_of
from stack.files import stack_directory
from stack.record import Record
from stack.verify import COMPOSE_INSTALL, Line, Verification
from tests.e2e.stack import answering
from tests.programs import found


def marks(lines: Iterable[Line]) -> list[tuple[str, str]]:
    """Return mark and name of each line."""
    return [(line.mark, line.name) for line in lines]


def test_the_committed_files_pass() -> None:
    """Every committed file passes its own tool."""
    found("promtool")
    found("amtool")
    lines = list(Verification(os.environ).files())
    assert {line.mark for line in lines} == {"ok"}, "\n".join(map(str, lines))
    assert {line.name for line in lines} == {"promtool", "amtool", "compose", "hadolint"}


def test_what_is_missing_is_skipped_and_in_ci_a_fault() -> None:
    """A missing tool is a line with what to install; where CI is set it is a fault."""
    skipped = list(Verification({}, which=lambda _name: None).files())
    assert {line.mark for line in skipped if line.name in {"promtool", "amtool"}} == {"skip"}
    assert "apt-get install -y --no-install-recommends prometheus" in skipped[0].text
    faults = list(Verification({"CI": "true"}, which=lambda _name: None).files())
    assert {line.mark for line in faults if line.name in {"promtool", "amtool"}} == {"FAULT"}


def test_a_broken_file_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that Alertmanager would not start with is found, in its tool's own words."""
    found("amtool")
    monkeypatch.setattr(verify, "HERE", tmp_path)
    (tmp_path / "alertmanager").mkdir()
    (tmp_path / "alertmanager" / "alertmanager.yml").write_text("rout: {}\n")
    broken = [line for line in Verification({}).files() if line.name == "amtool"]
    assert [line.mark for line in broken] == ["FAULT"]
    assert "rout" in broken[0].text


def test_an_installation_is_checked_without_a_trace(tmp_path: Path) -> None:
    """What a start would render is checked, and nothing is left of it, not even a token."""
    found("promtool")
    found("amtool")
    settings = settings_of({"DORADURA_DATA_DIR": str(tmp_path / "data"), "DORADURA_METRICS_BASIC_AUTH": "a:b"})
    assert marks(Verification(os.environ).installation(settings)) == [
        ("ok", "promtool"),
        ("ok", "amtool"),
        ("ok", "compose"),
        ("skip", "running"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_settings_that_can_not_be_rendered_are_a_fault(tmp_path: Path) -> None:
    """A bot whose port nobody knows is a fault in a sentence."""
    settings = settings_of({"DORADURA_DATA_DIR": str(tmp_path), "DORADURA_HTTP_BIND": "127.0.0.1:0"})
    lines = list(Verification({}).installation(settings))
    assert marks(lines)[0] == ("FAULT", "settings")
    assert "--targets" in lines[0].text


def test_thresholds_are_checked_before_a_start(tmp_path: Path) -> None:
    """A threshold that can't be is a fault in a sentence; one that can is rendered and passes promtool."""
    found("promtool")
    settings = settings_of({"DORADURA_DATA_DIR": str(tmp_path / "data")})
    thresholds = tmp_path / "data" / "stack" / "thresholds.yml"
    thresholds.parent.mkdir(parents=True)
    thresholds.write_text("HighErorRate: 15\n")
    (fault, *_) = Verification(os.environ).installation(settings)
    assert (fault.mark, "Did you mean HighErrorRate?" in fault.text) == ("FAULT", True)
    thresholds.write_text("HighErrorRate: {threshold: 15, for: 10m}\nDiskFillingUp: 2.5\n")
    assert next(iter(Verification(os.environ).installation(settings))).mark == "ok"


def test_an_engine_without_its_compose_plugin_is_said(tmp_path: Path) -> None:
    """Docker without the plugin takes `-f` for its own and says so in words nobody understands."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'unknown shorthand flag: -f' >&2\nexit 125\n")
    docker.chmod(0o755)
    verification = Verification({}, which=lambda name: str(docker) if name == "docker" else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "python"))
        (line,) = [line for line in verification.files() if line.name == "compose"]
    assert (line.mark, line.text) == ("skip", f"{docker} has no compose plugin: {COMPOSE_INSTALL}")


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b'{"data": {"activeTargets": [1]}}', b"[" * 100_000])
async def test_what_is_not_prometheus_is_said_in_words(body: bytes, tmp_path: Path) -> None:
    """Where another program answers in Prometheus's place, whatever it says, that is a fault in a sentence."""
    settings = settings_of({"DORADURA_DATA_DIR": str(tmp_path / "data")})
    stack_directory(settings).mkdir(parents=True)
    async with answering(lambda _head, _body: body) as url:
        record = Record(stack_directory(settings))
        record.begin(mode="native", urls={"prometheus": url})
        record.add("prometheus", os.getpid())
        lines = await trio.to_thread.run_sync(lambda: list(Verification({}).installation(settings)))
    fault = Line("FAULT", "prometheus", f"what answers on {url} is not Prometheus")
    assert lines[-1] == fault
