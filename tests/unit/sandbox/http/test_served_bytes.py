from __future__ import annotations

import pytest

from doradura.sandbox.http.served_bytes import parse_range


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", None),
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("pages=1-2", None),
    ],
)
def test_ranges(header: str, wanted: tuple[int, int] | None) -> None:
    """A Range header gives start and end, an empty stretch when nothing is there, and None when it means nothing."""
    assert parse_range(header, 100) == wanted
