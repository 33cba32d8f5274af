"""What subtitles and pictures have in common: they are so small that nobody asks what they weigh.

Owns the answers to all that is asked before the making. It knows neither kind.
"""

from __future__ import annotations

from doradura.child.products.product import Described, Looked, Product, Weight


class Light(Product):
    """A product that is taken out of what was fetched, and is never too large."""

    def passes(self, described: Described) -> bool:  # noqa: ARG002 -- of no description
        """What is fetched is not what is sent."""
        return False

    def judge(self, described: Described, *, passes: bool | None) -> None:
        """Let everything through."""

    def weigh(self, described: Described) -> Weight | None:  # noqa: ARG002
        """Nobody tells what it weighs, and nobody minds."""
        return None

    def weigh_file(self, looked: Looked) -> Weight | None:  # noqa: ARG002
        """As `weigh`."""
        return None
