"""What an answer's headers say of a file's length."""

from __future__ import annotations

import pytest

from doradura.child.stream_start import length_of, whole_of


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


@pytest.mark.parametrize(
    ("status", "headers", "got", "whole"),
    [
        (200, {"Content-Length": "12"}, 2, 12),
        (200, {"Content-Length": "12"}, 13, None),
        (206, {"Content-Length": "2", "Content-Range": "bytes 0-1/12"}, 2, 12),
        (206, {"Content-Length": "2", "Content-Range": "bytes 0-1/*"}, 2, None),
        (206, {"Content-Length": "2"}, 2, None),
        (206, {}, 2, None),
    ],
)
def test_a_part_that_does_not_say_of_what_is_not_taken_for_the_whole(
    status: int, headers: dict[str, str], got: int, whole: int | None
) -> None:
    """Nor is a length that is less than what came."""
    assert whole_of(status, headers, got) == whole
