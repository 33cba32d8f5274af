"""The database: an interface (`seam`, `topics`), what implements it (`sqlite`), migrations, queries by subject.

It may import the facts in `media` and the errors of a start, but neither settings nor Telegram. Times are integer
milliseconds since 1970 (columns end in `_ms`), ids are made by `ids.IdMaker`, and the SQL is what both SQLite 3.40 and
PostgreSQL 15 accept.
"""

from doradura.storage.errors import DAMAGE, DAMAGE_ADVICE, NewerDatabaseError, StorageError
from doradura.storage.seam import Change, Connection, Row, Rows, Storage, Value
from doradura.storage.topics import Topic, Watch

__all__ = [
    "DAMAGE",
    "DAMAGE_ADVICE",
    "Change",
    "Connection",
    "NewerDatabaseError",
    "Row",
    "Rows",
    "Storage",
    "StorageError",
    "Topic",
    "Value",
    "Watch",
]
