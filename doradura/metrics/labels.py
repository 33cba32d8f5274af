"""A metric whose label values are a closed set, with every child made at the start."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

log = logging.getLogger(__name__)

OTHER = "other"

M = TypeVar("M", Counter, Gauge, Histogram)


class Labelled(Generic[M]):
    """The children of one metric, by their label values.

    A value outside its set counts as "other" and is logged once: the number of series stays bounded whatever a caller
    does, and a mistake in counting never costs a job. The tests look for such log lines.
    """

    def __init__(
        self,
        parent: M,
        closed: Mapping[str, Iterable[str]],
        *,
        rows: Sequence[tuple[str, ...]] | None = None,
        prepare: Callable[[tuple[str, ...]], bool] = lambda _row: True,
    ) -> None:
        """Close the sets in `closed`, in the order of the parent's labels.

        `rows` are the existing combinations, if not every one exists; `prepare` says which of them are made now (the
        others appear when first counted).
        """
        self._parent: M = parent
        self._names = tuple(closed)
        self._values = tuple(frozenset(values) for values in closed.values())
        self._rows = None if rows is None else frozenset(rows)
        self._complained: set[tuple[str, ...]] = set()
        every = itertools.product(*closed.values()) if rows is None else rows
        self._children: dict[tuple[str, ...], M] = {row: parent.labels(*row) for row in every if prepare(row)}

    def labels(self, **labels: str) -> M:
        """Return the child for these values. A wrong name raises KeyError; an unknown value counts as other."""
        row = tuple([labels[name] for name in self._names])
        child = self._children.get(row)
        if child is None or len(labels) != len(row):
            child = self._make(labels, row)
        return child

    @property
    def closed(self) -> Mapping[str, frozenset[str]]:
        """Label -> its allowed values."""
        return dict(zip(self._names, self._values, strict=True))

    def children(self) -> list[M]:
        """Return every child made so far."""
        return list(self._children.values())

    def _make(self, labels: Mapping[str, str], row: tuple[str, ...]) -> M:
        if set(labels) != set(self._names):
            raise KeyError(f"the labels are {', '.join(self._names)}, not {', '.join(labels)}")
        bounded: tuple[str, ...] = tuple(
            value if value in known else OTHER for value, known in zip(row, self._values, strict=True)
        )
        if self._rows is not None and bounded not in self._rows:
            # The pair is what is closed here: a known format with another one's quality keeps its format.
            bounded = (*bounded[:-1], OTHER)
        if any(value == OTHER and OTHER not in known for value, known in zip(bounded, self._values, strict=True)):
            self._complain(bounded)
        return self._children.setdefault(bounded, self._parent.labels(*bounded))

    def _complain(self, row: tuple[str, ...]) -> None:
        if row not in self._complained:
            self._complained.add(row)
            extra = {"metric": str(self._parent), "labels": dict(zip(self._names, row, strict=True))}
            log.error("a label value outside its closed set counts as other", extra=extra)
