from __future__ import annotations

from doradura.sandbox.text.numbers import leading_integer


def test_integers_are_read_as_the_server_does() -> None:
    """Leading digits count, garbage is 0."""
    assert [leading_integer(text) for text in ("12", " -3x", "abc", "", "7.9")] == [12, -3, 0, 0, 7]
