"""The storage on SQLite. Only this package imports sqlite3.

`storage` owns the threads and connections, `changing` is the connection that a change gets, `migrating` applies the
migrations, `file` watches the files on the disk, `integrity` checks the whole database, `errors` translates SQLite's
errors, and `examining` checks a file that is not open.
"""

from doradura.storage.sqlite.examining import Examined, examine
from doradura.storage.sqlite.storage import SqliteStorage

__all__ = ["Examined", "SqliteStorage", "examine"]
