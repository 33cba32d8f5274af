"""Shortens long tests in CI. `just test-long` runs them in full."""

from __future__ import annotations

import os


def many(full: int, *, in_ci: int) -> int:
    """Return how many repetitions a long test makes: all of them, or fewer in CI."""
    return in_ci if os.environ.get("CI") else full
