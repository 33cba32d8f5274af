"""The fragments of HLS and DASH streams: four at a time, and one at a time once the site asks for less.

Owns how far ahead fragments are fetched. yt-dlp's own way with several (`concurrent_fragment_downloads`) hands all of
them to its threads at once, waits after a failure until the rest has come, and tries one that the site refuses again
at once. Here at most four are under way or waiting to be written, so the lead on the disk is bounded; the first failure
stops the others at their next bytes; and 429 or 503 means a pause, and one at a time from then on. The fragments are
still written in their order, by the one thread that reads them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, Final, Self, TypeVar

from yt_dlp.downloader.common import FileDownloader
from yt_dlp.downloader.fragment import FragmentFD, HttpQuietDownloader
from yt_dlp.networking.exceptions import HTTPError

AT_ONCE: Final = 4
"""As browsers' players do with HTTP/1.1, which allow six connections to one host."""
_BUSY: Final = frozenset({429, 503})
FIRST_PAUSE_SECONDS: Final = 1.0
"""Doubled with each further refusal of the same fragment. How long the site asks for (Retry-After) is for the job."""

Info = dict[str, Any]

F = TypeVar("F")
R = TypeVar("R")


class StoppedError(Exception):
    """The fetch that this fragment is part of has ended."""


class Pace:
    """How many fragments of one fetch may be under way; shared by its threads."""

    def __init__(self) -> None:
        self._allowed = AT_ONCE
        self._stopped = threading.Event()

    @property
    def allowed(self) -> int:
        """How many may be under way now."""
        return self._allowed

    def refused(self, times: int) -> None:
        """Note that the site was too busy for a fragment, the `times`-th time, and wait before it is tried again."""
        self._allowed = 1
        self._stopped.wait(FIRST_PAUSE_SECONDS * 2 ** (times - 1))
        self.go_on()

    def stop(self) -> None:
        """Stop every thread of the fetch at its next step."""
        self._stopped.set()

    def go_on(self) -> None:
        """Raise StoppedError after `stop`. Called by whatever a thread passes often."""
        if self._stopped.is_set():
            raise StoppedError("the fetch has ended")


class Ahead:
    """Does work in threads, at most a few steps ahead of whoever takes the results, which come in order.

    It has what yt-dlp uses of an executor: a context with `map`, once. Leaving the context early does not wait for the
    threads: one may sit in a read for seconds. It is stopped at its next bytes, and what it fetched is never read.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._done = False
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fragment")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._done:
            self._pace.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def map(self, work: Callable[[F], R], items: Iterable[F]) -> Iterator[R]:
        """Yield the results of the items in their order. Raises what the work raised, once its turn has come."""
        under_way: deque[Future[R]] = deque()
        for item in items:
            while len(under_way) >= self._pace.allowed:
                yield under_way.popleft().result()
            under_way.append(self._pool.submit(work, item))
        while under_way:
            yield under_way.popleft().result()
        self._done = True


_append = FragmentFD.download_and_append_fragments
_report_retry = FileDownloader.report_retry


def fetch_ahead() -> None:
    """Let yt-dlp fetch fragments in this way, in this process and for good."""
    FragmentFD.download_and_append_fragments = _fetch_and_append
    FragmentFD.report_retry = HttpQuietDownloader.report_retry = _report


def _fetch_and_append(self: FragmentFD, ctx: Info, fragments: Any, info_dict: Info, **more: Any) -> Any:
    pace = self.doradura_pace = ctx["dl"].doradura_pace = Pace()
    self.params = {**self.params, "concurrent_fragment_downloads": AT_ONCE}  # above 1, so that `tpe` is used
    self._progress_hooks.insert(0, lambda _status: pace.go_on())
    stream = ctx["dest_stream"] = Destination(ctx["dest_stream"])
    try:
        return _append(self, ctx, fragments, info_dict, **{**more, "tpe": Ahead(pace)})
    except BaseException:
        stream.close()
        raise


class Destination:
    """The file that fragments are written to, which only the thread that writes can close.

    yt-dlp closes it in the thread of a fragment that failed, where an earlier one may still be being written.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._writer = threading.get_ident()

    def close(self) -> None:
        """Close the file, in its own thread."""
        if threading.get_ident() == self._writer:
            self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _report(self: FileDownloader, err: Any, count: int, retries: int, *arguments: Any, **more: Any) -> None:
    """As yt-dlp's, which raises after the last retry. A busy site is left alone for a moment before the next one."""
    _report_retry(self, err, count, retries, *arguments, **more)
    pace: Pace | None = getattr(self, "doradura_pace", None)
    if pace is not None and isinstance(err, HTTPError) and err.status in _BUSY:
        pace.refused(count)
