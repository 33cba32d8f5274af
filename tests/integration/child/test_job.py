"""One job from link to file, in a real child process against a real site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import imageio_ffmpeg
import msgspec
import pytest

from doradura.child import ffmpeg
from doradura.media.protocol import Failure, Metadata, Result, SelfTest
from tests.integration.child.conftest import LIMITS

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs


@pytest.mark.parametrize(("quality", "kilobits"), [("128k", 128), ("192k", 192), ("320k", 320)])
async def test_mp3_has_exactly_the_bit_rate_asked_for(jobs: Jobs, quality: str, kilobits: int) -> None:
    """An MP3 has the constant bit rate that was asked for, and the source's length."""
    end = await jobs.run("/sample.mp4", "mp3", quality)
    facts = jobs.facts(end.last.path)
    assert facts.audio is not None
    assert facts.audio.codec == "mp3"
    assert facts.audio.bits_per_second == kilobits * 1000
    assert facts.duration_seconds == pytest.approx(4.0, abs=0.1)
    assert end.last.duration_seconds == facts.duration_seconds
    assert end.last.size_bytes == len(end.content)


async def test_mp3_of_a_low_sample_rate_still_has_its_bit_rate(jobs: Jobs) -> None:
    """A source under MPEG-1's sample rates is resampled, because 320 kbit/s do not exist there."""
    end = await jobs.run("/low.wav", "mp3", "320k")
    facts = jobs.facts(end.last.path)
    assert facts.audio is not None
    assert (facts.audio.bits_per_second, facts.audio.sample_rate) == (320_000, 44_100)


async def test_the_files_own_tags_name_a_plain_file(jobs: Jobs) -> None:
    """Where the link is a bare file, the embedded title and artist are told and written into the product."""
    end = await jobs.run("/sample.mp4", "mp3", "128k")
    facts = jobs.facts(end.last.path)
    assert (end.last.title, end.last.performer) == ("Doradura sample", "Sandbox")
    assert (facts.title, facts.artist) == ("Doradura sample", "Sandbox")
    assert Path(end.last.path).name == "media.mp3"


async def test_m4a_copies_aac(jobs: Jobs) -> None:
    """AAC in the source is copied: the product's sound has the source's bit rate."""
    source = jobs.facts(str(jobs.site.media / "sample.mp4"))
    end = await jobs.run("/sample.mp4", "m4a", "default")
    facts = jobs.facts(end.last.path)
    assert source.audio is not None
    assert facts.audio is not None
    assert facts.audio.codec == "aac"
    assert facts.audio.bits_per_second == source.audio.bits_per_second
    assert (facts.title, facts.artist) == ("Doradura sample", "Sandbox")
    assert any("-c:a" in line and line[line.index("-c:a") + 1] == "copy" for line in jobs.commands.lines())


async def test_m4a_encodes_what_is_not_aac(jobs: Jobs) -> None:
    """Another codec becomes AAC."""
    end = await jobs.run("/other.webm", "m4a", "default")
    audio = jobs.facts(end.last.path).audio
    assert audio is not None
    assert audio.codec == "aac"


@pytest.mark.parametrize(
    ("quality", "size"),
    [("360p", (640, 360)), ("1080p", (640, 360)), ("best", (640, 360))],
)
async def test_mp4_takes_the_best_at_or_under_the_height(jobs: Jobs, quality: str, size: tuple[int, int]) -> None:
    """Of several heights the largest that is not over the asked one is fetched, and none above it."""
    end = await jobs.run("/master.m3u8", "mp4", quality)
    assert (end.last.width, end.last.height) == size
    assert end.metadata.height == 360


async def test_mp4_under_every_height_takes_the_smallest(jobs: Jobs) -> None:
    """When all are larger than what was asked for, the smallest is taken."""
    (jobs.site.media / "tall.m3u8").write_text(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1280x720\nts/index.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=852x480\nsmall/index.m3u8\n",
    )
    end = await jobs.run("/tall.m3u8", "mp4", "360p")
    assert (end.last.width, end.last.height) == (320, 180)


async def test_mp4_plays_from_its_start_and_keeps_h264(jobs: Jobs) -> None:
    """H.264 and AAC are copied, and the index stands before the media, so that clients can stream."""
    assert (jobs.site.media / "small.mp4").read_bytes().index(b"mdat") < 1000
    end = await jobs.run("/small.mp4", "mp4", "720p")
    assert 0 < end.content.index(b"moov") < end.content.index(b"mdat")
    assert not any("libx264" in line for line in jobs.commands.lines())
    assert end.last.duration_seconds == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(
    ("path", "quality"), [("sample.mp4", "720p"), ("sample.mp4", "360p"), ("padded.mp4", "best"), ("mute.mp4", "720p")]
)
async def test_mp4_that_is_one_already_is_taken_as_it_is(jobs: Jobs, path: str, quality: str) -> None:
    """A file that Telegram can stream arrives byte for byte, measured and with a thumbnail, and no ffmpeg writes it."""
    if path == "mute.mp4":
        source, mute = jobs.site.media / "silent.mp4", jobs.site.media / path
        ffmpeg.run(imageio_ffmpeg.get_ffmpeg_exe(), [source], ["-c", "copy", "-movflags", "+faststart", f"file:{mute}"])
    end = await jobs.run(f"/{path}", "mp4", quality)
    assert end.content == (jobs.site.media / path).read_bytes()
    assert Path(end.last.path).name == "media.mp4"
    assert end.last.size_bytes == end.last.fetched_bytes == len(end.content)
    assert (end.last.width, end.last.height) == (640, 360)
    assert end.last.duration_seconds == pytest.approx(4.0, abs=0.1)
    assert jobs.still(end.last.thumbnail_path).width == 320
    assert not any("mp4" in line[-2] for line in jobs.commands.lines())
    assert not (jobs.directory / "source0").exists()


async def test_a_padded_mp4_is_as_large_as_its_site_says(jobs: Jobs) -> None:
    """What a file is padded with counts: it is refused by the length that would be sent."""
    size = (jobs.site.media / "padded.mp4").stat().st_size
    limits = msgspec.structs.replace(LIMITS, upload_bytes=size - 1)
    end = await jobs.run("/padded.mp4", "mp4", "best", limits=limits)
    assert isinstance(end.last, Failure)
    assert end.last.reason == "too_large"


async def test_mp4_encodes_what_players_cannot_show(jobs: Jobs) -> None:
    """VP8 and Opus become H.264 in 4:2:0 and AAC."""
    end = await jobs.run("/other.webm", "mp4", "720p")
    facts = jobs.facts(end.last.path)
    assert facts.video is not None
    assert facts.audio is not None
    assert (facts.video.codec, facts.video.pixels, facts.audio.codec) == ("h264", "yuv420p", "aac")


async def test_mp4_of_a_silent_film(jobs: Jobs) -> None:
    """A film without sound is sent without sound."""
    end = await jobs.run("/silent.mp4", "mp4", "720p")
    facts = jobs.facts(end.last.path)
    assert facts.video is not None
    assert facts.audio is None


@pytest.mark.parametrize("path", ["/ts/index.m3u8", "/fmp4/index.m3u8", "/dash/manifest.mpd"])
@pytest.mark.parametrize(("form", "quality"), [("mp3", "128k"), ("mp4", "720p"), ("m4a", "default")])
async def test_segments_are_put_together(jobs: Jobs, path: str, form: str, quality: str) -> None:
    """HLS of both kinds and DASH with sound and picture apart come out whole."""
    end = await jobs.run(path, form, quality)
    assert isinstance(end.last, Result), end.last
    facts = jobs.facts(end.last.path)
    assert facts.audio is not None
    assert (facts.video is not None) == (form == "mp4")
    assert facts.duration_seconds == pytest.approx(4.0, abs=0.15)


async def test_a_page_gives_title_and_picture(jobs: Jobs) -> None:
    """A page's title is the product's, without yt-dlp's count, and its picture the thumbnail and the cover."""
    end = await jobs.run("/page.html", "mp3", "128k")
    assert end.last.title == "A fine film"
    assert "/cover.webp" in jobs.site.asked
    thumbnail = jobs.still(end.last.thumbnail_path)
    assert (thumbnail.codec, thumbnail.width, thumbnail.height) == ("mjpeg", 320, 180)
    assert jobs.facts(end.last.path).cover is not None


async def test_a_film_without_a_picture_gives_a_frame(jobs: Jobs) -> None:
    """Without a picture of the site's, the thumbnail is a frame: JPEG, at most 320 pixels a side and 200 kB."""
    end = await jobs.run("/sample.mp4", "mp4", "720p")
    small = jobs.still(end.last.thumbnail_path)
    assert (small.codec, small.width, small.height) == ("mjpeg", 320, 180)
    assert (jobs.directory / "thumbnail.jpg").stat().st_size < 200_000


async def test_sound_alone_has_no_thumbnail(jobs: Jobs) -> None:
    """A missing picture fails nothing."""
    end = await jobs.run("/low.wav", "mp3", "128k")
    assert isinstance(end.last, Result)
    assert end.last.thumbnail_path is None


async def test_progress_counts_every_part(jobs: Jobs) -> None:
    """Bytes are counted over picture and sound together, never fall, and end with what was fetched."""
    end = await jobs.run("/dash/manifest.mpd", "mp4", "720p")
    counted = [progress.fetched_bytes for progress in end.progress]
    assert counted == sorted(counted)
    assert [progress.stage for progress in end.progress][-1] == "converting"
    served = sum(f.stat().st_size for f in (jobs.site.media / "dash").glob("*.m4s"))
    assert end.last.fetched_bytes == counted[-1] >= served


async def test_probe_knows_title_length_and_sizes_of_a_plain_file(jobs: Jobs) -> None:
    """The start of a file is enough to tell what it is, how long, and what each format would weigh."""
    end = await jobs.run("/sample.mp4", "", "", task="probe")
    assert isinstance(end.last, Metadata)
    assert len(end.messages) == 1
    assert (end.last.title, end.last.performer) == ("Doradura sample", "Sandbox")
    assert end.last.duration_seconds == pytest.approx(4.0, abs=0.1)
    assert (end.last.has_video, end.last.height) == (True, 360)
    sizes = {size.variant.key: size.size_bytes for size in end.last.sizes}
    assert sizes["mp3:320k"] == pytest.approx(160_000, rel=0.03)
    assert sizes["mp4:720p"] == (jobs.site.media / "sample.mp4").stat().st_size
    assert all(sizes.values())


@pytest.mark.parametrize("path", ["/master.m3u8", "/hls.html"])
async def test_probe_of_hls_adds_up_its_segments(jobs: Jobs, path: str) -> None:
    """A playlist says its length by its segments; nothing is fetched but playlists."""
    end = await jobs.run(path, "", "", task="probe")
    assert end.last.duration_seconds == pytest.approx(4.0, abs=0.1)
    assert "mp3:320k" in {size.variant.key for size in end.last.sizes}
    assert not any(path.endswith(".ts") for path in jobs.site.asked)


async def test_selftest_names_the_tools(jobs: Jobs) -> None:
    """The self-test tells the versions, and that the guard is in place."""
    end = await jobs.run("/", task="selftest")
    assert isinstance(end.last, SelfTest)
    assert end.last.yt_dlp[:2] == "20"
    assert end.last.ffmpeg
    assert end.last.guarded is True


async def test_cookies_are_read_and_not_written(jobs: Jobs, tmp_path: Path) -> None:
    """yt-dlp gets a copy of the cookies file, in the job's directory, so that it cannot change the operator's."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tname\tvalue\n")
    before = cookies.read_bytes()
    end = await jobs.run("/sample.mp4", "mp3", "128k", cookies_file=str(cookies))
    assert isinstance(end.last, Result), end.last
    assert cookies.read_bytes() == before
    assert (jobs.directory / "cookies.txt").read_bytes() == before
