"""The samples that a bot writes at a scrape, with their families and labels, taken from the registry itself."""

from __future__ import annotations

import re

from prometheus_client.samples import Sample

from doradura.label_values import LABEL_VALUES
from doradura.metrics import DATABASE_FAMILIES, BuildFacts, Metrics

DATABASE = frozenset(DATABASE_FAMILIES)
"""The families from the database. Their values are the same on every instance."""


def written() -> dict[str, tuple[str, frozenset[str]]]:
    """Return every sample name that a bot writes, with its family and its labels."""
    metrics = Metrics(LABEL_VALUES, build=BuildFacts(version="1", python="3", yt_dlp="1", ffmpeg="1", mode="sandbox"))
    metrics.set_health({"poll": 1})
    metrics.watchdog_last_seen.set(1)
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for family in metrics.registry.collect():
        for sample in (one for one in family.samples if not one.name.endswith("_created")):
            found[sample.name] = (_family(sample), frozenset(sample.labels))
    for name, (_, labels) in DATABASE_FAMILIES.items():
        found[name] = (name, frozenset(labels))
    return found


def _family(sample: Sample) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", sample.name)
