"""The record of Bot API calls, for people and tests to read: the newest ten thousand, as JSON lines.

Kept in memory only. A call gets its number when it arrives and its line when it is answered; getUpdates, which may wait
for most of a minute, gets its number with its line, and no line if it brought nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import msgspec

from doradura.sandbox.state.blobs import StoredUpload

LINE_LIMIT = 10_000


class CallRecord:
    """The lines, by the number of their call."""

    def __init__(self) -> None:
        self._arrived = 0
        self._lines: dict[int, bytes] = {}
        self._oldest: deque[int] = deque()

    def arrive(self) -> int:
        """Number a call."""
        self._arrived += 1
        return self._arrived

    def add(
        self,
        number: int,
        method: str,
        texts: Mapping[str, str],
        files: Mapping[str, StoredUpload],
        *,
        status: int | None,
        envelope: bytes | None,
        fault: int | None,
        took_seconds: float,
    ) -> None:
        """Add a call's line; `took_seconds` is the time from its arrival to its answer."""
        value = {
            "n": number,
            "method": method,
            "params": texts,
            "files": {name: {"filename": upload.filename, "size": upload.size} for name, upload in files.items()},
            "status": status,
        }
        if envelope is not None:
            value["response"] = msgspec.Raw(envelope)
        self._lines[number] = msgspec.json.encode({**value, "fault": fault, "took_seconds": round(took_seconds, 3)})
        self._oldest.append(number)
        if len(self._oldest) > LINE_LIMIT:
            del self._lines[self._oldest.popleft()]

    def after(self, number: int) -> bytes:
        """Return the lines of the calls after a number, in order of arrival."""
        wanted = sorted(each for each in self._lines if each > number)
        return b"".join(self._lines[each] + b"\n" for each in wanted)
