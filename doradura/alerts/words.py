"""What the alerts need said, as the one who has the words is asked for it. Texts are HTML, but for `bare`."""

from __future__ import annotations

from typing import Protocol

from doradura.storage.alerts import CardView
from doradura.telegram.types import Keyboard


class AlertWords(Protocol):
    """The chat's part. The same view gives the same text: a message is edited only when what it shows changed."""

    def card(self, view: CardView) -> str:
        """Return the message of one incident, or of many."""
        ...

    def keyboard(self, view: CardView) -> Keyboard | None:
        """Return the buttons under it."""
        ...

    def reminder(self, view: CardView, now_ms: int) -> str:
        """Say that it fires still."""
        ...

    def back(self, view: CardView) -> str:
        """Say that monitoring is heard again."""
        ...

    def bare(self, view: CardView) -> str:
        """Return a short plain text for what can't be shown otherwise."""
        ...

    def silence(self, seconds: int) -> tuple[str, str]:
        """Return summary and description for a watchdog that has been silent for so long."""
        ...
