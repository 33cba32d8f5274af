"""The buttons of links and jobs: what they carry, and the keyboards that they stand in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doradura.chat.callback_data import TooOldError, decode_id, spelled
from doradura.chat.texts import Texts, size_text
from doradura.media.protocol import Size
from doradura.media.variant import Variant, VariantError
from doradura.telegram.types import Button, Keyboard

NO_BREAK = "\u00a0"
"""So that a narrow button does not break inside a size."""
BUTTONS_A_ROW = 2
"""Telegram cuts a button's words to one line."""


@dataclass(frozen=True, slots=True)
class PickFormat:
    """A format on the card of a link."""

    offer_id: int
    variant: Variant

    def encode(self) -> str:
        """Return `o:OFFER:VARIANT`."""
        return spelled("o", self.offer_id, self.variant.key)

    @classmethod
    def decode(cls, data: str) -> PickFormat:
        """Read it. Raises TooOldError, also for a variant that can't be had any more."""
        return cls(*_id_and_variant(data))


@dataclass(frozen=True, slots=True)
class PickInstead:
    """Another format, under a job that failed for what it asked for."""

    job_id: int
    variant: Variant

    def encode(self) -> str:
        """Return `s:JOB:VARIANT`."""
        return spelled("s", self.job_id, self.variant.key)

    @classmethod
    def decode(cls, data: str) -> PickInstead:
        """Read it. Raises TooOldError, also for a variant that can't be had any more."""
        return cls(*_id_and_variant(data))


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The same once more, under a job that failed for what passes."""

    job_id: int

    def encode(self) -> str:
        """Return `r:JOB`."""
        return spelled("r", self.job_id)

    @classmethod
    def decode(cls, data: str) -> TryAgain:
        """Read it. Raises TooOldError."""
        return cls(_id_of(data))


@dataclass(frozen=True, slots=True)
class ProbeAgain:
    """Another probe of a link, on the card of one that failed."""

    offer_id: int

    def encode(self) -> str:
        """Return `l:OFFER`."""
        return spelled("l", self.offer_id)

    @classmethod
    def decode(cls, data: str) -> ProbeAgain:
        """Read it. Raises TooOldError."""
        return cls(_id_of(data))


@dataclass(frozen=True, slots=True)
class CancelJob:
    """The end of a job, under its progress message."""

    job_id: int

    def encode(self) -> str:
        """Return `c:JOB`."""
        return spelled("c", self.job_id)

    @classmethod
    def decode(cls, data: str) -> CancelJob:
        """Read it. Raises TooOldError."""
        return cls(_id_of(data))


@dataclass(frozen=True, slots=True)
class CancelInList:
    """The end of a job, in the list of /queue, which is then shown anew."""

    job_id: int

    def encode(self) -> str:
        """Return `q:JOB`."""
        return spelled("q", self.job_id)

    @classmethod
    def decode(cls, data: str) -> CancelInList:
        """Read it. Raises TooOldError."""
        return cls(_id_of(data))


def _id_of(data: str) -> int:
    return decode_id(data.partition(":")[2])


def _id_and_variant(data: str) -> tuple[int, Variant]:
    number, _, key = data.partition(":")[2].partition(":")
    try:
        return decode_id(number), Variant.parse_key(key)
    except VariantError as error:
        raise TooOldError(data) from error


def variant_label(variant: Variant, size: Size | None) -> str:
    """Return a button's words: a variant, with the size of what comes and its height where those are known."""
    label = variant.words
    if size is not None and size.height:
        label += f"{NO_BREAK}→ {size.height}p"
    if size is not None and size.size_bytes:
        label += f"{NO_BREAK}· {size_text(size.size_bytes).replace(' ', NO_BREAK)}"
    return label


def again_keyboard(t: Texts, job_id: int) -> Keyboard:
    """Return the button that asks for a failed job's file once more."""
    return ((Button(text=t.plain("button.again"), callback_data=TryAgain(job_id).encode()),),)


def look_keyboard(t: Texts, offer_id: int) -> Keyboard:
    """Return the button that probes a link once more whose probe failed."""
    return ((Button(text=t.plain("button.again"), callback_data=ProbeAgain(offer_id).encode()),),)


def cancel_keyboard(t: Texts, job_id: int) -> Keyboard:
    """Return the button that cancels a job."""
    return ((Button(text=t.plain("button.cancel"), callback_data=CancelJob(job_id).encode()),),)


def button_rows(buttons: Sequence[Button]) -> Keyboard:
    """Return buttons in rows that a phone has room for."""
    return tuple(tuple(buttons[start : start + BUTTONS_A_ROW]) for start in range(0, len(buttons), BUTTONS_A_ROW))
