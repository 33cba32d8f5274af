"""Why something a person asked for cannot be done, with the HTTP status it is told by."""

from __future__ import annotations


class HumanError(Exception):
    """What was asked for cannot be done."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
