"""The text and the format buttons of a link's card. No I/O; `downloads.probes` sends and edits cards."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

from doradura.chat.job_buttons import PickFormat, button_rows, look_keyboard, variant_label
from doradura.chat.progress import failure_text
from doradura.chat.texts import Catalogues, Texts, duration_text, limit_text
from doradura.downloads.probes import Card
from doradura.media.has import Has
from doradura.media.protocol import Failure, Metadata
from doradura.media.reasons import Reason
from doradura.media.variant import offered
from doradura.storage.offers import Offer
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

TITLE_UNITS = 200
LINK_UNITS = 80


class CardTexts:
    """Renders cards for `downloads.probes`."""

    def __init__(self, catalogues: Catalogues, upload_limit_bytes: int) -> None:
        self._catalogues = catalogues
        self._upload_limit_bytes = upload_limit_bytes

    def unseen(self, offer: Offer, language: str) -> Card:
        """Return the card before the probe's result: the link and all formats."""
        t = self._catalogues.for_language(language)
        return Card(unseen_text(t, offer), keyboard(t, offer.offer_id, None))

    def known(self, offer: Offer, known: Metadata, language: str) -> Card:
        """Return the card after a successful probe: what is known of the link, and the formats that it has."""
        t = self._catalogues.for_language(language)
        text = which_text(t, offer) + known_text(t, known, offer.url, self._upload_limit_bytes)
        return Card(text, keyboard(t, offer.offer_id, known, self._upload_limit_bytes))

    def failed(self, offer: Offer, failure: Failure, language: str) -> Card:
        """Return the card after a failed probe: the reason, and the buttons if a download may still succeed."""
        t = self._catalogues.for_language(language)
        final = failure.final or failure.reason.final
        reason: Reason | Literal["too_large.source", "lacks.unlocked", "lacks.browser"] = failure.reason
        if failure.lacks == "unlocked":
            reason = "lacks.unlocked"
        elif failure.lacks == "browser":
            reason = "lacks.browser"
        elif failure.reason is Reason.TOO_LARGE and failure.final:
            reason = "too_large.source"
        text = which_text(t, offer) + failure_text(
            t,
            reason,
            offer.url if offer.reply_to is None and not offer.number else None,
            self._upload_limit_bytes,
            unresolved=failure.unresolved,
            retry_after_seconds=failure.retry_after_seconds,
        )
        again = look_keyboard(t, offer.offer_id) if failure.reason.passes and not failure.final else ()
        buttons = again if final else (*keyboard(t, offer.offer_id, None), *again)
        if not final:
            text += "\n" + t("offer.all_the_same")
        return Card(text, buttons or None)


def unseen_text(t: Texts, offer: Offer) -> str:
    """Return the text (HTML) of a card before the probe's result."""
    if offer.number:
        return which_text(t, offer) + t("offer.pick")
    return t("offer.unseen", url=shorten(offer.url, TITLE_UNITS))


def which_text(t: Texts, offer: Offer) -> str:
    """Return the line that says which of a message's links this is; "" if it is the only one."""
    return t("offer.which", number=offer.number, url=shorten(offer.url, LINK_UNITS)) + "\n" if offer.number else ""


def known_text(t: Texts, known: Metadata, url: str, limit_bytes: int) -> str:
    """Return the text (HTML) with what is known of a link, and the reason if formats are missing."""
    facts = []
    if known.performer:
        facts.append(t.plain("offer.by", performer=shorten(known.performer, TITLE_UNITS)))
    if known.duration_seconds:
        facts.append(t.plain("offer.length", length=duration_text(known.duration_seconds)))
    title = shorten(known.title or url, TITLE_UNITS)
    text = t("offer.known", title=title, facts="   ".join(facts)).replace("\n\n", "\n")
    if not keyboard(t, 0, known, limit_bytes):
        text += "\n" + t("offer.nothing_fits", limit=limit_text(limit_bytes))
    elif any(size.size_bytes > limit_bytes for size in known.sizes):
        text += "\n" + t("offer.left_out", limit=limit_text(limit_bytes))
    return text


def keyboard(t: Texts, offer_id: int, known: Metadata | None, limit_bytes: int | None = None) -> Keyboard:
    """Return a button for each variant of the link, with its size if known. Variants over the limit are left out."""
    sizes = {size.variant: size for size in known.sizes} if known else {}
    variants = offered(known.has, lines=known.height) if known else offered(Has(), lines=None)
    rows: list[tuple[Button, ...]] = []
    for _, of_format in groupby(variants, lambda variant: variant.format):
        buttons, weights = [], set()
        for variant in of_format:
            size = sizes.get(variant)
            if size is not None:
                if limit_bytes is not None and size.size_bytes > limit_bytes:
                    continue
                if variant.row.kind == "audio" and size.size_bytes in weights:
                    continue  # both copy the same audio, whose bit rate is lower than this quality
                weights.add(size.size_bytes)
            label = variant_label(t, variant, size)
            buttons.append(Button(text=label, callback_data=PickFormat(offer_id, variant).encode()))
        rows += button_rows(buttons)
    return tuple(rows)
