"""What is read out of a file's own bytes without FFmpeg."""

from __future__ import annotations

from doradura.child.stated import read_xing

FRAME = b"\xff\xfb\x90\x00" + bytes(32)
XING = b"Info" + (3).to_bytes(4, "big") + (1000).to_bytes(4, "big") + (50_000).to_bytes(4, "big")


def test_the_header_may_stand_at_the_end_of_what_is_looked_at() -> None:
    """A frame whose last bytes read like the header's name has no header."""
    assert read_xing(FRAME + XING + bytes(40)) == (1000 * 1152 / 44_100, 50_000)
    assert read_xing(FRAME + bytes(40) + b"Info") is None
    assert read_xing(FRAME + bytes(40) + XING[:10]) is None
