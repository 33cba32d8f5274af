"""What buttons carry: each spelling that stands in chats, for ever, and what is none."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args

import pytest

from doradura.chat import alert_keyboards, job_buttons
from doradura.chat.admin_user import EndAll
from doradura.chat.alert_keyboards import (
    ActOnIncident,
    ActOnMessage,
    AlertData,
    ListAnew,
    OpenIncident,
    OpenPage,
    ShowGraph,
    ShowRunbook,
    decode_alert_data,
)
from doradura.chat.callback_data import TooOldError
from doradura.chat.conversations import BUTTONS
from doradura.chat.job_buttons import CancelInList, CancelJob, PickFormat, PickInstead, ProbeAgain, TryAgain
from doradura.media.formats import FORMATS
from doradura.media.variant import Variant

LARGEST = 2**63 - 1
SPELLINGS: tuple[tuple[str, Any, Callable[[str], Any]], ...] = (
    ("o:17:mp3:320k", PickFormat(17, Variant("mp3", "320k")), PickFormat.decode),
    ("o:17:m4a:default", PickFormat(17, Variant("m4a", "default")), PickFormat.decode),
    ("s:17:mp4:720p", PickInstead(17, Variant("mp4", "720p")), PickInstead.decode),
    ("r:17", TryAgain(17), TryAgain.decode),
    ("l:17", ProbeAgain(17), ProbeAgain.decode),
    ("c:17", CancelJob(17), CancelJob.decode),
    ("q:17", CancelInList(17), CancelInList.decode),
    ("u:a:2000", EndAll("a", 2000), EndAll.decode),
    ("u:y:2000", EndAll("y", 2000), EndAll.decode),
    ("u:n:2000", EndAll("n", 2000), EndAll.decode),
    ("a:s1:17", ActOnIncident("s1", 17), decode_alert_data),
    ("a:s4:17", ActOnIncident("s4", 17), decode_alert_data),
    ("a:s24:17:3", ActOnIncident("s24", 17, 3), decode_alert_data),
    ("a:u:17", ActOnIncident("u", 17), decode_alert_data),
    ("a:k:17:0", ActOnIncident("k", 17, 0), decode_alert_data),
    ("a:d:17", ActOnIncident("d", 17), decode_alert_data),
    ("a:ka:17", ActOnMessage("ka", 17), decode_alert_data),
    ("a:da:17", ActOnMessage("da", 17), decode_alert_data),
    ("a:g:17", ShowGraph(17), decode_alert_data),
    ("a:w:17", ShowRunbook(17), decode_alert_data),
    ("a:o:17:3", OpenIncident(17, 3), decode_alert_data),
    ("a:p:3", OpenPage(3), decode_alert_data),
    ("a:n:0", ListAnew(), decode_alert_data),
)


@pytest.mark.parametrize(("spelling", "value", "decode"), SPELLINGS)
def test_a_button_that_is_in_chats_is_understood(spelling: str, value: Any, decode: Callable[[str], Any]) -> None:
    """Each spelling is written and read as it was when its button was sent."""
    assert value.encode() == spelling
    assert decode(spelling) == value


def test_each_button_has_its_spelling_above() -> None:
    """No word and no type of value is left out."""
    types = {type(value) for _, value, _ in SPELLINGS}
    assert {spelling.partition(":")[0] for spelling, _, _ in SPELLINGS} == BUTTONS.keys()
    assert types >= {*get_args(AlertData)}
    found = [*vars(job_buttons).values(), *vars(alert_keyboards).values()]
    assert types >= {each for each in found if inspect.isclass(each) and hasattr(each, "encode")} - {str}
    acts = {
        spelling.split(":")[1] for spelling, value, _ in SPELLINGS if isinstance(value, ActOnIncident | ActOnMessage)
    }
    assert acts == {*get_args(alert_keyboards.IncidentAct), *get_args(alert_keyboards.MessageAct)}


@pytest.mark.parametrize(("spelling", "value", "decode"), SPELLINGS)
def test_what_is_cut_or_made_up_is_too_old(spelling: str, value: Any, decode: Callable[[str], Any]) -> None:
    """A changed client may send anything."""
    word = spelling.partition(":")[0]
    wrong = [word, f"{word}:", f"{word}::", f"{spelling}:x", f"{word}:17:mp3:320k:de", f"{word}:-1", f"{word}:x:y"]
    wrong += [spelling.replace("17", "9" * 20), spelling.replace("17", "1x")] if "17" in spelling else []
    for data in wrong:
        with pytest.raises(TooOldError):
            decode(data)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_buttons_data_is_within_telegrams_limit(fmt: str) -> None:
    """64 bytes with the largest ids (Bot API, InlineKeyboardButton)."""
    for quality in FORMATS[fmt].qualities:
        variant = Variant(fmt, quality)
        for data in (PickFormat(LARGEST, variant), PickInstead(LARGEST, variant)):
            assert len(data.encode().encode()) <= 64
            assert type(data).decode(data.encode()) == data
    assert len(ActOnIncident("s24", LARGEST, LARGEST).encode()) <= 64
