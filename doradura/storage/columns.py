"""A dataclass as the columns of a query, and the query's rows as its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class Columns(Generic[T]):
    """The columns that are called as the fields of a dataclass, in the fields' order."""

    def __init__(self, kind: type[T], **read: Callable[[Any], object]) -> None:
        """`read` makes the value of a field of what its column has, where that is not the same."""
        self._kind = kind
        self._read = read
        self.names = tuple(field.name for field in fields(kind))
        self.listed = ", ".join(self.names)
        """As a SELECT names them."""

    def value(self, row: Sequence[Any]) -> T:
        """Return what a row of these columns says."""
        values = dict(zip(self.names, row, strict=True))
        return self._kind(**values | {name: read(values[name]) for name, read in self._read.items()})
