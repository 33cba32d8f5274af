"""The command line: exit codes and sentences."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from doradura.storage import DAMAGE_ADVICE
from tests.e2e.program import ROOT, environment, running, until
from tests.ports import free_address


def doradura(data_dir: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "doradura", *arguments],
        env=environment(data_dir, extra),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_run_without_a_token(tmp_path: Path) -> None:
    """A lost secret does not turn production into a toy: exit 2, and the sentence names the way out."""
    ended = doradura(tmp_path / "data", "run")
    assert ended.returncode == 2
    assert "DORADURA_TELEGRAM_TOKEN" in ended.stderr
    assert "--sandbox" in ended.stderr


def test_every_fault_in_one_message(tmp_path: Path) -> None:
    """All settings that are wrong are named at once."""
    ended = doradura(
        tmp_path / "data", "run", DORADURA_TELEGRAM_TOKEN="nonsense", DORADURA_QUEUE_LIMIT="x", DORADURA_ADMIN_IDS="me"
    )
    assert ended.returncode == 2
    for name in ("DORADURA_TELEGRAM_TOKEN", "DORADURA_QUEUE_LIMIT", "DORADURA_ADMIN_IDS"):
        assert name in ended.stderr
    assert "nonsense" not in ended.stderr


def test_check_tells_line_by_line(tmp_path: Path) -> None:
    """`check` names every part it tried and exits 0."""
    ended = doradura(tmp_path / "data", "check", "--sandbox")
    assert ended.returncode == 0, ended.stdout
    for name in ("settings", "directory", "database", "port", "ffmpeg", "yt-dlp", "wall", "extra", "gate", "telegram"):
        assert f"  {name}" in ended.stdout


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_database_that_is_none_ends_with_what_to_do(command: str, tmp_path: Path) -> None:
    """Exit 1, and one sentence that says what to do; no traceback."""
    path = tmp_path / "data" / "doradura.db"
    path.parent.mkdir()
    (path.parent / "mode").write_text("sandbox\n")
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    ended = doradura(tmp_path / "data", command, "--sandbox")
    assert ended.returncode == 1
    said = f"{path} is damaged (file is not a database). {DAMAGE_ADVICE}"
    assert (ended.stdout + ended.stderr).count(said) == 1
    assert "Traceback" not in ended.stderr
    assert command == "run" or re.search(rf"^FAULT +database +{re.escape(said)}$", ended.stdout, re.MULTILINE)


def test_check_with_a_token_asks_telegram(tmp_path: Path) -> None:
    """With a token and no Telegram to be reached, `check` says so, once; the token stays out of it."""
    token = "123456:" + "A" * 35
    ended = doradura(
        tmp_path / "data",
        "check",
        DORADURA_TELEGRAM_TOKEN=token,
        DORADURA_TELEGRAM_API_URL="http://127.0.0.1:9",
        DORADURA_LOG_LEVEL="info",
    )
    assert ended.returncode == 1
    assert "FAULT  telegram    can't reach 127.0.0.1:9 (connection refused)" in ended.stdout
    assert ended.stderr == ""
    assert token not in ended.stdout + ended.stderr


async def test_health_asks_the_running_one(tmp_path: Path) -> None:
    """`health` exits 0 while the bot works and 1 when nothing answers; `check` knows its port from a stranger's."""
    bind = free_address()  # also asked after its end
    async with running(tmp_path / "data", DORADURA_HTTP_BIND=bind) as program:

        async def well() -> bool:
            return bool((await program.health())["status"] == "ok")

        await until(well, seconds=60)  # the first self-test of the workers may still run
        ended = doradura(tmp_path / "other", "health", DORADURA_HTTP_BIND=bind)
        assert (ended.returncode, ended.stdout.strip()) == (0, "ok")
        for probe, said in (("--live", "/livez: yes"), ("--ready", "/readyz: yes")):
            ended = doradura(tmp_path / "other", "health", probe, DORADURA_HTTP_BIND=bind)
            assert (ended.returncode, ended.stdout.strip()) == (0, said)
        checked = doradura(tmp_path / "other", "check", "--sandbox", DORADURA_HTTP_BIND=bind)
        assert f"ok     port        {bind} is in use by the running bot" in checked.stdout
        foreign = program.sandbox_url.removeprefix("http://")
        checked = doradura(tmp_path / "other", "check", "--sandbox", DORADURA_HTTP_BIND=foreign)
        assert checked.returncode == 1
        assert f"FAULT  port        {foreign}: another program listens there" in checked.stdout
        checked = doradura(tmp_path / "other", "check", "--sandbox", DORADURA_HTTP_BIND="192.0.2.1:9090")
        assert "192.0.2.1:9090: Cannot assign requested address; set DORADURA_HTTP_BIND to another" in checked.stdout
    for arguments in (["health"], ["health", "--live"], ["health", "--ready"]):
        assert doradura(tmp_path / "other", *arguments, DORADURA_HTTP_BIND=bind).returncode == 1


async def test_the_others_data_are_refused(tmp_path: Path) -> None:
    """A bot with a token does not start on the sandbox's data: exit 2, what to do, and nothing changed."""
    async with running(tmp_path / "data"):
        pass
    before = (tmp_path / "data" / "doradura.db").read_bytes()
    ended = doradura(tmp_path / "data", "run", DORADURA_TELEGRAM_TOKEN="123456:" + "A" * 35)
    assert ended.returncode == 2
    assert "holds the sandbox's data" in ended.stderr
    assert "DORADURA_DATA_DIR" in ended.stderr
    assert (tmp_path / "data" / "doradura.db").read_bytes() == before


def test_without_the_packages_a_sentence(tmp_path: Path) -> None:
    """A Python without the packages is told how to get them, not shown a traceback."""
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "doradura", "run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "just run" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_second_process_on_the_same_data(tmp_path: Path) -> None:
    """It exits 3 with a sentence that names the directory; the first goes on."""
    async with running(tmp_path / "data") as program:
        ended = doradura(tmp_path / "data", "run", "--sandbox")
        assert ended.returncode == 3
        assert "is in use by process" in ended.stderr
        assert (await program.health())["status"] == "ok"


async def test_a_taken_port(tmp_path: Path) -> None:
    """The sentence names the port and the setting, and no program that never listens there; exit 2."""
    async with running(tmp_path / "data") as program:
        bind = program.http_url.removeprefix("http://")
        ended = doradura(tmp_path / "other", "run", "--sandbox", DORADURA_HTTP_BIND=bind)
        assert ended.returncode == 2
        for word in (bind.rpartition(":")[2], "DORADURA_HTTP_BIND"):
            assert word in ended.stderr
        assert "prometheus" not in ended.stderr


async def test_a_refused_token(tmp_path: Path) -> None:
    """401 at getMe stops the program with exit 4 and a sentence; the token is in no line."""
    async with running(tmp_path / "data") as program:
        token = "123456:" + "A" * 35
        fault = {"method": "getMe", "times": 0, "error_code": 401, "description": "Unauthorized"}
        await program.ask("POST", "/sandbox/faults", params={"token": token}, json=fault)
        ended = doradura(
            tmp_path / "other",
            "run",
            DORADURA_TELEGRAM_TOKEN=token,
            DORADURA_TELEGRAM_API_URL=program.sandbox_url,
        )
        assert ended.returncode == 4, ended.stderr
        assert "Unauthorized" in ended.stderr
        assert token not in ended.stderr + ended.stdout


@pytest.mark.parametrize("fmt", ["text", "json"])
async def test_the_token_is_in_no_log(tmp_path: Path, fmt: str) -> None:
    """After a download with faults at debug level, no line has the token."""
    async with running(tmp_path / "data", DORADURA_LOG_FORMAT=fmt) as program:
        for fault in ({"error_code": 500, "description": "x"}, {"drop": "before"}, {"body": "garbage"}):
            for method in ("getUpdates", "sendMessage", "editMessageText", "sendAudio"):
                await program.fault(method=method, times=1, **fault)
        asked = await program.say(2000, f"/download {program.media('sample.mp4')} m4a")
        await program.wait(2000, lambda m: "audio" in m, after=asked["message_id"], seconds=90)
        log = program.log()
    assert "SANDBOXAAAA" not in log
    assert "ready" in log


@pytest.mark.parametrize(
    ("program", "mode", "words"),
    [
        (None, 0, "is not there"),
        ("#!/bin/sh\necho garbage\n", 0o755, "does not say that it is ffmpeg, but 'garbage'"),
        ("#!/bin/sh\nexit 0\n", 0o644, "may not be executed"),
        ("#!/bin/sh\nkill -SEGV $$\n", 0o755, "is ended by signal 11"),
    ],
)
def test_a_broken_ffmpeg_at_the_start(tmp_path: Path, program: str | None, mode: int, words: str) -> None:
    """`run` leaves with 1 and one sentence that names the program and what is wrong with it; so does `check`."""
    path = tmp_path / "ffmpeg"
    if program is not None:
        path.write_text(program)
        path.chmod(mode)
    ended = doradura(tmp_path / "data", "run", "--sandbox", IMAGEIO_FFMPEG_EXE=str(path))
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert f"ffmpeg ({path}) {words}" in ended.stderr
    assert "IMAGEIO_FFMPEG_EXE" in ended.stderr
    if program is None:
        checked = doradura(tmp_path / "data", "check", "--sandbox", IMAGEIO_FFMPEG_EXE=str(path))
        assert checked.returncode == 1
        assert f"FAULT  ffmpeg      ffmpeg ({path}) {words}" in checked.stdout


@pytest.mark.parametrize("kind", ["file", "link"])
def test_jobs_that_is_no_directory(tmp_path: Path, kind: str) -> None:
    """A file or a link in the place of DATA_DIR/jobs ends the start with 2 and one sentence, nothing removed."""
    (tmp_path / "data").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").touch()
    jobs = tmp_path / "data" / "jobs"
    jobs.touch() if kind == "file" else jobs.symlink_to(tmp_path / "other")
    ended = doradura(tmp_path / "data", "run", "--sandbox")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert str(jobs) in ended.stderr.splitlines()[-1]
    assert (tmp_path / "other" / "kept").exists()
