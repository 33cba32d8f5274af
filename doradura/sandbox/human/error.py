"""Why a person's request cannot be fulfilled, with the HTTP status of the answer."""

from __future__ import annotations


class HumanError(Exception):
    """The request cannot be fulfilled."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
