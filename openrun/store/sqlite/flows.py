"""Flows and their versions."""

import sqlite3

from msgspec.structs import asdict

from openrun.store.rows import VersionRow
from openrun.store.sqlite.connection import ask, look_up, tell, writing


def keep_version(connection: sqlite3.Connection, row: VersionRow) -> None:
    with writing(connection):
        tell(connection, "keep_version", **asdict(row))
        tell(connection, "make_current", flow_id=row.flow_id, version=row.version)


def version(connection: sqlite3.Connection, flow_id: str, version: str | None) -> VersionRow | None:
    return look_up(connection, "version", VersionRow, flow_id=flow_id, version=version)


def versions(connection: sqlite3.Connection) -> list[VersionRow]:
    return ask(connection, "versions", list[VersionRow])
