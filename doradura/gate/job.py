"""One job as the gate knows it: what it may do, and what it did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from doradura.gate.connection import Connection
from doradura.gate.opening import Rules
from doradura.gate.standing_in import StandIn
from doradura.media.gatecontrol import GateOutcome, GateReply

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
    outcomes: Counter[GateOutcome] = field(default_factory=Counter)
    hosts: dict[str, None] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    over: bool = False
    stand_in: StandIn | None = None
    """What answers its connects, where it is behind a wall that notifies."""

    def account(self) -> dict[str, Any]:
        """Return the content of the message `ended` (media/gatecontrol.py)."""
        return {
            "job": self.number,
            "sent": self.sent,
            "received": self.received,
            "connections": self.connections,
            "outcomes": {outcome: self.outcomes[outcome] for outcome in get_args(GateOutcome)},
            "hosts": list(self.hosts),
            "refused": self.refused,
        }

    def refuse(self, reply: GateReply, detail: str) -> None:
        """Record that there was no connection, and why."""
        self.outcomes["refused" if reply in {GateReply.REFUSED_ADDRESS, GateReply.TOO_MANY} else "failed"] += 1
        if len(self.refused) < REMEMBERED:
            self.refused.append(detail[:300])
