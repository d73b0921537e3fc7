"""Bringing a SQLite database up to date: all or nothing, and one process at a time."""

import sqlite3
from collections.abc import Iterator

from openrun.store.base import RefusedBySchema
from openrun.store.schema import check, migrations
from openrun.store.sqlite.connection import ask, tell, writing


def migrate(connection: sqlite3.Connection, now: int) -> None:
    """Apply what is missing. Raises `RefusedBySchema` for a newer database, and for one of somebody else."""
    known = migrations("sqlite")
    with writing(connection):
        applied = _applied(connection)
        check(applied, len(known))
        for each in known[applied:]:
            for statement in _statements(each.sql):
                connection.execute(statement)
            tell(connection, "keep_migration", number=each.number, name=each.name, now=now)


def _applied(connection: sqlite3.Connection) -> int:
    tables = ask(connection, "tables", list[str])
    if tables and "openrun_schema" not in tables:
        raise RefusedBySchema(f"the database is none of OpenRun's: it has tables like {tables[0]!r}")
    tell(connection, "make_schema")
    return ask(connection, "applied", int)


def _statements(script: str) -> Iterator[str]:
    """`executescript` would commit what came before it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
