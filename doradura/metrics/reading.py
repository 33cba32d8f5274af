"""Reads counters back from a registry, for reports in words. They count since the program's start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry


def counted(registry: CollectorRegistry, name: str, label: str | None = None) -> dict[str, float]:
    """Return a family's samples of that name, summed by one label (or all under ""), without zeros."""
    sums: dict[str, float] = {}
    # A collector that names nothing beforehand (the process's) is in no restricted registry.
    found = list(registry.restricted_registry([name]).collect()) or registry.collect()
    for family in found:
        for sample in family.samples:
            if sample.name == name and sample.value:
                key = sample.labels.get(label, "") if label else ""
                sums[key] = sums.get(key, 0.0) + sample.value
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))
