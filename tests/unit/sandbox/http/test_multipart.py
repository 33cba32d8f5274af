from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.sandbox.http.multipart import (
    MultipartError,
    MultipartEvent,
    MultipartParser,
    PartData,
    PartEnd,
    PartStart,
    boundary_of,
)

BODY = (
    b"--xx\r\n"
    b'Content-Disposition: form-data; name="chat_id"\r\n\r\n'
    b"1000\r\n"
    b"--xx\r\n"
    b"content-disposition: form-data; name=document; filename=\xc3\xa9 t.txt\r\n"
    b"content-type: text/plain\r\n\r\n"
    b"one\r\n--x\r\ntwo\r\n"
    b"--xx\r\n"
    b'Content-Disposition: form-data; name="a\\"b"; filename=""\r\n\r\n'
    b"\r\n--xx--\r\n"
)
PARTS = [
    (PartStart("chat_id", None, ""), b"1000"),
    (PartStart("document", "é t.txt", "text/plain"), b"one\r\n--x\r\ntwo"),
    (PartStart('a"b', "", ""), b""),
]


def parts(pieces: list[bytes]) -> list[tuple[PartStart, bytes]]:
    """Parse a body that comes in pieces, and give its parts whole."""
    parser = MultipartParser(b"xx")
    events: list[MultipartEvent] = [event for piece in pieces for event in parser.feed(piece)]
    assert parser.finished
    found: list[tuple[PartStart, bytes]] = []
    open_part: PartStart | None = None
    content = b""
    for event in events:
        if isinstance(event, PartStart):
            open_part, content = event, b""
        elif isinstance(event, PartData):
            content += event.data
        else:
            assert isinstance(event, PartEnd)
            assert open_part is not None
            found.append((open_part, content))
    return found


def test_quoted_bare_and_empty_names() -> None:
    """A part with a filename is a file, even an empty name; names may be quoted or bare."""
    assert parts([BODY]) == PARTS


@given(st.lists(st.integers(0, len(BODY)), max_size=12))
def test_any_cutting_gives_the_same_parts(cuts: list[int]) -> None:
    """Where the network cuts the body makes no difference."""
    edges = [0, *sorted(cuts), len(BODY)]
    assert parts([BODY[start:end] for start, end in pairwise(edges)]) == PARTS


def test_a_file_is_given_out_as_it_comes() -> None:
    """Of a long file no more than a boundary's length is held back."""
    parser = MultipartParser(b"xx")
    list(parser.feed(b'--xx\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'))
    given_out = sum(len(event.data) for event in parser.feed(b"\0" * 100_000) if isinstance(event, PartData))
    assert given_out >= 100_000 - len("\r\n--xx")


def test_a_body_that_is_none_is_refused() -> None:
    """Nonsense after a boundary, a part without a name, and a missing boundary raise."""
    with pytest.raises(MultipartError):
        list(MultipartParser(b"xx").feed(b"--xxyy\r\n"))
    with pytest.raises(MultipartError):
        list(MultipartParser(b"xx").feed(b"--xx\r\nContent-Type: text/plain\r\n\r\n"))
    with pytest.raises(MultipartError):
        boundary_of("multipart/form-data")
    assert boundary_of('multipart/form-data; charset=utf-8; boundary="a b"') == b"a b"
