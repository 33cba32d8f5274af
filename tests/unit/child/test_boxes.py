"""The order of an MP4 file's outermost boxes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doradura.child.products.boxes import is_streamable


def box(name: bytes, content: bytes = b"12345") -> bytes:
    """A box as most are."""
    return (8 + len(content)).to_bytes(4, "big") + name + content


def wide(name: bytes, content: bytes = b"12345") -> bytes:
    """A box with its length behind its name."""
    return (1).to_bytes(4, "big") + name + (16 + len(content)).to_bytes(8, "big") + content


FTYP, MOOV, MDAT, FREE = box(b"ftyp"), box(b"moov"), box(b"mdat"), box(b"free")


@pytest.mark.parametrize(
    ("content", "streamable"),
    [
        (FTYP + MOOV + MDAT, True),
        (FTYP + FREE + MOOV + FREE + MDAT + FREE, True),
        (FTYP + MOOV + wide(b"mdat") + wide(b"free"), True),
        (FTYP + MOOV + b"\0\0\0\0mdat and so on to the end", True),
        (FTYP + MDAT + MOOV, False),
        (FTYP + MOOV + box(b"moof") + MDAT, False),
        (FTYP + MOOV + MDAT + box(b"moof") + MDAT, False),
        (MOOV + MDAT, False),
        (FTYP + MOOV, False),
        (FTYP + MDAT, False),
        (FTYP + MOOV + MDAT[:-1], False),
        (FTYP + MOOV + MDAT + b"end", False),
        (FTYP + MOOV + MDAT + b"\0\0\0\3oops", False),
        (FTYP + MOOV + MDAT + b"\0\0\0\4" + box(b"free", b""), False),
        (FTYP + MOOV + MDAT + b"\0\0\0\1free" + (8).to_bytes(8, "big"), False),
        (FTYP + MOOV + MDAT + FREE * 64, False),
        (b"", False),
        (b"\0" * 7, False),
    ],
)
def test_the_index_comes_first(tmp_path: Path, content: bytes, *, streamable: bool) -> None:
    """A file is streamable when its one index stands before its media and every box is whole."""
    path = tmp_path / "film"
    path.write_bytes(content)
    assert is_streamable(path) is streamable


def test_a_huge_box_is_not_read(tmp_path: Path) -> None:
    """What is in a box costs nothing, however large it is."""
    path = tmp_path / "film"
    with path.open("wb") as file:
        file.write(FTYP + MOOV + MDAT + (1).to_bytes(4, "big") + b"free" + (1 << 40).to_bytes(8, "big"))
        file.truncate(len(FTYP + MOOV + MDAT) + (1 << 40))
    assert is_streamable(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([FTYP, MOOV, MDAT, FREE])), max_size=6))
def test_any_file_is_read(tmp_path: Path, content: list[bytes]) -> None:
    """No file makes the reading fail; one that is streamable begins as an MP4 and has its index before its media."""
    path, whole = tmp_path / "film", b"".join(content)
    path.write_bytes(whole)
    if is_streamable(path):
        assert whole[4:8] == b"ftyp"
        assert whole.index(b"moov") < whole.rindex(b"mdat")
