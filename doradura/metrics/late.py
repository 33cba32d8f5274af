"""A gauge that has no sample until it is set for the first time."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class LateGauge(Collector):
    """A gauge without labels. prometheus-client's own shows 0 from the start, which some values must not."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._value: float | None = None
        registry.register(self)

    def set(self, value: float) -> None:
        """Set the value; from now on there is a sample."""
        self._value = value

    def describe(self) -> Iterable[Metric]:
        """Name the family, so that the registry refuses a second one of that name."""
        return [GaugeMetricFamily(self._name, self._documentation)]

    def collect(self) -> Iterable[Metric]:
        """Return the family, with its sample if there is one."""
        return [GaugeMetricFamily(self._name, self._documentation, value=self._value)]
