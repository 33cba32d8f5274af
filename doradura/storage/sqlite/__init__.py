"""SQLite behind the storage's interface: the one place that imports sqlite3."""
