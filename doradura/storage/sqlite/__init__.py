"""SQLite behind the storage's interface: the bot's one place that imports sqlite3.

`storage` has the threads and connections, `changing` is what a change gets, `migrating` brings tables up to date,
`file` watches the files on the disk, `integrity` reads all of them, `errors` translates what SQLite raises,
`examining` reads a file that is not open.
"""

from doradura.storage.sqlite.examining import Examined, examine
from doradura.storage.sqlite.storage import SqliteStorage

__all__ = ["Examined", "SqliteStorage", "examine"]
