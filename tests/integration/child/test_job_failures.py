"""How jobs end that cannot end well, and what a hostile file cannot do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from doradura.child import ffmpeg
from doradura.media.protocol import Failure, Limits

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs


def limits(**changes: int) -> Limits:
    """The usual limits with changes."""
    usual = Limits(file_bytes=500_000_000, upload_bytes=50_000_000, cpu_seconds=60, memory_bytes=10**9, processes=16)
    return msgspec.structs.replace(usual, **changes)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing.mp4", "gone"),
        ("/status/410.mp4", "gone"),
        ("/status/401.mp4", "login"),
        ("/status/403.mp4", "private"),
        ("/status/429.mp4", "rate_limited"),
        ("/status/451.mp4", "geo"),
        ("/status/500.mp4", "site_error"),
        ("/status/503.mp4", "site_error"),
        ("/bare.html", "unsupported"),
        ("/several.html", "unsupported"),
        ("/words.mp4", "unsupported"),
        ("/photo.jpg", "unsupported"),
        ("/photo.png", "unsupported"),
        ("/empty.mp4", "unsupported"),
        ("/subtitles.mp4", "unsupported"),
        ("/deep.html", "unsupported"),
        ("/loop", "unsupported"),
        ("/onward?a", "unsupported"),
        ("/to-ftp", "unsupported"),
        ("/to-data", "unsupported"),
        ("/to-file", "refused_address"),
        ("/holed.m3u8", "site_error"),
        ("/long.m3u8", "unsupported"),
        ("/live.m3u8", "live"),
        ("/live-master.m3u8", "live"),
        ("/live.html", "live"),
    ],
)
async def test_a_site_that_refuses(jobs: Jobs, path: str, reason: str) -> None:
    """Each kind of refusal has its reason."""
    end = await jobs.run(path, "mp4", "720p")
    assert isinstance(end.last, Failure)
    assert end.last.reason == reason, end.last.detail
    assert 0 < len(end.last.detail) <= 500


@pytest.mark.parametrize("path", ["/photo.jpg", "/photo.png", "/empty.mp4", "/subtitles.mp4", "/words.mp4"])
async def test_probe_of_what_has_nothing_to_play(jobs: Jobs, path: str) -> None:
    """A link to a picture, to nothing or to words offers no formats."""
    end = await jobs.run(path, "", "", task="probe")
    assert isinstance(end.last, Failure), end.last
    assert end.last.reason == "unsupported", end.last.detail


@pytest.mark.parametrize("form", [("mp3", "128k"), ("m4a", "default")])
async def test_a_picture_is_no_sound(jobs: Jobs, form: tuple[str, str]) -> None:
    """A picture is unsupported for sound as well."""
    end = await jobs.run("/photo.jpg", *form)
    assert end.last.reason == "unsupported", end.last.detail


async def test_a_playlist_is_named(jobs: Jobs) -> None:
    """A page of several films says so in the detail."""
    end = await jobs.run("/several.html", "mp3", "128k")
    assert "playlist" in end.last.detail


async def test_a_torn_connection_is_the_networks_fault(jobs: Jobs) -> None:
    """A server that closes in the middle each time is given up soon, as worth another attempt."""
    began = time.monotonic()
    end = await jobs.run("/torn.mp4", "mp3", "320k")
    assert end.last.reason == "network", end.last.detail
    assert time.monotonic() - began < 60


async def test_a_server_that_is_not_there(jobs: Jobs) -> None:
    """A refused connection is the network's fault."""
    order = jobs.order("/", allowed_private=("127.0.0.1:9",))
    order = msgspec.structs.replace(order, url="http://127.0.0.1:9/film.mp4")
    async with jobs.workers.work(order) as conversation:
        last = [message async for message in conversation][-1]
    assert isinstance(last, Failure)
    assert last.reason == "network", last.detail


async def test_a_name_that_does_not_exist(jobs: Jobs) -> None:
    """A host nobody has is gone."""
    # The C library knows that no host is called so, and needs no name server for it.
    order = msgspec.structs.replace(jobs.order("/"), url="http://-film.invalid/film.mp4")
    async with jobs.workers.work(order) as conversation:
        last = [message async for message in conversation][-1]
    assert isinstance(last, Failure)
    assert last.reason == "gone", last.detail


async def test_sound_without_a_film_is_no_mp4(jobs: Jobs) -> None:
    """An audio file cannot become a video."""
    end = await jobs.run("/low.wav", "mp4", "720p")
    assert end.last.reason == "unsupported", end.last.detail


async def test_a_film_without_sound_is_no_mp3(jobs: Jobs) -> None:
    """A silent film cannot become audio."""
    end = await jobs.run("/silent.mp4", "mp3", "128k")
    assert (end.last.reason, end.last.detail) == ("unsupported", "JobError: the source has no sound")


async def test_a_file_too_large_to_send_is_not_fetched(jobs: Jobs) -> None:
    """A film that is sent as it is stops at its first bytes when the server's length is over the limit."""
    end = await jobs.run("/huge.mp4", "mp4", "best")
    assert end.last.reason == "too_large", end.last.detail
    assert "60000000" in end.last.detail


async def test_a_large_film_may_become_a_small_mp3(jobs: Jobs) -> None:
    """The upload limit holds for the product, not for what it is made of."""
    size = (jobs.site.media / "sample.mp4").stat().st_size
    end = await jobs.run("/sample.mp4", "mp3", "128k", limits=limits(upload_bytes=size - 1))
    assert end.last.size_bytes < size


async def test_a_product_too_large_to_send(jobs: Jobs) -> None:
    """A product over the limit is no product."""
    end = await jobs.run("/sample.mp4", "mp3", "320k", limits=limits(upload_bytes=100_000))
    assert end.last.reason == "too_large", end.last.detail
    weights = {size.variant.key: size.size_bytes for size in end.last.sizes}
    assert weights["mp3:128k"] == pytest.approx(4 * 16_000, rel=0.05)
    assert weights["mp3:320k"] == pytest.approx(4 * 40_000, rel=0.05)
    assert weights["mp4:360p"] == (jobs.site.media / "sample.mp4").stat().st_size


async def test_a_stream_too_large_to_send_tells_what_fits(jobs: Jobs) -> None:
    """What its sound would weigh follows from the playlist's length."""
    end = await jobs.run("/master.m3u8", "mp4", "720p", limits=limits(upload_bytes=70_000))
    assert end.last.reason == "too_large", end.last.detail
    weights = {size.variant.key: size.size_bytes for size in end.last.sizes}
    assert weights["mp3:128k"] == pytest.approx(4 * 16_000, rel=0.05)


async def test_a_site_that_goes_away_leaves_the_refusal(jobs: Jobs) -> None:
    """Sizes that can't be had any more change nothing of the reason."""
    end = await jobs.run("/huge.mp4", "mp4", "best")
    assert (end.last.reason, end.last.sizes) == ("too_large", ())


async def test_a_source_over_the_file_limit(jobs: Jobs) -> None:
    """Nothing larger than the file limit is fetched, whatever it is for."""
    end = await jobs.run("/huge.mp4", "mp3", "128k", limits=limits(file_bytes=1_000_000))
    assert (end.last.reason, end.last.final, end.last.sizes) == ("too_large", True, ()), end.last.detail


async def test_a_crash_of_ffmpeg(jobs: Jobs, tmp_path: Path) -> None:
    """An ffmpeg that is killed is a tool's crash."""
    script = tmp_path / "dying"
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    script.chmod(0o755)
    end = await jobs.run("/sample.mp4", "mp3", "128k", ffmpeg=str(script))
    assert end.last.reason == "tool_crash", end.last.detail


@pytest.mark.parametrize("form", [("mp3", "128k"), ("mp4", "720p"), ("m4a", "default")])
@pytest.mark.parametrize(
    "path", ["/evil-manifest.mp4", "/evil-playlist.mp4", "/evil-concat.mp4", "/evil-segments.m3u8"]
)
async def test_a_file_cannot_name_other_files(jobs: Jobs, path: str, form: tuple[str, str]) -> None:
    """A playlist or a script in the place of a film does not make the job read a file of this machine."""
    end = await jobs.run(path, *form)
    assert isinstance(end.last, Failure)
    assert end.last.reason in {"unsupported", "site_error", "refused_address"}, end.last.detail


@pytest.mark.parametrize("path", ["/sample.mp4", "/ts/index.m3u8", "/dash/manifest.mpd", "/page.html", "/other.webm"])
@pytest.mark.parametrize("form", [("mp3", "320k"), ("m4a", "default"), ("mp4", "360p")])
async def test_every_command_line_is_guarded(jobs: Jobs, path: str, form: tuple[str, str]) -> None:
    """Each input of each ffmpeg run is a local file behind both lists, and no address is ever given to ffmpeg."""
    await jobs.run(path, *form)
    lines = jobs.commands.lines()
    assert lines
    for line in lines:
        assert line[:3] == ["-nostdin", "-hide_banner", "-y"]
        assert not any("http" in word or "://" in word for word in line)
        start = 3
        places = [number for number, word in enumerate(line) if word == "-i"]
        assert places
        for place in places:
            before = line[start:place]
            assert before[before.index("-protocol_whitelist") + 1] == "file,pipe,crypto,data"
            allowed = before[before.index("-format_whitelist") + 1].split(",")
            assert not {"hls", "dash", "concat", "lavfi", "image2", "sdp"} & set(allowed)
            assert line[place + 1].startswith(f"file:{jobs.directory}/")
            start = place + 2


BROKEN = {
    "missing": None,
    "garbage": "#!/bin/sh\necho garbage\n",
    "silent": "#!/bin/sh\nexit 0\n",
    "failing": "#!/bin/sh\necho 'something: not found' >&2\nexit 127\n",
    "talking": "#!/bin/sh\necho 'ffmpeg version 7 says so'\n",
    "foreign": "\x7fELF\x02\x01\x01" + "\0" * 9 + "\x02\0\xb7\0",
    "forbidden": "#!/bin/sh\nexit 0\n",
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_ffmpeg_is_ours(jobs: Jobs, tmp_path: Path, kind: str) -> None:
    """An ffmpeg that is not there, does not start or says nothing of use never makes a film "no video"."""
    program, content = tmp_path / kind, BROKEN[kind]
    if content is not None:
        program.write_text(content)
        program.chmod(0o644 if kind == "forbidden" else 0o755)
    end = await jobs.run("/sample.mp4", "mp3", "128k", ffmpeg=str(program))
    assert end.last.reason == "tool_crash", end.last.detail


def test_an_ffmpeg_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question for its version ends within its time."""
    monkeypatch.setattr(ffmpeg, "_ANSWER_SECONDS", 0.2)
    program = tmp_path / "hanging"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    with pytest.raises(ffmpeg.ToolError, match=r"does not answer within 0\.2 s"):
        ffmpeg.version(str(program))
