"""What subtitles and pictures have in common: they are so small that their size does not matter.

Owns the answers to all questions before the making. It knows neither kind.
"""

from __future__ import annotations

from doradura.child.products.product import Described, Looked, Product, Weight


class Light(Product):
    """A product that is extracted from what was fetched, and is never too large."""

    def passes(self, described: Described) -> bool:  # noqa: ARG002 -- of no description
        """Return False: what is fetched is not what is sent."""
        return False

    def judge(self, described: Described, *, passes: bool | None) -> None:
        """Accept everything."""

    def weigh(self, described: Described) -> Weight | None:  # noqa: ARG002
        """Return an unknown weight: it does not matter."""
        return None

    def weigh_file(self, looked: Looked) -> Weight | None:  # noqa: ARG002
        """Return an unknown weight, as `weigh` does."""
        return None
