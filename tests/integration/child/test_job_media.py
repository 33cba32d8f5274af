"""What Telegram is told of a film or a song, and what is sent, by what the locked ffmpeg really makes."""

from __future__ import annotations

import gzip
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import msgspec
import pytest

from doradura.media.protocol import Failure, Result
from doradura.media.variant import Variant, fitting
from tests.integration.child.conftest import LIMITS, Jobs
from tests.integration.child.raw_site import Answer, answer, drip
from tests.integration.child.studio import FASTSTART, H264, change, make, run, served


async def test_a_film_filmed_upright(jobs: Jobs, tmp_path: Path) -> None:
    """A turned film is told and previewed as it is shown."""
    film = make(tmp_path / "film.mp4", *H264)
    turned = change(tmp_path / "t.mp4", "-display_rotation", "90", "-i", str(film), "-c", "copy", *FASTSTART)
    end = await run(jobs, {"/t.mp4": served(turned)}, "/t.mp4")
    assert (end.last.width, end.last.height) == (360, 640)
    thumbnail = jobs.still(end.last.thumbnail_path)
    assert (thumbnail.width, thumbnail.height) == (180, 320)


async def test_a_turned_film_made_smaller_stays_upright(jobs: Jobs, tmp_path: Path) -> None:
    """An encode keeps the shape that is shown, and its shorter side is what was asked for."""
    film = make(tmp_path / "film.mp4", *H264, size="1280x720")
    turned = change(tmp_path / "t.mp4", "-display_rotation", "90", "-i", str(film), "-c", "copy", *FASTSTART)
    end = await run(jobs, {"/t.mp4": served(turned)}, "/t.mp4", "mp4", "360p")
    assert (end.last.width, end.last.height) == (360, 640)


@pytest.mark.parametrize("codec", [H264, ("-c:v", "mpeg4", "-c:a", "aac")])
async def test_pixels_that_are_not_square(jobs: Jobs, tmp_path: Path, codec: tuple[str, ...]) -> None:
    """The shown size is told, and the preview has that shape; what is encoded has square pixels."""
    film = make(tmp_path / "f.mp4", "-vf", "setsar=64/45", *codec, *FASTSTART, size="720x576")
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4")
    assert (end.last.width, end.last.height) == (1024, 576)
    thumbnail = jobs.still(end.last.thumbnail_path)
    assert (thumbnail.width, thumbnail.height) == (320, 180)
    made = jobs.facts(end.last.path).video
    assert made is not None
    assert made.square == (codec != H264)


@pytest.mark.parametrize(("quality", "size"), [("360p", (640, 360)), ("480p", (854, 480))])
async def test_the_quality_asked_for_is_made(jobs: Jobs, tmp_path: Path, quality: str, size: tuple[int, int]) -> None:
    """A link to one large film gives the small one that was asked for, in square pixels where a side was rounded."""
    film = make(tmp_path / "f.mp4", *H264, *FASTSTART, size="1920x1080")
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4", "mp4", quality)
    assert (end.last.width, end.last.height) == size
    assert end.last.duration_seconds == pytest.approx(2.0, abs=0.1)
    made = jobs.facts(end.last.path).video
    assert made is not None
    assert made.square


async def test_odd_sides_are_made_even(jobs: Jobs, tmp_path: Path) -> None:
    """What is encoded loses a line at most, and its pixels are square."""
    film = make(tmp_path / "f.mp4", "-c:v", "mpeg4", "-c:a", "aac", *FASTSTART, size="641x361")
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4")
    made = jobs.facts(end.last.path).video
    assert made is not None
    assert (end.last.width, end.last.height, made.width, made.square) == (640, 360, 640, True)


@pytest.mark.parametrize(("quality", "height"), [("360p", 360), ("720p", 720)])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
async def test_a_film_over_the_limit_is_made_to_fit(
    jobs: Jobs, tmp_path: Path, quality: str, height: int, codec: str
) -> None:
    """A film too large to send comes in the quality asked for, within the limit, which its own is not."""
    film = _noisy(tmp_path / "f.mp4", codec)
    limits = msgspec.structs.replace(LIMITS, upload_bytes=min(1_000_000, film.stat().st_size // 2))
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4", "mp4", quality, limits=limits)
    assert isinstance(end.last, Result), end.last
    assert end.last.size_bytes <= limits.upload_bytes
    assert end.last.height == height


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
async def test_a_film_over_the_limit_offers_smaller_ones(jobs: Jobs, tmp_path: Path, container: str) -> None:
    """`best` of what plays as it is is refused, and neither the refusal nor a look rules the smaller ones out.

    Also where the film's start does not state its length, which the download will know.
    """
    made = _noisy(tmp_path / "f.mp4", "libx264")
    film = change(tmp_path / "f", "-i", str(made), "-c", "copy", *FASTSTART, "-f", container)
    limits = msgspec.structs.replace(LIMITS, upload_bytes=1_000_000)
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4", "mp4", "best", limits=limits)
    assert end.last.reason == "too_large"
    over = {size.variant for size in end.last.sizes if size.size_bytes > limits.upload_bytes}
    assert {each for each in over if each.format == "mp4"} == {Variant("mp4", "best")}


@pytest.mark.parametrize("sound", [("-c:a", "aac"), ("-an",)])
async def test_what_is_offered_instead_is_made(jobs: Jobs, tmp_path: Path, sound: tuple[str, ...]) -> None:
    """`best` of a film of 360 lines over the limit offers no more lines than that, and 360p of it is made to fit."""
    film = _noisy(tmp_path / "f.mp4", "libx264", *sound, size="640x360")
    limits = msgspec.structs.replace(LIMITS, upload_bytes=film.stat().st_size // 2)
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4", "mp4", "best", limits=limits)
    known = {size.variant: size.size_bytes for size in end.last.sizes}
    instead = fitting(
        Variant("mp4", "best"), known, limits.upload_bytes, lines=end.last.lines, has_audio=end.last.has_audio
    )
    songs = [] if "-an" in sound else [Variant("m4a", "default"), Variant("mp3", "128k")]
    assert instead == [Variant("mp4", "360p"), *songs]
    for path in sorted(jobs.directory.iterdir()):
        path.unlink()
    jobs.directory.rmdir()
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4", "mp4", "360p", limits=limits)
    assert isinstance(end.last, Result), end.last
    assert (end.last.height, end.last.size_bytes <= limits.upload_bytes) == (360, True)


async def test_a_film_that_cannot_fit_is_refused_before_it_is_encoded(jobs: Jobs, tmp_path: Path) -> None:
    """What length and limit leave too few bits for is too large at once."""
    film = _noisy(tmp_path / "f.mp4", "libx265")
    limits = msgspec.structs.replace(LIMITS, upload_bytes=100_000)
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4", "mp4", "720p", limits=limits)
    assert end.last.reason == "too_large", end.last
    assert not any("libx264" in line for line in jobs.commands.lines())


def _noisy(path: Path, codec: str, *sound: str, size: str = "1280x720") -> Path:
    """Make a film of three seconds that has some megabytes."""
    rate = ["-b:v", "12M", "-minrate", "12M", "-maxrate", "12M", "-bufsize", "4M"]
    fast = ["-c:v", codec, "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    quiet = ["-x265-params", "log-level=none"] if codec == "libx265" else []
    noise = ["-vf", "noise=alls=60:allf=t"]
    return make(path, *noise, *fast, *rate, *quiet, *sound, *FASTSTART, size=size, seconds=3.0)


@pytest.mark.parametrize("form", ["m4a", "mp4"])
@pytest.mark.parametrize("codec", ["flac", "aac"])
async def test_surround_sound_becomes_stereo(jobs: Jobs, tmp_path: Path, form: str, codec: str) -> None:
    """Songs have two channels, and so has a film's sound that is encoded; AAC in a film stays as it is."""
    sound = ["-af", "pan=7.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0|c6=c0|c7=c0", "-c:a", codec]
    film = make(tmp_path / "f.mkv", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *sound)
    quality = "default" if form == "m4a" else "best"
    end = await run(jobs, {"/f.mkv": served(film, "video/x-matroska")}, "/f.mkv", form, quality)
    heard = jobs.facts(end.last.path).audio
    assert heard is not None
    assert heard.channels == (8 if (form, codec) == ("mp4", "aac") else 2)
    assert 0 < end.content.index(b"moov") < end.content.index(b"mdat")


async def test_the_default_sound_and_film_are_sent(jobs: Jobs, tmp_path: Path) -> None:
    """Of several sounds and films a player's choice is sent, and not the first in the file."""
    film = make(
        tmp_path / "f.mkv",
        *("-f", "lavfi", "-i", "testsrc=s=160x90:r=25:d=2", "-f", "lavfi", "-i", "anoisesrc=d=2:c=pink:r=48000"),
        *("-map", "2:v", "-map", "0:v", "-map", "1:a", "-map", "3:a", *H264, "-ac:a:0", "1", "-ac:a:1", "2"),
        *("-disposition:v:0", "0", "-disposition:v:1", "default", "-disposition:a:0", "0"),
        *("-disposition:a:1", "default", "-metadata:s:a:0", "language=rus", "-metadata:s:a:1", "language=eng"),
    )
    end = await run(jobs, {"/f.mkv": served(film, "video/x-matroska")}, "/f.mkv")
    facts = jobs.facts(end.last.path)
    assert (end.last.width, end.last.height) == (640, 360)
    assert [(sound.channels, sound.sample_rate) for sound in facts.sounds] == [(2, 48_000)]
    assert len(facts.pictures) == 1


@pytest.mark.parametrize(
    "tags",
    [
        "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc",
        "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020c",
        "transfer=smpte2084",
        "transfer=arib-std-b67:colormatrix=bt2020nc",
    ],
)
async def test_high_range_is_mapped(jobs: Jobs, tmp_path: Path, tags: str) -> None:
    """HLG and PQ in ten bits are sent in eight, as a usual screen has them, also where the file tells half of it."""
    film = make(
        tmp_path / "f.mp4",
        *("-vf", "scale=out_color_matrix=bt2020,format=yuv420p10le", "-c:v", "libx264", "-preset", "ultrafast"),
        *("-x264-params", tags, "-c:a", "aac", *FASTSTART),
    )
    source = jobs.facts(str(film)).video
    assert source is not None
    assert source.high_range
    end = await run(jobs, {"/f.mp4": served(film)}, "/f.mp4")
    made = jobs.facts(end.last.path).video
    assert made is not None
    assert (made.high_range, made.pixels) == (False, "yuv420p")
    with av.open(end.last.path) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_trc, context.color_primaries, context.colorspace) == (BT709, BT709, BT709)


@pytest.mark.parametrize("quality", ["128k", "320k"])
async def test_an_mp3_at_or_under_the_rate_is_copied(jobs: Jobs, tmp_path: Path, quality: str) -> None:
    """An MP3 is not encoded to a larger and worse one."""
    song = make(tmp_path / "s.mp3", "-map", "1:a", "-b:a", "128k", seconds=5.0)
    end = await run(jobs, {"/s.mp3": served(song, "audio/mpeg")}, "/s.mp3", "mp3", quality)
    assert end.last.size_bytes <= song.stat().st_size + 4096
    assert not any("libmp3lame" in line for line in jobs.commands.lines())


BT709 = 1
"""In all three of H.273's tables."""


@pytest.mark.parametrize(("limit", "fits"), [(900_000, True), (400_000, False)])
async def test_a_long_song_is_made_to_fit_or_refused_before_the_encode(
    jobs: Jobs, tmp_path: Path, limit: int, *, fits: bool
) -> None:
    """An m4a has no rate of its own: it is encoded at what can be sent, and not at all where that is too little."""
    song = make(
        tmp_path / "s.flac", "-filter_complex", "[1:a]aeval=random(0)-0.5|random(1)-0.5[a]", "-map", "[a]", seconds=60.0
    )
    limits = msgspec.structs.replace(LIMITS, upload_bytes=limit)
    end = await run(jobs, {"/s.flac": served(song, "audio/flac")}, "/s.flac", "m4a", "default", limits=limits)
    if fits:
        assert isinstance(end.last, Result), end.last
        assert limit // 2 < end.last.size_bytes <= limit
        return
    assert end.last.reason == "too_large", end.last
    assert not any("aac" in line for line in jobs.commands.lines())
    over = {size.variant.key for size in end.last.sizes if size.size_bytes > limit}
    assert over == {"m4a:default", "mp3:128k", "mp3:192k", "mp3:320k"}


PAGE = (
    "<html><head><title>Film</title><meta property='og:image' content='/poster'></head>"
    "<body><video src='/film.mp4'></video></body></html>"
)


@pytest.mark.parametrize(
    ("film", "poster", "thumbnail"),
    [
        ("640x360", "400x1600", (320, 180)),
        ("360x640", "500x500", (180, 320)),
        ("640x360", "8x8", (320, 180)),
        ("640x360", "1280x720", (320, 180)),
    ],
)
async def test_a_preview_has_its_films_shape(
    jobs: Jobs, tmp_path: Path, film: str, poster: str, thumbnail: tuple[int, int]
) -> None:
    """A poster of another shape, or a tiny one, gives way to a frame; one of the same shape is the preview."""
    made = make(tmp_path / "film.mp4", *H264, *FASTSTART, size=film)
    picture = change(
        tmp_path / "p.jpg", "-f", "lavfi", "-i", f"color=red:s={poster}:d=1", "-frames:v", "1", "-f", "mjpeg"
    )
    answers = {
        "/page.html": answer("text/html", PAGE.encode()),
        "/film.mp4": served(made),
        "/poster": served(picture, "image/jpeg"),
    }
    end = await run(jobs, answers, "/page.html")
    still = jobs.still(end.last.thumbnail_path)
    assert (still.width, still.height) == thumbnail
    assert _is_red(Path(end.last.thumbnail_path)) == (poster == "1280x720")


async def test_a_broken_poster_is_left_out(jobs: Jobs, tmp_path: Path) -> None:
    """A picture that was cut off, of which FFmpeg paints the rest green, gives way to a frame of the film."""
    made = make(tmp_path / "film.mp4", *H264, *FASTSTART)
    picture = change(
        tmp_path / "p.jpg", "-f", "lavfi", "-i", "color=red:s=1280x720:d=1", "-frames:v", "1", "-f", "mjpeg"
    )
    picture.write_bytes(picture.read_bytes()[: picture.stat().st_size * 95 // 100])
    answers = {
        "/page.html": answer("text/html", PAGE.encode()),
        "/film.mp4": served(made),
        "/poster": served(picture, "image/jpeg"),
    }
    end = await run(jobs, answers, "/page.html")
    assert not _is_red(Path(end.last.thumbnail_path))


async def test_a_songs_cover_stays_square(jobs: Jobs, tmp_path: Path) -> None:
    """The sound of a film has the cover that its site gives it, whatever shape the film has."""
    made = make(tmp_path / "film.mp4", *H264, *FASTSTART)
    picture = change(
        tmp_path / "p.jpg", "-f", "lavfi", "-i", "color=red:s=500x500:d=1", "-frames:v", "1", "-f", "mjpeg"
    )
    answers = {
        "/page.html": answer("text/html", PAGE.encode()),
        "/film.mp4": served(made),
        "/poster": served(picture, "image/jpeg"),
    }
    end = await run(jobs, answers, "/page.html", "m4a", "default")
    cover = jobs.facts(end.last.path).cover
    assert cover is not None
    assert (cover.width, cover.height) == (500, 500)


def _is_red(path: Path) -> bool:
    """Whether a picture is the red one."""
    raw = change(path.with_suffix(".rgb"), "-i", str(path), "-vf", "scale=1:1", "-f", "rawvideo", "-pix_fmt", "rgb24")
    red, green, blue = raw.read_bytes()[:3]
    return red > 200 and green < 60 and blue < 60


async def test_a_slow_poster_is_left_out(jobs: Jobs, tmp_path: Path) -> None:
    """A poster that takes minutes at 20 kB a second, which is over the floor, gives way to a frame of the film."""
    made = make(tmp_path / "film.mp4", *H264, *FASTSTART)
    slow = drip(answer("image/jpeg", bytes(4_000_000)), size=2_000, pause_seconds=0.1, at_once=120)
    answers = {"/page.html": answer("text/html", PAGE.encode()), "/film.mp4": served(made), "/poster": slow}
    began = time.monotonic()
    end = await run(jobs, answers, "/page.html")
    assert isinstance(end.last, Result), end.last
    assert time.monotonic() - began < 100


@pytest.mark.parametrize("again", ["init.mp4?2", "init.mp4"])
async def test_a_playlist_with_two_ways_of_coding(jobs: Jobs, again: str) -> None:
    """A second EXT-X-MAP is unsupported before a part is fetched, and no fault of the site; one said again is none."""
    place = jobs.site.media / "fmp4"
    answers: dict[str, Answer] = {
        f"/{each.name}": answer("video/mp4", each.read_bytes()) for each in place.iterdir() if each.suffix != ".m3u8"
    }
    lines = (place / "index.m3u8").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("#EXTINF")) + 2
    second = "\n".join([*lines[:at], "#EXT-X-DISCONTINUITY", f'#EXT-X-MAP:URI="{again}"', *lines[at:]])
    answers["/two.m3u8"] = answer("application/vnd.apple.mpegurl", second.encode())
    end = await run(jobs, answers, "/two.m3u8")
    if again == "init.mp4":
        assert isinstance(end.last, Result), end.last
        assert end.last.duration_seconds == pytest.approx(4.0, abs=0.1)
        return
    assert (end.last.reason, end.last.lacks) == ("unsupported", "one_coding"), end.last
    assert not end.last.reason.ours
    assert not end.last.reason.retried
    assert not any(progress.fetched_bytes for progress in end.progress)


@pytest.mark.parametrize("ahead_seconds", [0, 3600])
async def test_a_playlist_whose_clock_begins_anew(jobs: Jobs, ahead_seconds: int) -> None:
    """Parts in one way of coding that each have a clock of their own are unsupported: they would play in no time."""
    place = jobs.site.media / "fmp4"
    answers: dict[str, Answer] = {
        f"/{each.name}": answer("video/mp4", each.read_bytes()) for each in place.iterdir() if each.suffix != ".m3u8"
    }
    lines = (place / "index.m3u8").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("#EXTINF"))
    parts = [line for line in lines[at:] if line != "#EXT-X-ENDLIST"]
    if ahead_seconds:
        later = [f"later-{line}" if not line.startswith("#") else line for line in parts]
        for line in parts:
            if not line.startswith("#"):
                answers[f"/later-{line}"] = answer("video/mp4", _moved((place / line).read_bytes(), ahead_seconds))
    else:
        later = parts
    said = next(line for line in lines if line.startswith("#EXT-X-MAP"))
    both = "\n".join([*lines[:at], *parts, "#EXT-X-DISCONTINUITY", said, *later, "#EXT-X-ENDLIST"])
    answers["/two.m3u8"] = answer("application/vnd.apple.mpegurl", both.encode())
    end = await run(jobs, answers, "/two.m3u8")
    assert isinstance(end.last, Failure), end.last
    assert (end.last.reason, end.last.lacks) == ("unsupported", "one_coding"), end.last


@pytest.mark.parametrize("periods", [1, 2])
async def test_a_manifest_of_several_periods(jobs: Jobs, periods: int) -> None:
    """Periods of a DASH manifest whose clocks each begin at nought are unsupported: one would hide the other."""
    place = jobs.site.media / "dash"
    answers: dict[str, Answer] = {
        f"/{each.name}": answer("video/mp4", each.read_bytes()) for each in place.iterdir() if each.suffix != ".mpd"
    }
    manifest = (place / "manifest.mpd").read_text()
    period = manifest[manifest.index("<Period") : manifest.index("</Period>") + len("</Period>")]
    answers["/f.mpd"] = answer("application/dash+xml", manifest.replace(period, period * periods).encode())
    end = await run(jobs, answers, "/f.mpd")
    if periods == 1:
        assert isinstance(end.last, Result), end.last
        return
    assert isinstance(end.last, Failure), end.last
    assert (end.last.reason, end.last.lacks) == ("unsupported", "one_coding"), end.last


def _moved(segment: bytes, seconds: int) -> bytes:
    """A segment whose tracks' clocks are so far ahead (tfdt boxes of version 1; a second has 44,100 ticks at most)."""

    def later(box: re.Match[bytes]) -> bytes:
        return box[1] + (int.from_bytes(box[2], "big") + seconds * 44_100).to_bytes(8, "big")

    return re.sub(rb"(tfdt\x01\0\0\0)(.{8})", later, segment, flags=re.DOTALL)


async def test_a_server_names_its_file(jobs: Jobs, tmp_path: Path) -> None:
    """Content-Disposition is the title of a plain file that has none of its own."""
    made = make(tmp_path / "film.mp4", *H264, *FASTSTART)
    named = served(made, "video/mp4", "Content-Disposition: attachment; filename*=UTF-8''A%20talk.mp4")
    end = await run(jobs, {"/i.mp4": named}, "/i.mp4")
    assert end.last.title == "A talk"


@pytest.mark.parametrize("packed", ["gzip", "GZIP", "gzip, gzip", "deflate", "br", "utf-8"])
@pytest.mark.parametrize("kind", ["video/mp4", "audio/mpeg"])
async def test_a_false_header_of_packing(jobs: Jobs, tmp_path: Path, kind: str, packed: str) -> None:
    """A film or a song said to be packed, which it is not, is delivered as it came."""
    arguments = (*H264, *FASTSTART) if kind == "video/mp4" else ("-map", "1:a", "-id3v2_version", "0")
    made = make(tmp_path / ("f.mp4" if kind == "video/mp4" else "f.mp3"), *arguments)
    form = ("mp4", "best") if kind == "video/mp4" else ("mp3", "320k")
    end = await run(jobs, {"/f": served(made, kind, f"Content-Encoding: {packed}")}, "/f", *form)
    assert isinstance(end.last, Result), end.last
    assert end.last.fetched_bytes == made.stat().st_size
    assert end.last.duration_seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("packed", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_true_header_of_packing(
    jobs: Jobs, tmp_path: Path, packed: str, pack: Callable[[bytes], bytes]
) -> None:
    """What is packed is unpacked."""
    made = make(tmp_path / "film.mp4", *H264, *FASTSTART)
    packed_film = answer("video/mp4", pack(made.read_bytes()), f"Content-Encoding: {packed}")
    end = await run(jobs, {"/f.mp4": packed_film}, "/f.mp4")
    assert isinstance(end.last, Result), end.last
    assert end.content == made.read_bytes()
