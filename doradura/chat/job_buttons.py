"""The buttons of links and jobs: their callback data and their keyboards. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doradura.chat.callback_data import TooOldError, decode_id, spelled
from doradura.chat.texts import Texts, size_text
from doradura.media.protocol import Size
from doradura.media.variant import Variant, VariantError
from doradura.telegram.types import Button, Keyboard

NO_BREAK = "\u00a0"
"""Used inside a size, so that a narrow button doesn't break the line there."""
BUTTONS_A_ROW = 2
"""More would be too narrow for their labels, which Telegram cuts to one line."""


@dataclass(frozen=True, slots=True)
class PickFormat:
    """Requests a variant, on the card of a link."""

    offer_id: int
    variant: Variant

    def encode(self) -> str:
        """Return `o:OFFER:VARIANT`."""
        return spelled("o", self.offer_id, self.variant.key)

    @classmethod
    def decode(cls, data: str) -> PickFormat:
        """Return the value of callback data. Raises TooOldError, also for a variant that is no longer offered."""
        return cls(*_id_and_variant(data))


@dataclass(frozen=True, slots=True)
class PickInstead:
    """Requests another variant, under a job that failed because of its own."""

    job_id: int
    variant: Variant

    def encode(self) -> str:
        """Return `s:JOB:VARIANT`."""
        return spelled("s", self.job_id, self.variant.key)

    @classmethod
    def decode(cls, data: str) -> PickInstead:
        """Return the value of callback data. Raises TooOldError, also for a variant that is no longer offered."""
        return cls(*_id_and_variant(data))


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Requests the same variant again, under a job that failed for a passing reason."""

    job_id: int

    def encode(self) -> str:
        """Return `r:JOB`."""
        return spelled("r", self.job_id)

    @classmethod
    def decode(cls, data: str) -> TryAgain:
        """Return the value of callback data. Raises TooOldError."""
        return cls(_id_of(data))


@dataclass(frozen=True, slots=True)
class ProbeAgain:
    """Requests another probe, on the card of a link whose probe failed."""

    offer_id: int

    def encode(self) -> str:
        """Return `l:OFFER`."""
        return spelled("l", self.offer_id)

    @classmethod
    def decode(cls, data: str) -> ProbeAgain:
        """Return the value of callback data. Raises TooOldError."""
        return cls(_id_of(data))


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Cancels a job, under its progress message."""

    job_id: int

    def encode(self) -> str:
        """Return `c:JOB`."""
        return spelled("c", self.job_id)

    @classmethod
    def decode(cls, data: str) -> CancelJob:
        """Return the value of callback data. Raises TooOldError."""
        return cls(_id_of(data))


@dataclass(frozen=True, slots=True)
class CancelInList:
    """Cancels a job in the list of /queue, which is then updated."""

    job_id: int

    def encode(self) -> str:
        """Return `q:JOB`."""
        return spelled("q", self.job_id)

    @classmethod
    def decode(cls, data: str) -> CancelInList:
        """Return the value of callback data. Raises TooOldError."""
        return cls(_id_of(data))


def _id_of(data: str) -> int:
    return decode_id(data.partition(":")[2])


def _id_and_variant(data: str) -> tuple[int, Variant]:
    number, _, key = data.partition(":")[2].partition(":")
    try:
        return decode_id(number), Variant.parse_key(key)
    except VariantError as error:
        raise TooOldError(data) from error


def variant_label(t: Texts, variant: Variant, size: Size | None) -> str:
    """Return the label of a variant's button, with the size and the height of the file if known."""
    label = variant.words
    if size is not None and size.height:
        label += f"{NO_BREAK}→ {size.height}p"
    if size is not None and size.size_bytes:
        label += f"{NO_BREAK}· {size_text(t, size.size_bytes).replace(' ', NO_BREAK)}"
    return label


def again_keyboard(t: Texts, job_id: int) -> Keyboard:
    """Return the button that tries a failed job again."""
    return ((Button(text=t.plain("button.again"), callback_data=TryAgain(job_id).encode()),),)


def look_keyboard(t: Texts, offer_id: int) -> Keyboard:
    """Return the button that probes a link again."""
    return ((Button(text=t.plain("button.again"), callback_data=ProbeAgain(offer_id).encode()),),)


def cancel_keyboard(t: Texts, job_id: int) -> Keyboard:
    """Return the button that cancels a job."""
    return ((Button(text=t.plain("button.cancel"), callback_data=CancelJob(job_id).encode()),),)


def button_rows(buttons: Sequence[Button]) -> Keyboard:
    """Return buttons arranged in rows that fit on a phone."""
    return tuple(tuple(buttons[start : start + BUTTONS_A_ROW]) for start in range(0, len(buttons), BUTTONS_A_ROW))
