from __future__ import annotations

from doradura.sandbox.media.probe import Probed, parse_report, picture_size


def test_ffmpegs_report_is_read() -> None:
    """Length, size and names are taken from what ffmpeg says of a file, the file's own before a stream's."""
    report = b"""Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'x':
  Metadata:
    title           : Song: one
    artist          : Me
  Duration: 01:02:03.60, start: 0.000000, bitrate: 504 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 640x360 [SAR 1:1], 398 kb/s
"""
    assert parse_report(report) == Probed(3724, 640, 360, "Song: one", "Me")
    assert parse_report(b"x: Invalid data found when processing input") == Probed()


def test_pictures_tell_their_size() -> None:
    """JPEG, PNG, GIF and WebP headers give width and height; anything else gives nothing."""
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x10\x00\x20\x03"
    assert picture_size(jpeg) == (32, 16)
    assert picture_size(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03") == (2, 3)
    assert picture_size(b"GIF89a\x02\0\x03\0") == (2, 3)
    assert picture_size(b"RIFF....WEBPVP8X" + bytes(8) + b"\x01\0\0\x02\0\0") == (2, 3)
    assert picture_size(b"hello") is None
    assert picture_size(jpeg[:8]) is None
