"""The interface for rendering alert messages; chat/alert_texts.py implements it. Texts are HTML, except for `bare`."""

from __future__ import annotations

from typing import Protocol

from doradura.storage.alerts import CardView
from doradura.telegram.types import Keyboard


class AlertRenderer(Protocol):
    """Renders alert messages. The same view always gives the same text, as a message is edited only if it changed."""

    def message(self, view: CardView) -> str:
        """Return the text of the message about one incident or several."""
        ...

    def keyboard(self, view: CardView) -> Keyboard | None:
        """Return the buttons under that message; None for none."""
        ...

    def reminder(self, view: CardView, now_ms: int) -> str:
        """Return the text of a reply that says that the alert is still firing."""
        ...

    def back(self, view: CardView) -> str:
        """Return the text of a reply that says that monitoring works again."""
        ...

    def bare(self, view: CardView) -> str:
        """Return a short plain text, for a message that Telegram refuses or that can't be rendered."""
        ...

    def silence(self, seconds: int) -> tuple[str, str]:
        """Return the summary and the description for a watchdog that has been silent for so many seconds."""
        ...
