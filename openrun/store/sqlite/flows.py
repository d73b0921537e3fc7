"""Flows and their versions."""

import sqlite3
from collections.abc import Sequence

from msgspec.structs import asdict

from openrun.store.rows import FlowRow, VersionRow
from openrun.store.sqlite.connection import ask, look_up, tell, writing
from openrun.store.sqlite.timetable import keep_schedules
from openrun.store.timetable import ScheduleRow


def keep_version(
    connection: sqlite3.Connection, row: VersionRow, expected: str | None, schedules: Sequence[ScheduleRow]
) -> bool:
    with writing(connection):
        if expected is not None:
            current = flow(connection, row.namespace, row.flow_id)
            if expected != (current.version if current else ""):
                return False
        tell(connection, "keep_version", **asdict(row))
        tell(connection, "make_current", namespace=row.namespace, flow_id=row.flow_id, version=row.version)
        keep_schedules(connection, row, schedules)
    return True


def version(
    connection: sqlite3.Connection, namespace: str, flow_id: str, version: str | None
) -> VersionRow | None:
    return look_up(connection, "version", VersionRow, namespace=namespace, flow_id=flow_id, version=version)


def versions(connection: sqlite3.Connection, namespace: str, flow_id: str) -> list[VersionRow]:
    return ask(connection, "versions", list[VersionRow], namespace=namespace, flow_id=flow_id)


def flow(connection: sqlite3.Connection, namespace: str, flow_id: str) -> FlowRow | None:
    return look_up(connection, "flow", FlowRow, namespace=namespace, flow_id=flow_id)


def flows(connection: sqlite3.Connection, namespace: str | None) -> list[FlowRow]:
    return ask(connection, "flows", list[FlowRow], namespace=namespace)


def enable(connection: sqlite3.Connection, namespace: str, flow_id: str, now: int, *, enabled: bool) -> bool:
    with writing(connection):
        tell(connection, "wake_schedules", namespace=namespace, flow_id=flow_id, now=now)
        return tell(connection, "enable", namespace=namespace, flow_id=flow_id, enabled=enabled) > 0
