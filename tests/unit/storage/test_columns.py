"""Rows become dataclasses by their position."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from doradura.storage.columns import Columns


@dataclass(frozen=True, kw_only=True, slots=True)
class Song:
    """Something that has a row."""

    song_id: int
    title: str
    seconds: float | None = None


def test_a_row_is_read_in_the_fields_order() -> None:
    """Columns are called as the fields are, and a row's values are theirs, by position."""
    assert Columns(Song).listed == "song_id, title, seconds"
    assert Columns(Song).value((1, "a", 2.5)) == Song(song_id=1, title="a", seconds=2.5)


def test_a_column_may_be_read_in_a_way_of_its_own() -> None:
    """What a reader makes of a column is the field's value; the others stay as they are."""
    assert Columns(Song, title=str.upper).value((1, "a", None)) == Song(song_id=1, title="A")


def test_a_row_of_other_columns_is_refused() -> None:
    """A row with a value too few is no value with a default, but a query that lacks a column."""
    with pytest.raises(ValueError, match="shorter"):
        Columns(Song).value((1, "a"))
