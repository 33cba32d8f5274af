"""One job as the gate knows it: what it may do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from doradura.gate.connection import Connection
from doradura.gate.opening import Rules
from doradura.gate.standing_in import StandIn

REMEMBERED: Final = 32
"""Hosts and refusals that are kept of one job."""


@dataclass(eq=False)
class Job:
    """One job's connections."""

    number: int
    rules: Rules
    open: set[Connection] = field(default_factory=set)
    opening: int = 0
    sent: int = 0
    received: int = 0
    connections: int = 0
    hosts: dict[str, None] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    over: bool = False
    stand_in: StandIn | None = None
    """What answers its connects, where it is behind a wall that notifies."""

    def refuse(self, detail: str) -> None:
        """Note why something was refused."""
        if len(self.refused) < REMEMBERED:
            self.refused.append(detail[:300])
