"""Rows as they were given."""

import json
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from openrun.store.postgres.text import given
from openrun.store.rows import EventRow, InboxRow

T = TypeVar("T", bound=msgspec.Struct)


def as_rows(kind: type[T], rows: Iterable[tuple[Any, ...]]) -> list[T]:
    """Rows whose columns are this kind's fields, in order."""
    names = kind.__struct_fields__
    return [msgspec.convert(dict(zip(names, map(_value, row), strict=True)), kind) for row in rows]


def as_events(rows: Iterable[tuple[Any, ...]]) -> list[EventRow]:
    """Events, to the byte."""
    return [EventRow(*row) for row in rows]


def as_messages(rows: Iterable[tuple[Any, ...]]) -> list[InboxRow]:
    """Messages, their bodies being JSON."""
    return as_rows(InboxRow, ((*row[:-1], json.loads(given(row[-1]))) for row in rows))


def _value(value: Any) -> Any:
    return given(value) if type(value) is str else value
