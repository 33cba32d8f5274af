"""A link in, a file out: the real program against its own sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.e2e.program import Program, ffmpeg_facts, running, seconds_of, until

USER = 2000


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    """A running bot with its sandbox."""
    async with running(tmp_path / "data") as started:
        yield started


async def test_a_sample_as_mp3(program: Program, tmp_path: Path) -> None:
    """/download of the sample gives an MP3 of 320 kbit/s, as long as the source, with its title, artist and cover."""
    asked = await program.say(USER, f"/download {program.media('sample.mp4')} mp3 320k")
    message = await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"])
    audio = message["audio"]
    assert (audio["title"], audio["performer"], audio["duration"]) == ("Doradura sample", "Sandbox", 10)
    assert "thumbnail" in audio
    facts = ffmpeg_facts(await program.fetch(audio, tmp_path / "got.mp3"))
    assert "Audio: mp3" in facts
    assert "320 kb/s" in facts
    assert seconds_of(facts) == pytest.approx(10.0, abs=0.2)
    left = [m for m in await program.messages(USER, asked["message_id"]) if m["from"]["is_bot"]]
    assert [m["message_id"] for m in left] == [message["message_id"]], "the progress message stays"


@pytest.mark.parametrize(
    ("path", "words"),
    [("hls/index.m3u8", "mp4"), ("page.html", "mp4 720p"), ("sample.mp4", "mp4 best")],
)
async def test_video(program: Program, tmp_path: Path, path: str, words: str) -> None:
    """A playlist, a page and a plain file come as videos Telegram can stream, with size, length and thumbnail."""
    asked = await program.say(USER, f"/download {program.media(path)} {words}")
    message = await program.wait(USER, lambda m: "video" in m, after=asked["message_id"])
    video = message["video"]
    assert (video["width"], video["height"], video["duration"]) == (640, 360, 10)
    assert "thumbnail" in video
    facts = ffmpeg_facts(await program.fetch(video, tmp_path / "got.mp4"))
    assert "Video: h264" in facts
    assert "Audio: aac" in facts
    assert seconds_of(facts) == pytest.approx(10.0, abs=0.3)


async def test_a_link_alone_offers_formats(program: Program) -> None:
    """A link alone shows title and length and a keyboard; a press delivers; its repeat uses what was sent."""
    asked = await program.say(USER, program.media("sample.mp4"))
    offer = await program.wait(USER, lambda m: "Doradura sample" in m.get("text", ""), after=asked["message_id"])
    assert "0:10" in offer["text"]
    assert "?" not in offer["text"]
    answer = await program.press(USER, offer, "m4a")
    assert "m4a" in answer["text"]
    first = await program.wait(USER, lambda m: "audio" in m, after=offer["message_id"])
    await program.press(USER, offer, "m4a")
    second = await program.wait(USER, lambda m: "audio" in m, after=first["message_id"])
    assert second["audio"]["file_unique_id"] == first["audio"]["file_unique_id"]
    counted = await program.metrics()
    assert counted['doradura_file_cache_lookups_total{outcome="hit"}'] == 1
    assert counted['doradura_download_success_total{format="m4a",quality="default"}'] == 2
    assert counted['doradura_download_duration_seconds_count{format="m4a",quality="default"}'] == 1


async def test_twenty_jobs_of_five_users(tmp_path: Path) -> None:
    """Twenty jobs at once: each user gets their own files, and never more jobs are in workers than set."""
    async with running(tmp_path / "data", DORADURA_CONCURRENT_DOWNLOADS="2") as program:
        users = [USER]
        for number in range(4):
            made = await program.ask("POST", "/sandbox/users", json={"first_name": f"U{number}", "language_code": "en"})
            users.append(made["id"])
        formats = ["mp3 128k", "mp3 192k", "m4a", "mp4 360p"]
        in_progress: list[float] = []
        done = trio.Event()

        async def watch() -> None:
            while not done.is_set():
                counted = await program.metrics()
                in_progress.append(
                    sum(value for name, value in counted.items() if name.startswith("doradura_downloads_in_progress"))
                )
                await program.health()

        async def one(user: int) -> None:
            for words in formats:
                # A query of its own makes a link of its own: nothing comes from what was sent before.
                await program.say(user, f"/download {program.media('sample.mp4')}?of={user} {words}")

            async def all_there() -> bool:
                files = [m for m in await program.messages(user) if "audio" in m or "video" in m]
                return len(files) == len(formats) and sum("video" in m for m in files) == 1

            await until(all_there, seconds=120)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            async with trio.open_nursery() as people:
                for user in users:
                    people.start_soon(one, user)
            done.set()
        assert max(in_progress) <= 2
        assert max(in_progress) >= 1

        async def all_counted() -> bool:
            counted = await program.metrics()
            delivered = sum(v for n, v in counted.items() if n.startswith("doradura_download_success_total{"))
            return delivered == 20 and counted["doradura_queue_depth"] == 0

        await until(all_counted, seconds=60)  # the queue's depth is read from the database every five seconds
