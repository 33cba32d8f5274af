"""ffmpeg's command lines, and the reading of what it says of a file."""

from __future__ import annotations

from pathlib import Path

from doradura.downloads.ffmpeg import FfmpegError, Stream, command, parse_facts

FILM = """Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:s.mp4':
  Metadata:
    major_brand     : isom
    title           : Doradura sample
                    : and a second line
    artist          : Sandbox
  Duration: 01:02:03.50, start: 0.000000, bitrate: 126 kb/s
  Chapters:
    Chapter #0:0: start 0.000000, end 2.000000
      Metadata:
        title           : A chapter
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(progressive), 640x360 [SAR 1:1 DAR 16:9], 48 kb/s, 25 fps, 25 tbr, 12800 tbn (default)
    Metadata:
      handler_name    : VideoHandler
  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 69 kb/s (default)
      title           : not this one
  Stream #0:2: Video: mjpeg (Baseline), yuvj444p(pc, bt470bg/unknown/unknown), 100x50 [SAR 1:1 DAR 1:1], 90k tbr, 90k tbn (attached pic)
At least one output file must be specified
"""  # noqa: E501 -- as ffmpeg writes it


def test_a_film_is_read() -> None:
    """Container, length, streams and tags come from their own lines."""
    facts = parse_facts(FILM)
    assert facts is not None
    assert facts.container == "mov,mp4,m4a,3gp,3g2,mj2"
    assert facts.duration_seconds == 3723.5
    assert facts.bits_per_second == 126_000
    assert (facts.title, facts.artist) == ("Doradura sample", "Sandbox")
    assert facts.streams == (
        Stream("video", "h264", "yuv420p", 640, 360, bits_per_second=48_000),
        Stream("audio", "aac", sample_rate=44_100, bits_per_second=69_000),
        Stream("video", "mjpeg", "yuvj444p", 100, 50, picture=True),
    )
    assert facts.video == facts.streams[0]
    assert facts.audio == facts.streams[1]
    assert facts.cover == facts.streams[2]


def test_a_turned_film_has_its_sides_swapped() -> None:
    """A phone's film that is shown upright is told as upright."""
    facts = parse_facts(
        "Input #0, mov, from 'x':\n  Duration: 00:00:01.00, start: 0\n"
        "  Stream #0:0: Video: h264, yuv420p, 1920x1080, 30 fps\n"
        "      displaymatrix: rotation of -90.00 degrees\n",
    )
    assert facts is not None
    assert facts.video is not None
    assert (facts.video.width, facts.video.height) == (1080, 1920)


def test_unknown_is_none() -> None:
    """A length that ffmpeg does not know, or that is nothing, is None."""
    for length in ("N/A", "00:00:00.00"):
        facts = parse_facts(
            f"Input #0, mp3, from 'x':\n  Duration: {length}, bitrate: N/A\n  Stream #0:0: Audio: mp3\n"
        )
        assert facts is not None
        assert (facts.duration_seconds, facts.bits_per_second, facts.title) == (None, None, None)


def test_oggs_tags_stand_with_the_stream() -> None:
    """Ogg has no tags for the whole file."""
    text = (
        "Input #0, ogg, from 'x':\n  Duration: 00:00:01.00\n"
        "  Stream #0:0: Audio: opus, 48000 Hz\n    Metadata:\n      TITLE           : Song\n"
    )
    facts = parse_facts(text)
    assert facts is not None
    assert facts.title == "Song"


def test_a_tag_cannot_pose_as_a_stream() -> None:
    """The further lines of a tag carry a colon, so no text of the file's is taken for ffmpeg's."""
    text = (
        "Input #0, mp3, from 'x':\n  Metadata:\n    title           : a\n"
        "                    :   Stream #0:0: Video: h264, yuv420p, 1x1\n  Duration: 00:00:01.00\n"
    )
    facts = parse_facts(text)
    assert facts is not None
    assert facts.streams == ()


def test_no_input_is_no_facts() -> None:
    """What ffmpeg could not open has no facts."""
    assert parse_facts("[in#0] Format not on whitelist\nError opening input: Invalid argument\n") is None


def test_each_input_is_guarded() -> None:
    """Both lists and the file: prefix stand before each input, and a seek goes with it."""
    line = command("/x/ffmpeg", [Path("/a"), Path("/b")], ["-f", "mp3", "file:/c"], seek_seconds=1.5)
    assert line[:4] == ["/x/ffmpeg", "-nostdin", "-hide_banner", "-y"]
    assert line.count("-protocol_whitelist") == line.count("-format_whitelist") == line.count("-ss") == 2
    assert [line[n + 1] for n, word in enumerate(line) if word == "-i"] == ["file:/a", "file:/b"]
    assert line[-3:] == ["-f", "mp3", "file:/c"]


def test_an_error_tells_the_end_of_what_was_said() -> None:
    """The last lines are the message; all is kept for telling a full disk from a crash."""
    error = FfmpegError(1, "first\n\nsecond\nthird\nfourth\n")
    assert str(error) == "ffmpeg ended with 1: second | third | fourth"
