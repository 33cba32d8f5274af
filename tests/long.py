"""How much of a long test CI does: what would take it too long is done in full by hand (`just test-long`)."""

from __future__ import annotations

import os


def many(full: int, *, in_ci: int) -> int:
    """Return how many turns a long test takes: all of them, or in CI fewer."""
    return in_ci if os.environ.get("CI") else full
