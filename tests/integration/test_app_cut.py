"""The whole task tree, cancelled at any step of its start and of a busy moment: nothing left, nothing lost."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import trio

from doradura.app import App
from tests.integration.app_leftovers import nothing_left
from tests.integration.app_tools import AtStep, Home, Person, make_media, person, telegram, until
from tests.long import many

START_STEPS = 330
"""A few more than a start takes; a point behind the end of a start cuts the app at rest."""
BUSY_STEPS = 360
REST_SECONDS = 0.2
EVERY = 5
"""At every fifth point the next start on the same directory is seen to work, or more work comes in."""
BUSY = {"waiting", "running", "sending"}
USER, ADMIN = 2000, 1000


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's samples, made once."""
    return make_media(tmp_path_factory.mktemp("media"))


def points(last: int, count: int) -> list[int]:
    """Spread points over 1..last."""
    return sorted({max(1, round(last * index / count)) for index in range(1, count + 1)})


async def working(app: App) -> None:
    """Wait until an app has started."""
    await until(lambda: app.me is not None)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(points(START_STEPS, 10), id="some"),
        pytest.param(points(START_STEPS, many(START_STEPS, in_ci=52)), id="all", marks=pytest.mark.long),
    ],
)
async def test_cut_at_any_step_of_a_start(tmp_path: Path, media: Path, at: list[int]) -> None:
    """Wherever a first start is cancelled, nothing is left, and the next one on the same directory works."""

    async def rest(app: App, _step: AtStep) -> None:
        await working(app)
        await trio.sleep(REST_SECONDS)

    seen = set()
    for number, point in enumerate(at):
        home = Home.make(tmp_path / str(point), media)
        async with nothing_left(home):
            seen.add((await home.live(rest, at=point)).task)
        if number % EVERY == 0:
            async with home.running() as app, person(app.sandbox_url) as user:
                asked = await user.say("/help")
                await user.wait(lambda m: "Commands" in m.get("text", ""), after=asked["message_id"])
    assert len(seen) > 3, "the points lie in many tasks"


class Busy:
    """A home whose app always has something of everything to do: each start takes up again what hangs or is slow."""

    def __init__(self, home: Home, user: Person, admin: Person) -> None:
        self._home = home
        self._user = user
        self._admin = admin
        self.said = 0

    async def prepare(self) -> None:
        """Ask for a file whose sending hangs, then for a download that is slow and for one that waits behind it."""

        async def ask(app: App, _step: AtStep) -> None:
            await working(app)
            for method in ("sendAudio", "editMessageMedia"):
                await self._admin.fault(method=method, times=0, delay_seconds=600, chat_id=ADMIN)
            await self._say(self._admin, f"/download {self._admin.media('sample.mp4')} mp3")
            await until(lambda: self._states() == {"sending"})
            await self._say(self._user, f"/download {self._user.media('slow.mp4?kbps=5000')} m4a")
            await self._say(self._user, f"/download {self._user.media('sample.mp4')} m4a")
            await until(lambda: self._states() == BUSY)

        await self._home.live(ask)

    async def cut_start(self, at: int) -> AtStep:
        """Cancel an app at a step of a start that takes up work."""

        async def wait(_app: App, _step: AtStep) -> None:
            await trio.sleep(5)

        async with nothing_left(self._home):
            return await self._home.live(wait, at=at)

    async def cut(self, at: int, *, more: bool) -> AtStep:
        """Run an app until it is busy, and cancel it `at` steps later; `more` accepts more work."""

        async def meanwhile(app: App, step: AtStep) -> None:
            await working(app)
            await until(lambda: self._states() >= BUSY)
            scraping.start_soon(self._scrape, app)
            step.act_after(at)
            await self._say(self._user, "/queue")
            if more:
                await self._say(self._user, f"/download {self._user.media(f'sample.mp4?of={at}')} m4a")
                await self._say(self._admin, self._admin.media(f"sample.mp4?of={at}"))
            await trio.sleep(5)

        async with nothing_left(self._home), trio.open_nursery() as scraping:
            return await self._home.live(meanwhile)

    async def finish(self) -> None:
        """Let a last app finish what was accepted."""
        await self._admin.clear_faults()
        async with self._home.running():
            for unfinished in (
                "SELECT 1 FROM inbox WHERE state = 'waiting'",
                "SELECT 1 FROM jobs WHERE told = 0",
                "SELECT 1 FROM offers WHERE state IN ('new', 'shown')",
            ):
                await until(lambda sql=unfinished: not self._home.rows(sql), seconds=90)  # type: ignore[misc]

    def _states(self) -> set[str]:
        return {state for (state,) in self._home.rows("SELECT DISTINCT state FROM jobs")}

    async def _say(self, who: Person, text: str) -> None:
        with trio.CancelScope(shield=True):  # what was said is counted
            await who.say(text)
        self.said += 1

    async def _scrape(self, app: App) -> None:
        """Scrape without a pause, until the app is gone."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            with suppress(httpx.HTTPError):
                while True:
                    (await client.get(f"{app.http_url}/metrics")).raise_for_status()
                    (await client.get(f"{app.http_url}/health")).raise_for_status()


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(points(BUSY_STEPS, 7), id="some"),
        pytest.param(points(BUSY_STEPS, many(180, in_ci=45)), id="all", marks=pytest.mark.long),
    ],
)
async def test_cut_at_any_step_of_a_busy_moment(tmp_path: Path, media: Path, at: list[int]) -> None:
    """A download, a queue, a file on its way, updates, scrapes: cut anywhere, again and again, all of it ends well."""
    async with telegram(media) as url, person(url, USER) as user, person(url, ADMIN) as admin:
        home = Home.make(tmp_path / "data", media, telegram_url=url, extra={"DORADURA_CONCURRENT_DOWNLOADS": "1"})
        busy = Busy(home, user, admin)
        await busy.prepare()
        for number, point in enumerate(at):
            if number % EVERY == 2:
                await busy.cut_start(point)
            else:
                await busy.cut(point, more=number % EVERY == 0)
        await busy.finish()
        assert home.rows("SELECT state, COUNT(*) FROM inbox GROUP BY state") == [("done", busy.said)]
        assert home.rows("SELECT DISTINCT state FROM jobs") == [("done",)]
        assert len(await user.files()) == home.rows(f"SELECT COUNT(*) FROM jobs WHERE user_id = {USER}")[0][0]
        assert len(await admin.files()) == 1
        # What a probe found is kept for a quarter of an hour.
        assert {path.suffix for path in (home.directory / "jobs").iterdir()} <= {".found"}
