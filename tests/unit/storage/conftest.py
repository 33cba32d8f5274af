"""A database in memory."""

from __future__ import annotations

import pytest

from doradura.storage import Connection
from tests.databases import migrated


@pytest.fixture
def db() -> Connection:
    """A fresh database; it is closed with all others."""
    return migrated()
