"""The Bot API's refusals, as exceptions that a method raises.

The texts are the server's own; `bad_request` writes the first letter in lower case, as the server does, unless what
follows shows that it is a constant such as BUTTON_DATA_INVALID.
"""

from __future__ import annotations

from collections.abc import Mapping


class RefusalError(Exception):
    """An answer with ok=false: the HTTP status, which is also error_code, the description, and ResponseParameters."""

    def __init__(self, code: int, description: str, *, parameters: Mapping[str, int] | None = None) -> None:
        super().__init__(description)
        self.parameters = parameters
        self.code = code
        self.description = description


def bad_request(text: str) -> RefusalError:
    """Return a 400. `text` is what follows "Bad Request: "."""
    constant = len(text) > 1 and (text[1] == "_" or "A" <= text[1] <= "Z")
    return RefusalError(400, "Bad Request: " + (text if constant else text[:1].lower() + text[1:]))


def forbidden(text: str) -> RefusalError:
    """Return a 403. `text` is what follows "Forbidden: "."""
    return RefusalError(403, f"Forbidden: {text}")
