from __future__ import annotations

from doradura.sandbox.state.refusal import bad_request


def test_descriptions_begin_small_but_for_constants() -> None:
    """The server writes the first letter small unless the second is a capital or an underscore."""
    assert bad_request("Message is bad").description == "Bad Request: message is bad"
    assert bad_request("BUTTON_DATA_INVALID").description == "Bad Request: BUTTON_DATA_INVALID"
