"""What a file goes out as."""

from __future__ import annotations

from dataclasses import replace

from doradura.downloads.outgoing import caption_of, file_name, media_of
from doradura.media.protocol import Result
from doradura.media.variant import Variant
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import parse_html
from tests.jobs import running_job
from tests.wiring import LINK


def test_a_file_name_is_one_that_file_systems_take() -> None:
    """No separator, no control character, no ending dot; what leaves nothing becomes "media"."""

    def named(title: str, performer: str | None = None) -> str:
        return file_name(Result(path="/x", size_bytes=1, title=title, performer=performer), "mp3")

    assert named("AC/DC: Live? <1>\n\x00") == "AC DC Live 1.mp3"
    assert named("Song", "Band") == "Band - Song.mp3"
    assert named("...") == "media.mp3"
    assert named("../../etc/passwd") == "etc passwd.mp3"
    assert len(named("x" * 500)) == 204
    assert len(named("\U0001f9a0" * 500).encode()) == 204


def test_what_telegram_is_told_of_a_file() -> None:
    """Audio has title and performer; video has its measures and an escaped title; all say quality and source."""
    job = running_job(url=LINK, cache_key=LINK, variant=Variant("mp4", "720p"))
    result = Result(
        path="/x/media.mp4",
        size_bytes=1,
        title="a & b" + "😀" * 1000,
        performer="p",
        duration_seconds=0.2,
        width=640,
        height=360,
        thumbnail_path="/x/t.jpg",
    )
    video = media_of(job, result)
    assert (video.kind, video.width, video.height, video.duration_seconds) == ("video", 640, 360, 1)
    assert (video.title, video.performer) == (None, None)
    assert str(video.thumbnail) == "/x/t.jpg"
    assert video.caption is not None
    assert video.caption.startswith("a &amp; b😀")
    source = f'<a href="{LINK}">media.example</a>'
    assert video.caption.endswith(f"…\nmp4 360p · {source}")
    assert units(parse_html(video.caption)[0]) <= 1024
    audio = media_of(replace(job, variant=Variant("mp3", "320k")), result)
    assert (audio.kind, audio.caption, audio.title, audio.performer) == (
        *("audio", f"mp3 320k · {source}", result.title, "p"),
    )
    assert (audio.width, audio.height) == (None, None)
    assert caption_of("document", "x", job) == f"x\nmp4 720p · {source}"
    assert caption_of("video", "x", replace(job, variant=Variant("mp4", "best"))) == f"x\nmp4 · {source}"
    odd = replace(job, url='https://www.a.example/"<&>' + "x" * 900, variant=Variant("mp4", "best"))
    assert parse_html(caption_of("video", "x" * 3000, odd))[0].endswith("…\nmp4 · a.example")
