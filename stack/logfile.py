"""One program's log on disk: DATA_DIR/stack/logs/NAME.log, of bounded size, with the older part in NAME.log.1."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

LIMIT_BYTES = 5 * 1024 * 1024


class LogFile:
    """Appends lines; what does not fit on the disk is dropped and stops nothing."""

    def __init__(self, path: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        """Append one line."""
        with suppress(OSError):  # a full disk must not end the monitoring that reports it
            if self._file.tell() + len(line) > self._limit_bytes:
                self._file.close()
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                self._file = self.path.open("ab", buffering=0)
            self._file.write(line + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
