"""What the admins' commands work with beside what every conversation has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from doradura.alerts import Prometheus, Silencing
from doradura.charts import Charts
from doradura.chat.menus import CommandMenus
from doradura.health import HealthReport


@dataclass(frozen=True)
class AdminParts:
    """The parts of the program that reports ask."""

    health: Callable[[], Awaitable[HealthReport]]
    charts: Charts
    menus: CommandMenus
    silencing: Silencing
    prometheus: Prometheus
