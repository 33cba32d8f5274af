"""The database: one writer thread, numbered migrations, one module of queries a subject.

Knows settings and nothing else of ours. Times are integer milliseconds since 1970 (columns end in `_ms`), ids are made
by `ids.IdMaker`, and the SQL is what SQLite 3.40 and PostgreSQL 15 both take.
"""

from doradura.storage.connection import Change, Connection, Storage, write_once
from doradura.storage.errors import DAMAGE, DAMAGE_ADVICE, StorageError

__all__ = ["DAMAGE", "DAMAGE_ADVICE", "Change", "Connection", "Storage", "StorageError", "write_once"]
