"""Cutting depths off JSON."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.telegram.errors import MalformedUpdateError
from doradura.telegram.nesting import DEPTH_LIMIT, decode_nested, without_depths
from doradura.telegram.types import decode_update
from doradura.telegram.updates import read_batch

DEEP = b"[" * 20_000 + b"]" * 20_000
VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a"\\[]{}ä'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_not_deep_stays_as_it_is(value: object) -> None:
    """Brackets within texts, and quotes within those, are no nesting."""
    raw = json.dumps([value, "]" * 100, "\\", '"['], ensure_ascii=False).encode()

    assert without_depths(raw) == raw


def test_only_what_is_deeper_is_cut() -> None:
    """Up to the limit all is kept; beyond it null stands for the whole, and what follows is there again."""
    inner = b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT
    assert without_depths(inner) == inner

    cut = without_depths(b'[{"a": %s, "b": 2}]' % (b'[{"]": ' * 100 + b'"}"' + b"}]" * 100))
    assert cut.count(b"null") == 1
    assert json.loads(cut)[0]["b"] == 2


@pytest.mark.parametrize(
    "torn", [DEEP[:20_000], DEEP[20_000:], b'["' + b'\\"' * 50_000, b'["' + b'\\"' * 50_000 + b"\\", b"[" * 99 + b'"']
)
def test_torn_json_stays_torn(torn: bytes) -> None:
    """Cutting makes no sense of what has none, and does not take long over it."""
    with pytest.raises(msgspec.DecodeError):
        decode_nested(without_depths(torn), list[int])


def test_a_deep_update_without_a_readable_answer_around_it() -> None:
    """Each reader of updates can be handed depths itself: the batch keeps the id, a stored update is malformed."""
    raw = b'{"update_id": 7, "message": {"message_id": 1, "chat": {"id": 5, "type": "private"}, "x": ' + DEEP + b"}}"
    items = [raw, DEEP, b'{"update_id": 8, "poll": {}}']

    batch = read_batch(msgspec.Raw(item) for item in items)

    assert [update.update_id for update in batch.updates] == [7, 8]
    assert (batch.next_offset, batch.malformed) == (9, 1)
    assert len(batch.updates[0].raw) < 1000
    with pytest.raises(MalformedUpdateError):
        decode_update(raw)
