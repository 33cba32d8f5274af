"""Counts and reports what has been fetched of a job's parts, and checks it against what can still become of it.

Owns the refusal of downloads that can't succeed, as early as possible: before the first byte if the site states sizes
and codecs, else by the file's own beginning while it comes in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from doradura.child.describing import GUESS_FACTOR, guessed_bytes, whole
from doradura.child.encoding import Footage
from doradura.child.facts import inspect
from doradura.child.failures import JobError
from doradura.child.fetching import Info, parts_of
from doradura.child.products.product import Described, Product
from doradura.child.stated import stated_seconds
from doradura.media.protocol import Order, Progress
from doradura.media.reasons import Reason

_PROGRESS_SECONDS: Final = 0.5
_FIRST_LOOK_BYTES: Final = 16 * 1024
_LAST_LOOK_BYTES: Final = 16 * 1024 * 1024
"""A file that does not show by then what it is shows it at its end."""


class Gauge:
    """Counts bytes over all parts, reports them, and stops a fetch that cannot succeed."""

    def __init__(
        self, order: Order, product: Product, info: Info, item: Mapping[str, Any], emit: Callable[[Progress], None]
    ) -> None:
        """Take what was chosen (`info`) of an item with all its formats. Raises JobError if it is too large."""
        self._emit = emit
        self._lock = threading.Lock()
        """A stream's fragments come in several threads."""
        self._limits = order.limits
        self._product = product
        self._parts = parts_of(info)
        self._fetched = [0] * len(self._parts)
        self._totals = [whole(part.get("filesize")) for part in self._parts]
        self._described = Described(
            parts=self._parts, item=item, seconds=info.get("duration"), upload_bytes=order.limits.upload_bytes
        )
        self._passes = product.passes(self._described)
        self._measured: set[int] = set()
        """Parts whose length the server stated, so that yt-dlp has held them to it."""
        self._look_at = _FIRST_LOOK_BYTES
        self._told = float("-inf")
        guessed = sum(whole(part.get("filesize")) or guessed_bytes(part) for part in self._parts)
        if self._passes and guessed > self._limits.upload_bytes * GUESS_FACTOR:
            raise JobError(Reason.TOO_LARGE, f"the source has about {guessed} bytes and is sent as it is")
        product.judge(self._described, passes=self._passes)
        self._judge()

    @property
    def fetched_bytes(self) -> int:
        """The bytes of all parts so far."""
        return sum(self._fetched)

    def is_whole(self, number: int) -> bool:
        """Return whether a part surely arrived whole: the server stated its length, or it came in segments."""
        plain = self._parts[number].get("protocol") in {"http", "https"}
        return not plain or number in self._measured

    def hook(self, number: int, status: Mapping[str, Any]) -> None:
        """Take yt-dlp's progress on one part, in any thread. Raises JobError if the whole is, or will be, too large."""
        with self._lock:
            self._note(number, status)

    def _note(self, number: int, status: Mapping[str, Any]) -> None:
        self._fetched[number] = max(self._fetched[number], whole(status.get("downloaded_bytes")) or 0)
        self._totals[number] = whole(status.get("total_bytes")) or self._totals[number]
        if status.get("status") == "downloading" and status.get("total_bytes"):  # at the end it is what came in
            self._measured.add(number)
        if self._passes is None and self._known_bytes > self._limits.upload_bytes:
            self._look(number, status)
        self._judge()
        now = time.monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            self._emit(self._progress(status))

    def converting(self) -> Progress:
        """Return the message that everything has been fetched."""
        return Progress(stage="converting", fetched_bytes=self.fetched_bytes, total_bytes=self.fetched_bytes)

    @property
    def _known_bytes(self) -> int:
        return sum(max(total or 0, got) for total, got in zip(self._totals, self._fetched, strict=True))

    def _progress(self, status: Mapping[str, Any]) -> Progress:
        guess = whole(status.get("total_bytes_estimate")) if len(self._parts) == 1 else None
        known = sum(total for total in self._totals if total) if all(self._totals) else guess
        speed = status.get("speed")
        return Progress(
            stage="fetching",
            fetched_bytes=self.fetched_bytes,
            total_bytes=known if known and known >= self.fetched_bytes else None,
            bytes_per_second=float(speed) if speed else None,
        )

    def _look(self, number: int, status: Mapping[str, Any]) -> None:
        """Examine a film over the limit while it comes in: fetching the rest may be useless."""
        if not self._look_at <= self._fetched[number] or self._look_at > _LAST_LOOK_BYTES:
            return
        self._look_at = self._fetched[number] * 2
        path = Path(str(status.get("tmpfilename") or status.get("filename") or ""))
        facts = inspect(path) if path.is_file() else None
        if facts is None or facts.video is None:
            return
        with path.open("rb") as file:
            seconds = stated_seconds(file.read(_FIRST_LOOK_BYTES * 16), facts)
        film = Footage(path=path, picture=facts.video, seconds=seconds, size_bytes=self._known_bytes)
        self._passes = self._product.passes(replace(self._described, begun=film))

    def _judge(self) -> None:
        known = self._known_bytes
        if self._passes and known > self._limits.upload_bytes:
            raise JobError(Reason.TOO_LARGE, f"the source has at least {known} bytes and is sent as it is")
        if known > self._limits.file_bytes * len(self._parts):
            raise JobError(Reason.TOO_LARGE, f"the source has at least {known} bytes, more than is taken", final=True)
