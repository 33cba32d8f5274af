"""Every number that the program counts, declared once on a registry of its own, and their text for a scrape.

Knows nothing else of ours: the labels' sets (sites, formats, reasons ...) are passed in. Counting happens only on the
event loop; children and threads hand their numbers over.
"""

from doradura.metrics.catalogue import BuildFacts, LabelValues, Metrics
from doradura.metrics.exposition import DATABASE_FAMILIES, FamilySamples
from doradura.metrics.labels import Labelled
from doradura.metrics.snapshot import DatabaseValues
from doradura.metrics.telegram import TelegramMetrics

__all__ = [
    "DATABASE_FAMILIES",
    "BuildFacts",
    "DatabaseValues",
    "FamilySamples",
    "LabelValues",
    "Labelled",
    "Metrics",
    "TelegramMetrics",
]
