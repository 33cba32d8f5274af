"""The whole task tree in one process: it starts, works, drains, breaks, and leaves nothing behind."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio

from doradura.data_directory import DataDirectoryLockedError
from doradura.telegram.poller import Poller
from tests.integration.app_tools import Home, make_media, nothing_left, person, sample, until


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's samples, made once."""
    return make_media(tmp_path_factory.mktemp("media"))


@pytest.fixture
def home(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Where the test's app lives; what it makes elsewhere in temporary files is seen too."""
    return Home.make(tmp_path / "data", media)


async def test_serves_then_drains_then_leaves_nothing(home: Home) -> None:
    """A stop in the middle of a download lets it finish: the file is there, and nothing of the app is left."""
    async with nothing_left(home):
        async with home.running() as app, person(app.sandbox_url) as user:
            await user.say(f"/download {user.media('slow.mp4?kbps=8000')} m4a")
            await until(lambda: sample(app, "downloads_in_progress", format="m4a") == 1)
        assert sample(app, "download_success_total", format="m4a", quality="default") == 1
        assert list((home.directory / "jobs").iterdir()) == []


async def test_two_apps_in_one_process(home: Home, tmp_path: Path, media: Path) -> None:
    """Each serves its own user from its own directory and counts for itself; the first goes on when the other left."""
    other = Home.make(tmp_path / "other", media)
    async with nothing_left(home, other):
        async with home.running() as app, person(app.sandbox_url) as user:
            async with other.running() as second, person(second.sandbox_url, 1000) as neighbour:
                await user.say(f"/download {user.media('sample.mp4')} m4a")
                asked = await neighbour.say("/help")
                await user.wait(lambda m: "audio" in m)
                await neighbour.wait(lambda m: "Commands" in m.get("text", ""), after=asked["message_id"])
                await until(lambda: sample(app, "download_success_total", format="m4a", quality="default"))
                assert await neighbour.files() == []
                assert sample(second, "download_success_total", format="m4a", quality="default") == 0
                assert sample(app, "command_usage_total", command="help") == 0
                assert sample(second, "command_usage_total", command="help") == 1
            again = await user.say("/help")
            await user.wait(lambda m: "Commands" in m.get("text", ""), after=again["message_id"])


async def test_a_second_app_on_the_same_directory(home: Home) -> None:
    """It is refused at once and disturbs nothing: the first one's download goes on to its end."""
    async with nothing_left(home):
        async with home.running() as app, person(app.sandbox_url) as user:
            await user.say(f"/download {user.media('slow.mp4?kbps=8000')} m4a")
            await until(lambda: sample(app, "downloads_in_progress", format="m4a") == 1)
            with pytest.raises(DataDirectoryLockedError, match="in use by process"):
                await home.app().run()
            await user.wait(lambda m: "audio" in m)


async def test_a_part_that_breaks(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is no drain: it ends everything at once and comes out of `run`."""

    class BrokenError(Exception):
        pass

    async def turn(_poller: Poller) -> float:
        await broken.wait()
        raise BrokenError

    broken = trio.Event()
    monkeypatch.setattr(Poller, "_turn", turn)
    async with nothing_left(home):
        app = home.app()
        with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                await nursery.start(app.run)
                broken.set()
        assert caught.group_contains(BrokenError)


async def test_logging_is_left_as_it_was(home: Home) -> None:
    """The app itself configures no logging: handlers and levels are the process's business."""
    before = (logging.root.level, list(logging.root.handlers))
    async with home.running():
        assert (logging.root.level, list(logging.root.handlers)) == before
