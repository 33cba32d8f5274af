"""What files that the locked ffmpeg made state of their length, and whether a file cut off is known as that."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from doradura.child.facts import inspect
from doradura.child.stated import is_cut_off, stated_seconds
from doradura.media.protocol import Failure, Metadata, Result
from tests.integration.child.conftest import LIMITS, Jobs
from tests.integration.child.raw_site import answer
from tests.integration.child.studio import FASTSTART, H264, change, make, run, unmeasured

SONG = ("-map", "1:a")
MADE = {
    "faststart.mp4": (*H264, *FASTSTART),
    "end.mp4": H264,
    "fragmented.mp4": (*H264, "-movflags", "frag_keyframe+empty_moov"),
    "dash.mp4": (*H264, "-movflags", "frag_keyframe+empty_moov+global_sidx"),
    "a.mkv": H264,
    "a.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
    "a.avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
    "a.flv": H264,
    "constant.mp3": SONG,
    "variable.mp3": (*SONG, "-q:a", "2"),
    "a.flac": SONG,
    "a.wav": SONG,
    "a.m4a": (*SONG, "-c:a", "aac"),
    "cover.mp3": (
        *("-f", "lavfi", "-i", "nullsrc=s=500x500:d=0.04,geq=random(1)*255:128:128"),
        *("-map", "1:a", "-map", "2:v", "-c:v", "png", "-b:a", "320k"),
    ),
    "large.wav": (*SONG, "-rf64", "always"),
    "a.aiff": SONG,
    "a.w64": SONG,
    "a.caf": (*SONG, "-c:a", "pcm_s16le"),
    "a.au": SONG,
    "a.tta": (*SONG, "-c:a", "tta"),
    "a.wv": (*SONG, "-c:a", "wavpack"),
    "a.wma": (*SONG, "-c:a", "wmav2"),
    "a.wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
    "a.mov": H264,
    "a.ts": H264,
    "disc.m2ts": (*H264, "-mpegts_m2ts_mode", "1"),
    "a.ogg": (*SONG, "-c:a", "libvorbis"),
    "a.opus": (*SONG, "-c:a", "libopus"),
    "a.ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
}
SILENT = {
    "live.mkv": (*H264, "-live", "1"),
    "bare.mp3": (*SONG, "-write_xing", "0"),
}
STATING = (
    *("faststart.mp4", "a.mkv", "a.webm", "a.avi", "a.flv", "constant.mp3", "variable.mp3", "a.flac"),
    *("a.wav", "large.wav", "a.aiff", "a.au", "a.tta", "a.wv", "a.wma", "a.wmv"),
)
"""And of the rest of MADE the start is no media, or states nothing."""
SECONDS = 8.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the same film and song in every container."""
    place = tmp_path_factory.mktemp("stated")
    for name, arguments in {**MADE, **SILENT}.items():
        make(place / name, *arguments, size="320x180", seconds=SECONDS)
    return place


@pytest.mark.parametrize("name", sorted(MADE | SILENT))
def test_a_whole_file_is_not_cut_off(files: Path, name: str) -> None:
    """No whole file is taken for a part of one, whatever it states."""
    assert not is_cut_off(files / name, inspect(files / name))


@pytest.mark.parametrize("share", [0.4, 0.66, 0.9])
@pytest.mark.parametrize("name", sorted(MADE))
def test_a_file_cut_off_is_known(files: Path, tmp_path: Path, name: str, share: float) -> None:
    """A file that ends before its headers say is known, though FFmpeg reads it well; a guess counts for nothing."""
    content = (files / name).read_bytes()
    cut = tmp_path / "source0"
    cut.write_bytes(content[: int(len(content) * share) + 5])
    assert is_cut_off(cut, inspect(cut))


@pytest.mark.parametrize("name", sorted(MADE | SILENT))
def test_the_length_that_a_start_states(files: Path, tmp_path: Path, name: str) -> None:
    """The start of a file gives the whole length or none, never that of the part."""
    content = (files / name).read_bytes()
    start = tmp_path / "start"
    start.write_bytes(content[: len(content) // 2])
    facts = inspect(start)
    seconds = None if facts is None else stated_seconds(start.read_bytes(), facts)
    assert (seconds is not None) == (name in STATING)
    if seconds is not None:
        assert seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("name", ["faststart.mp4", "end.mp4", "fragmented.mp4", "a.mkv", "variable.mp3", "a.flac"])
async def test_a_server_that_closes_too_early(jobs: Jobs, files: Path, name: str) -> None:
    """Two thirds of a film whose server told no length are the network's fault, and no product."""
    content = (files / name).read_bytes()
    form = ("mp4", "best") if name.endswith(("mp4", "mkv")) else ("mp3", "320k")
    cut = unmeasured(content[: len(content) * 2 // 3])
    end = await run(jobs, {f"/{name}": cut}, f"/{name}", *form)
    assert isinstance(end.last, Failure), end.last
    assert (end.last.reason, end.last.final) == ("network", False), end.last.detail


@pytest.mark.parametrize("name", ["end.mp4", "a.mkv", "bare.mp3"])
async def test_a_server_that_tells_no_length(jobs: Jobs, files: Path, name: str) -> None:
    """A whole file of an untold length is delivered."""
    form = ("mp4", "best") if name.endswith(("mp4", "mkv")) else ("mp3", "320k")
    end = await run(jobs, {f"/{name}": unmeasured((files / name).read_bytes())}, f"/{name}", *form)
    assert isinstance(end.last, Result), end.last


@pytest.mark.parametrize(("extra", "seconds"), [((), 200.0), (("-write_xing", "0"), None)])
async def test_a_long_song_is_told_with_the_length_it_states(
    jobs: Jobs, tmp_path: Path, extra: tuple[str, ...], seconds: float | None
) -> None:
    """The length of an MP3 of which only the first 2 MiB were read is what its header says, else it is not told."""
    song = make(tmp_path / "s.mp3", *SONG, "-b:a", "128k", *extra, seconds=200.0)
    assert song.stat().st_size > 2 * 1024 * 1024
    end = await run(jobs, {"/s.mp3": answer("audio/mpeg", song.read_bytes())}, "/s.mp3", task="probe")
    assert isinstance(end.last, Metadata), end.last
    assert end.last.duration_seconds == (None if seconds is None else pytest.approx(seconds, abs=0.2))


QUIET_START = "aevalsrc=if(lt(t\\,3)\\,0\\,random(0)-0.5):d=20:s=44100"
"""FFmpeg guesses ten times its length from the rate of its first frames."""


async def test_a_song_of_variable_rate_is_measured(jobs: Jobs, tmp_path: Path) -> None:
    """A whole MP3 file that states no length is told with its own by a look, not with a guess."""
    song = change(tmp_path / "s.mp3", "-f", "lavfi", "-i", QUIET_START, "-q:a", "0", "-write_xing", "0")
    end = await run(jobs, {"/s.mp3": answer("audio/mpeg", song.read_bytes())}, "/s.mp3", task="probe")
    assert end.last.duration_seconds == pytest.approx(20.0, abs=0.2)


async def test_a_song_is_not_refused_for_a_guess(jobs: Jobs, tmp_path: Path) -> None:
    """What follows from length and rate follows from the true length."""
    song = change(tmp_path / "s.mp3", "-f", "lavfi", "-i", QUIET_START, "-q:a", "0", "-write_xing", "0")
    limits = msgspec.structs.replace(LIMITS, upload_bytes=500_000)
    answers = {"/s.mp3": answer("audio/mpeg", song.read_bytes())}
    end = await run(jobs, answers, "/s.mp3", "m4a", "default", limits=limits)
    assert isinstance(end.last, Result), end.last
    assert end.last.duration_seconds == pytest.approx(20.0, abs=0.2)


@pytest.mark.parametrize("task", ["probe", "download"])
async def test_a_file_larger_than_is_taken(jobs: Jobs, files: Path, task: str) -> None:
    """What is larger than any source may be has no smaller choice: the failure is final and tells no sizes."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 2200000000\r\nConnection: close\r\n\r\n"
    content = head + (files / "constant.mp3").read_bytes() * 40
    end = await run(jobs, {"/s.mp3": content}, "/s.mp3", "mp3", "128k", task=task)
    assert isinstance(end.last, Failure), end.last
    assert (end.last.reason, end.last.final, end.last.sizes) == ("too_large", True, ()), end.last.detail
