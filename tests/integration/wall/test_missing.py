"""A machine whose kernel has no wall: it is shown, and refuses the start where a wall is required."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from doradura.cli.check import run_checks
from doradura.health_checks import WorkerSelfTest
from doradura.workers.wall import Standing, WallMissingError
from tests.integration.app_tools import Home, make_media, sample, until
from tests.integration.wall.users import needs_landlock

WHY = "this kernel has no Landlock, or it is off (Function not implemented)"


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's samples, made once."""
    return make_media(tmp_path_factory.mktemp("media"))


def found(kind: Any) -> Callable[..., Awaitable[Standing]]:
    """A proof that comes to this end."""

    async def prove(*_arguments: object) -> Standing:
        await trio.lowlevel.checkpoint()
        return Standing(kind, WHY)

    return prove


async def test_a_start_that_requires_a_wall_is_refused(
    tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a text that says why there is none, what is needed, and which setting asks for it."""
    monkeypatch.setattr("doradura.app.find_wall", found("hook"))
    home = Home.make(tmp_path / "data", media, extra={"DORADURA_REQUIRE_WALL": "true"})
    with pytest.raises(ExceptionGroup) as raised, trio.fail_after(30):
        await home.app().run()
    refusal = raised.value.subgroup(WallMissingError)
    assert refusal is not None
    (error,) = refusal.exceptions
    assert isinstance(error, WallMissingError)
    assert error.exit_code == 2
    for words in (WHY, "DORADURA_REQUIRE_WALL", "Linux 5.13", "seccomp", "unset"):
        assert words in str(error)


@pytest.mark.parametrize(("kind", "required"), [("hook", "false"), pytest.param("port", "true", marks=needs_landlock)])
async def test_what_stands_is_shown_and_degrades_nothing(
    *, tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch, kind: str, required: str
) -> None:
    """In /metrics and, as advice, in /health, which stays ok."""
    monkeypatch.setattr("doradura.app.find_wall", found(kind))
    self_tested, test = trio.Event(), WorkerSelfTest._test

    async def noted(part: WorkerSelfTest) -> bool:
        done = await test(part)
        self_tested.set()
        return done

    monkeypatch.setattr(WorkerSelfTest, "_test", noted)
    home = Home.make(tmp_path / "data", media, extra={"DORADURA_REQUIRE_WALL": required})
    async with home.running() as app, httpx.AsyncClient(trust_env=False) as client:
        await until(lambda: sample(app, "worker_wall", kind=kind) == 1)
        await self_tested.wait()
        worker = (await client.get(f"{app.http_url}/health")).json()["checks"]["worker"]
        kinds = ("notify", "port", "hook")
        assert {each: sample(app, "worker_wall", kind=each) for each in kinds} == {
            each: float(each == kind) for each in kinds
        }
        assert (worker["status"], worker["wall"]) == ("ok", kind)
        behind = "" if kind == "hook" else f" behind the kernel's wall ({kind})"
        assert worker["message"] == f"a worker passed the self-test{behind}"
        assert ("no wall" in worker.get("advice", "")) == (kind == "hook")
        assert (WHY in worker.get("advice", "")) == (kind == "hook")


@pytest.mark.parametrize(
    ("kind", "required", "mark", "good"),
    [
        ("notify", "true", "ok", True),
        ("port", "true", "ok", True),
        ("hook", "false", "note", True),
        ("hook", "true", "FAULT", False),
    ],
)
async def test_the_doctor_says_which_stands(
    *,
    tmp_path: Path,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    required: str,
    mark: str,
    good: bool,
) -> None:
    """A missing wall is a note, and a fault where it is required."""
    monkeypatch.setattr("doradura.cli.check.standing_wall", found(kind))
    home = Home.make(tmp_path / "data", media, extra={"DORADURA_REQUIRE_WALL": required})
    assert await run_checks(home.settings()) is good
    (line,) = (each for each in capsys.readouterr().out.splitlines() if each[7:].startswith("wall"))
    assert line.startswith(mark)
    assert (WHY in line, "DORADURA_REQUIRE_WALL" in line) == (True, mark == "FAULT")
