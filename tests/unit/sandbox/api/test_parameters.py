from __future__ import annotations

import pytest

from doradura.sandbox.api.parameters import Parameters, ReadError


def test_the_first_value_wins_and_texts_have_a_limit() -> None:
    """A second value of a name is ignored; a mebibyte of text is too much."""
    parameters = Parameters()
    parameters.put("a", "1")
    parameters.put("a", "2")
    assert parameters.text("a") == "1"
    with pytest.raises(ReadError):
        parameters.put("b", "x" * 1024 * 1024)
