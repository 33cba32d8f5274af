from __future__ import annotations

import pytest

from doradura.sandbox.state.faults import FaultError, Faults, parse_fault

TOKEN = "1:AAAAAAAAAAAAAAAAAAAAAAAA"


def matched(faults: Faults, method: str, chat_id: str = "", token: str = TOKEN) -> int | None:
    """Return the number of the fault a call gets."""
    found = faults.match(method, chat_id, token, TOKEN)
    return found[0] if found else None


def test_the_oldest_that_matches_is_used_first() -> None:
    """Faults are used in the order they were ordered, each as often as it says."""
    faults = Faults()
    faults.add(parse_fault(b'{"method": "sendMessage", "times": 2, "error_code": 500}'), None)
    faults.add(parse_fault(b'{"method": "*", "times": 0}'), None)
    assert [matched(faults, "SENDMESSAGE") for _ in range(4)] == [1, 1, 2, 2]
    assert matched(faults, "getMe") == 2
    assert faults.clear() == 1
    assert matched(faults, "getMe") is None


def test_a_chat_and_a_bot_narrow_a_fault() -> None:
    """A fault for one chat leaves others alone; one without a token befalls the default bot only."""
    faults = Faults()
    faults.add(parse_fault(b'{"method": "*", "times": 0, "chat_id": 1000}'), None)
    assert matched(faults, "sendMessage", "2000") is None
    assert matched(faults, "sendMessage", "1000", "2:BBBBBBBBBBBBBBBBBBBBBBBB") is None
    assert matched(faults, "sendMessage", "1000") == 1


def test_retry_after_makes_a_429() -> None:
    """retry_after alone gives code, description and parameters as Telegram does."""
    assert parse_fault(b'{"method": "*", "retry_after": 3}').envelope() == (
        429,
        {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 3",
            "parameters": {"retry_after": 3},
        },
    )


def test_an_error_code_has_its_description() -> None:
    """Without a description the code's own is used; a mere delay is no failure."""
    fault = parse_fault(b'{"method": "*", "error_code": 403}')
    assert fault.envelope() == (403, {"ok": False, "error_code": 403, "description": "Forbidden"})
    assert parse_fault(b'{"method": "*", "delay_seconds": 1.5}').envelope() is None


@pytest.mark.parametrize(
    "order", [b"{", b"{}", b'{"method": "*", "times": -1}', b'{"method": "*", "drop": "now"}', b'{"method": ""}']
)
def test_what_is_no_fault_is_refused(order: bytes) -> None:
    """An order with a fault of its own says so."""
    with pytest.raises(FaultError):
        parse_fault(order)
