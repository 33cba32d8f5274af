"""What is read of files that the locked ffmpeg made: each fact is what went in; no file's references are followed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from doradura.child.facts import Facts, Stream, inspect

FILM = ["-f", "lavfi", "-i", "testsrc=s=640x360:r=25:d=1", "-f", "lavfi", "-i", "sine=440:r=44100:d=1"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]


class Studio:
    """A directory and the locked ffmpeg."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.make(
            "film.mp4", *FILM, *H264, "-metadata", "title=A\u202e film\nand more\a", "-metadata", "artist=Somebody"
        )

    def make(self, name: str, *arguments: str) -> Path:
        """Make a file."""
        program, path = imageio_ffmpeg.get_ffmpeg_exe(), self.directory / name
        command = [program, "-v", "error", "-nostdin", "-y", *arguments, str(path)]
        subprocess.run(command, check=True, cwd=self.directory)
        return path

    def facts(self, name: str, *arguments: str) -> Facts:
        """Make a file, and read it under a name without an ending, as a fetched one has."""
        path = self.make(name, *arguments) if arguments else self.directory / name
        found = inspect(path.rename(self.directory / "source0") if arguments else path)
        assert found is not None
        return found

    def film(self, name: str, *arguments: str) -> Stream:
        """Make a file and give its film."""
        video = self.facts(name, *arguments).video
        assert video is not None
        return video


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """The directory with a film in it."""
    return Studio(tmp_path_factory.mktemp("studio"))


def test_a_film_is_read(studio: Studio) -> None:
    """Container, length, rates, streams, and the tags on one line each."""
    facts = studio.facts("film.mp4")
    assert "mp4" in facts.container.split(",")
    assert facts.duration_seconds == pytest.approx(1.0, abs=0.05)
    assert (facts.title, facts.artist) == ("A film and more", "Somebody")
    film, sound = facts.streams
    assert (film.kind, film.codec, film.pixels, film.width, film.height) == ("video", "h264", "yuv420p", 640, 360)
    assert (sound.kind, sound.codec, sound.sample_rate, sound.channels) == ("audio", "aac", 44_100, 1)
    assert facts.bits_per_second is not None
    assert not facts.is_still


@pytest.mark.parametrize(("turn", "size"), [(0, (640, 360)), (90, (360, 640)), (180, (640, 360)), (-90, (360, 640))])
@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_a_turned_film_is_as_large_as_it_is_shown(
    studio: Studio, turn: int, size: tuple[int, int], ending: str
) -> None:
    """A phone's film that is shown upright is told as upright."""
    source = str(studio.directory / "film.mp4")
    film = studio.film(f"turned.{ending}", "-display_rotation", str(turn), "-i", source, "-c", "copy")
    assert (film.width, film.height, film.turned) == (*size, turn != 0)


@pytest.mark.parametrize(
    ("scale", "aspect", "size"),
    [("720:576", "64/45", (1024, 576)), ("720:480", "8/9", (640, 480)), ("640:360", "0", (640, 360))],
)
def test_pixels_that_are_not_square(studio: Studio, scale: str, aspect: str, size: tuple[int, int]) -> None:
    """The width is told in square pixels."""
    source = str(studio.directory / "film.mp4")
    film = studio.film("wide.mp4", "-i", source, "-vf", f"scale={scale},setsar={aspect}", *H264)
    assert (film.width, film.height) == size
    assert film.square is (size[0] == int(scale.partition(":")[0]))


def test_the_default_sound_is_taken(studio: Studio) -> None:
    """Of two sounds the default one, of a commentary and a sound the sound, of equals the first."""
    source = str(studio.directory / "film.mp4")
    two = ["-i", source, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy"]
    chosen = []
    for marks in (("0", "default"), ("default", "0"), ("comment", "0"), ("default+comment", "0"), ("0", "0")):
        facts = studio.facts("two.mkv", *two, "-disposition:a:0", marks[0], "-disposition:a:1", marks[1])
        assert facts.audio is not None
        chosen.append(facts.audio.number)
    assert chosen == [1, 0, 1, 1, 0]


def test_the_film_is_taken_and_no_preview(studio: Studio) -> None:
    """A small track before the film, a cover, or both: the film is what a player shows."""
    source = str(studio.directory / "film.mp4")
    small = ["-f", "lavfi", "-i", "testsrc=s=160x90:r=25:d=1", "-i", source]
    facts = studio.facts("preview.mp4", *small, "-map", "0:v", "-map", "1:v", "-map", "1:a", *H264)
    assert facts.video is not None
    assert (facts.video.number, facts.video.width) == (1, 640)
    facts = studio.facts(
        "preview.mkv",
        *small,
        "-map",
        "1:v",
        "-map",
        "0:v",
        *H264,
        "-disposition:v:0",
        "0",
        "-disposition:v:1",
        "default",
    )
    assert facts.video is not None
    assert (facts.video.number, facts.video.width) == (1, 160)
    cover = studio.make("cover.jpg", "-f", "lavfi", "-i", "testsrc=s=1920x1080:d=1", "-frames:v", "1")
    facts = studio.facts(
        "cover.mp4", "-i", str(cover), "-i", source, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0",
        "attached_pic",
    )  # fmt: skip
    assert facts.video is not None
    assert facts.cover is not None
    assert (facts.video.width, facts.cover.width) == (640, 1920)


@pytest.mark.parametrize(
    ("transfer", "high"), [("arib-std-b67", True), ("smpte2084", True), ("bt709", False), ("bt2020-10", False)]
)
def test_high_range_is_known(studio: Studio, transfer: str, high: bool) -> None:  # noqa: FBT001 - a parameter
    """HLG and PQ are high dynamic range, ten bits alone are not."""
    tagged = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    film = studio.film("range.mp4", *FILM[:4], "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", tagged)
    assert film.high_range is high


@pytest.mark.parametrize(
    ("name", "codec", "channels"),
    [("a.flac", ["-c:a", "flac"], 8), ("a.mkv", ["-c:a", "flac"], 6), ("a.m4a", ["-c:a", "aac"], 6)],
)
def test_channels_are_counted(studio: Studio, name: str, codec: list[str], channels: int) -> None:
    """Surround sound is told from stereo."""
    layout = {6: "5.1", 8: "7.1"}[channels]
    facts = studio.facts(name, "-f", "lavfi", "-i", f"anullsrc=cl={layout}:d=1", "-t", "1", *codec)
    assert facts.audio is not None
    assert facts.audio.channels == channels


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp3", "mp3"), ("a.ogg", "vorbis"), ("a.opus", "opus"), ("a.wav", "pcm_s16le"), ("a.flac", "flac")],
)
def test_sounds_have_the_names_that_encoders_are_chosen_by(studio: Studio, name: str, codec: str) -> None:
    """A codec is called as FFmpeg calls it, not as the decoder that reads it; tags are found in every container."""
    facts = studio.facts(name, *FILM[4:], "-ac", "2", "-metadata", "title=Song", "-metadata", "artist=Singer")
    assert facts.audio is not None
    assert facts.audio.codec == codec
    assert (facts.title, facts.artist) == ("Song", "Singer")
    assert facts.video is None


def test_a_still_is_a_still(studio: Studio) -> None:
    """A picture is no film of one frame."""
    facts = studio.facts("still.png", "-f", "lavfi", "-i", "testsrc=s=320x240:d=1", "-frames:v", "1")
    assert facts.is_still


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{film}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{film}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "",
        "nothing but words\n" * 1000,
        "\x00" * 4096,
    ],
)
def test_what_refers_to_other_files_is_no_media(studio: Studio, text: str) -> None:
    """A playlist, a concat script, a session description, nothing and nonsense are not followed, nor any error."""
    path = studio.directory / "evil"
    path.write_text(text.format(film=studio.directory / "film.mp4"))
    assert inspect(path) is None


def test_cut_and_broken_files_end_well(studio: Studio) -> None:
    """A file cut anywhere, or with bytes turned over, gives facts or none, never an error; both ends occur."""
    whole = studio.make("whole.mkv", *FILM, *H264).read_bytes()
    read = []
    for cut in range(0, len(whole), len(whole) // 23):
        path = studio.directory / "cut"
        path.write_bytes(whole[:cut])
        read.append(inspect(path))
        broken = bytearray(whole)
        broken[cut : cut + 40] = bytes(255 - byte for byte in broken[cut : cut + 40])
        path.write_bytes(broken)
        read.append(inspect(path))
    assert None in read
    assert any(facts is not None and facts.video is not None for facts in read)
