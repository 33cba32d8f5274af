"""What an answer's headers say of a file's length."""

from __future__ import annotations

import pytest

from doradura.downloads.starts import length_of


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({"Content-Length": "12"}, 12),
        ({"Content-Length": " 12 "}, 12),
        ({"Content-Length": "2", "Content-Range": "bytes 0-1/12"}, 12),
        ({"Content-Length": "2", "Content-Range": "bytes 0-1/*"}, None),
        ({"Content-Length": "-1"}, None),
        ({"Content-Length": "\u00b2"}, None),
        ({"Content-Length": "9" * 5000}, None),
        ({"Content-Length": "2", "Content-Range": "bytes 0-1/" + "9" * 5000}, None),
        ({}, None),
    ],
)
def test_the_length_of_the_whole_file(headers: dict[str, str], length: int | None) -> None:
    """A part's own length is not the file's, and what is no number says nothing."""
    assert length_of(headers) == length
