"""Brings a database's schema up to date, one process at a time."""

from psycopg import errors

from openrun.store.base import RefusedBySchema, StoreError
from openrun.store.postgres.link import Connection
from openrun.store.schema import Migration, check, migrations

# Any number, as long as nobody else uses it for something else.
_LOCK = 7_736_311_982_041_660_514
_TABLE = b"""
CREATE TABLE IF NOT EXISTS openrun_schema (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


async def upgrade(connection: Connection) -> None:
    """Apply the migrations that are missing, all or none."""
    known = migrations("postgres")
    await _check_encoding(connection)
    if await _applied(connection) == len(known):
        return
    async with connection.transaction():
        await connection.execute(b"SET LOCAL statement_timeout = 0")
        await connection.execute(b"SET LOCAL lock_timeout = '5min'")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        await connection.execute(_TABLE)
        for migration in known[await _applied(connection) :]:
            await _apply(connection, migration)


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql.encode())
    except errors.DuplicateTable as error:
        raise RefusedBySchema(
            f"the database is none of OpenRun's: {str(error).strip()}; give OpenRun a database or a schema of its own "
            "(`?options=-csearch_path%3Dopenrun` at the end of the URL)"
        ) from error
    await connection.execute(
        "INSERT INTO openrun_schema (number, name) VALUES (%s, %s)", [migration.number, migration.name]
    )


async def _applied(connection: Connection) -> int:
    """How many migrations the database has; refused when they are more than are known."""
    found = await connection.execute(
        "SELECT to_regclass(quote_ident(current_schema()) || '.openrun_schema') IS NOT NULL"
    )
    there = await found.fetchone()
    if not there or not there[0]:
        return 0
    row = await (await connection.execute("SELECT coalesce(max(number), 0) FROM openrun_schema")).fetchone()
    applied: int = row[0] if row else 0
    check(applied, len(migrations("postgres")))
    return applied


async def _check_encoding(connection: Connection) -> None:
    row = await (await connection.execute("SHOW server_encoding")).fetchone()
    if row != ("UTF8",):
        raise StoreError(
            f"the database's encoding is {row and row[0]}; OpenRun needs UTF8 (CREATE DATABASE ... ENCODING 'UTF8')"
        )
