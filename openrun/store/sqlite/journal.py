"""Events as they were written, where activations stand, and what steps reported."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

from openrun.store.rows import ActivationRow, EventRow, ProgressRow
from openrun.store.sqlite.connection import as_json, ask

_PAGE = 5_000
_GROUP_BYTES = 4_000_000
_NO_LIMIT = 2**62


def events(connection: sqlite3.Connection, run_id: str, after: int, limit: int | None) -> list[EventRow]:
    """In pages, so that no answer of SQLite becomes too large for it."""
    left = _NO_LIMIT if limit is None else limit
    found: list[EventRow] = []
    while left > 0:
        most = min(left, _PAGE)
        page = ask(connection, "events", list[EventRow], run_id=run_id, after=after, limit=most)
        found += page
        if len(page) < most:
            break
        after = page[-1].seq
        left -= most
    return found


def journals(connection: sqlite3.Connection, run_ids: Sequence[str]) -> Mapping[str, list[EventRow]]:
    """Small ones together, large ones one by one."""
    found: dict[str, list[EventRow]] = {run_id: [] for run_id in run_ids}
    sizes = ask(connection, "journal_sizes", list[tuple[str, int]], rows=as_json(list(found)))
    for group in _groups(sizes):
        if len(group) == 1:
            found[group[0]] = events(connection, group[0], 0, None)
            continue
        for row in ask(connection, "journals", list[EventRow], rows=as_json(group)):
            found[row.run_id].append(row)
    return found


def _groups(sizes: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for run_id, its in sizes:
        if group and size + its > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(run_id)
        size += its
    if group:
        yield group


def activations(
    connection: sqlite3.Connection, run_id: str, *, after: int, limit: int
) -> list[ActivationRow]:
    return ask(connection, "activations", list[ActivationRow], run_id=run_id, after=after, limit=limit)


def progress(connection: sqlite3.Connection, run_id: str, *, after: int, limit: int) -> list[ProgressRow]:
    return ask(connection, "progress", list[ProgressRow], run_id=run_id, after=after, limit=limit)
