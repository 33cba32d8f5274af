"""ffmpeg's command lines."""

from __future__ import annotations

from pathlib import Path

from doradura.child.ffmpeg import FfmpegError, command


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
