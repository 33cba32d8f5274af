"""Sites that let only browsers in, by yt-dlp's own extractors: what comes of their links with and without a wall."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import msgspec
import pytest
import trio

from doradura.media.protocol import Failure, Metadata, Order, SelfTest, WallKind, WorkerMessage
from doradura.workers.gate import GatedWorkers
from tests.integration.gated import gate_and_workers
from tests.programs import needs_curl_cffi

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs

HERE = str(Path(__file__).parent)
Answers = Sequence[dict[str, Any]]
Ask = Callable[[WallKind, str, Answers], Awaitable[WorkerMessage]]

FILM = {"url": "https://cdn.example/film.mp4", "width": 640, "height": 360}
REDDIT = "https://www.reddit.com/r/videos/comments/6rrwyj/that_small_heart_attack/"
REDDIT_ANSWERS: Answers = (
    {"at": "/svc/shreddit", "browser": True, "sets": ["loid"]},
    {"at": "/svc/shreddit", "status": 403},
    {"at": r"/\.json", "cookie": "loid", "status": 403, "body": json.dumps({"error": 403, "reason": "quarantined"})},
    {"at": r"/\.json", "body": "<html>who are you?</html>"},
)
INSTAGRAM = "https://www.instagram.com/p/aye83DjauH/"
INSTAGRAM_ANSWERS: Answers = (
    {"at": "/api/v1/web/get_ruling", "body": '{"status": "ok"}', "sets": ["csrftoken"]},
    {
        "at": "/api/graphql",
        "browser": True,
        "body": json.dumps(
            {
                "data": {
                    "xig_polaris_media": {"if_not_gated_logged_out": {"code": "aye83DjauH", "video_versions": [FILM]}}
                }
            }
        ),
    },
    {"at": "/api/graphql", "status": 403},
    {"at": "instagram.com/", "body": '<html>["LSD",[],{"token":"abc"}]</html>'},
)
TIKTOK = "https://www.tiktok.com/@hankgreen1/video/7047596209028074758"
SCOPE = {"__DEFAULT_SCOPE__": {"webapp.video-detail": {"statusCode": 10216}}}
TIKTOK_ANSWERS: Answers = (
    {
        "at": "/video/",
        "browser": True,
        "body": f'<script id="__UNIVERSAL_DATA_FOR_REHYDRATION__">{json.dumps(SCOPE)}</script>',
    },
    {"at": "/video/", "url": "https://www.tiktok.com/login", "body": "<html>Log in</html>"},
)
ALBUM = "https://example.bandcamp.com/album/two-songs"
TRACKS = {"trackinfo": [{"title_link": f"/track/{number}", "duration": 1.0} for number in range(2)]}
ALBUM_ANSWERS: Answers = ({"at": "/album/", "body": f"<html data-tralbum='{json.dumps(TRACKS)}'>"},)
CHALLENGED = "https://media.example/film.html"
CHALLENGED_ANSWERS: Answers = (
    {"at": "film.html", "browser": True, "body": '<html><video src="https://media.example/film.mp4"></video></html>'},
    {"at": "film.html", "status": 403, "headers": {"cf-mitigated": "challenge"}},
)


@pytest.fixture
async def ask(jobs: Jobs) -> AsyncIterator[Ask]:
    """Return what a probe of a link says, of a site that answers so; without a link, a self-test."""
    path = os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}

    async def run(wall: WallKind, url: str, answers: Answers) -> WorkerMessage:
        shutil.rmtree(jobs.directory, ignore_errors=True)
        order: Order = jobs.order("/", task="probe" if url else "selftest", ffmpeg=imageio_ffmpeg.get_ffmpeg_exe())
        order = msgspec.structs.replace(order, url=url)
        (Path(order.directory) / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
        with trio.fail_after(120):
            async with GatedWorkers(workers, gate, wall).work(order) as conversation:
                return [message async for message in conversation][-1]

    async with gate_and_workers(environment=environment, job="answered_job:run_job") as (gate, workers):
        yield run


async def test_a_site_for_browsers_is_called_that(ask: Ask) -> None:
    """Without a wall each of these ends in a sentence about logging in, or in none: nobody is told to log in."""
    for url, answers in (
        (REDDIT, REDDIT_ANSWERS),
        (INSTAGRAM, INSTAGRAM_ANSWERS),
        (TIKTOK, TIKTOK_ANSWERS),
        (CHALLENGED, CHALLENGED_ANSWERS),
    ):
        end = await ask("hook", url, answers)
        assert isinstance(end, Failure), (url, end)
        assert (end.reason, end.lacks, end.final) == ("bot_check", "browser", True), (url, end)
        assert "so requests can't look like a browser's: " in end.detail


async def test_what_holds_for_browsers_too_keeps_its_reason(ask: Ask) -> None:
    """A page that is not there, one that the site never gives this country, and an album, which we refuse."""
    for url, status, reason in ((REDDIT, 404, "gone"), (TIKTOK, 451, "geo"), (INSTAGRAM, 429, "rate_limited")):
        end = await ask("hook", url, [{"at": "svc"}, {"at": "", "status": status}])
        assert isinstance(end, Failure)
        assert (end.reason, end.lacks) == (reason, ""), end
    end = await ask("hook", ALBUM, ALBUM_ANSWERS)  # which was asked for as a browser, and answered all the same
    assert isinstance(end, Failure)
    assert (end.reason, end.lacks, "several entries" in end.detail) == ("unsupported", "", True), end


async def test_behind_a_wall_a_browser_is_let_in(ask: Ask) -> None:
    """yt-dlp asks as one, and what it hears then is what the site says: a film, or that somebody has to log in."""
    known = await ask("port", INSTAGRAM, INSTAGRAM_ANSWERS)
    assert isinstance(known, Metadata), known
    assert known.height == 360
    known = await ask("port", CHALLENGED, CHALLENGED_ANSWERS)
    assert isinstance(known, Metadata), known
    for url, answers, words in ((REDDIT, REDDIT_ANSWERS, "Quarantined"), (TIKTOK, TIKTOK_ANSWERS, "permission")):
        end = await ask("port", url, answers)
        assert isinstance(end, Failure), end
        assert (end.reason, end.lacks) == ("login", ""), end
        assert words in end.detail


@pytest.mark.parametrize(("wall", "impersonation"), [("notify", True), ("port", True), ("hook", False)])
async def test_the_selftest_knows(ask: Ask, wall: WallKind, *, impersonation: bool) -> None:
    """/health has it from a worker, which has tried to load what yt-dlp needs for it."""
    needs_curl_cffi()
    end = await ask(wall, "", ())
    assert isinstance(end, SelfTest), end
    assert (end.wall, end.impersonation) == (wall, impersonation)
