"""Measurements: ours against what it is compared with, side by side (`just bench`, docs/performance.md)."""
