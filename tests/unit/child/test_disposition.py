"""The names that servers give files."""

from __future__ import annotations

import pytest

from doradura.child.disposition import file_name_of


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="A talk.mp4"', "A talk"),
        ("attachment; filename*=UTF-8''%D8%B3%D9%84%D8%A7%D9%85.mp3", "\u0633\u0644\u0627\u0645"),
        ('inline; filename="caf\u00c3\u00a9.mp4"', "caf\u00e9"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=nonsense''%ff.mp4", None),
        ("attachment; filename*=a; filename*0=b", None),
        ("attachment; filename=\"old.mp4\"; filename*=UTF-8''%e2%82%ac%20new.mp4", "\u20ac new"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20new.mp4; filename=\"old; er.mp4\"", "\u20ac new"),
        ("attachment; filename=\"old.mp4\"; filename*=nonsense''%ff.mp4", "old"),
        ('attachment; filename="\u00d9\u0085\u00d8\u00b1.mp4"', "\u0645\u0631"),
        ('attachment; filename="=?UTF-8?B?0J/RgNC40LLQtdGC?=.mp4"', "\u041f\u0440\u0438\u0432\u0435\u0442"),
        ('attachment; filename="a%20caf%C3%A9.mp4"', "a caf\u00e9"),
        ('attachment; filename="100% sure, caf%E9.mp4"', "100% sure, caf%E9"),
        ("attachment; filename='single.mp4'", "single"),
        ('attachment; filename="Vol. 2.5"', "Vol. 2.5"),
        ("attachment", None),
        (None, None),
    ],
)
def test_names_that_servers_give(header: str | None, name: str | None) -> None:
    """RFC 6266 in both spellings, raw UTF-8 too; directories and the ending are no part of a name."""
    assert file_name_of(header) == name
