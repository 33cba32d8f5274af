"""A database in memory."""

from __future__ import annotations

import sqlite3

import pytest

from tests.databases import migrated


@pytest.fixture
def db() -> sqlite3.Connection:
    """A fresh database; it is closed with all others."""
    return migrated()
