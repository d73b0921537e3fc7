"""Schedules and their ticks. What becomes of a schedule is decided elsewhere, and kept in `moves`."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec.structs import asdict, replace

from openrun.store.postgres import moves
from openrun.store.postgres.asking import Asking
from openrun.store.postgres.gather import columns
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.text import kept, kept_or_none
from openrun.store.timetable import Move, ScheduleFilter, ScheduleRow, TickFilter, TickRow

_SCHEDULE = (
    "namespace", "flow_id", "trigger", "version", "spec", "cursor", "due_at", "revision", "created_at", "paused_at",
    "paused_by",
)  # fmt: skip
_BEFORE_ALL = ("", "", "")


class PostgresTimetable(Asking):
    """See `openrun.store.timetable.Timetable` for what its methods promise."""

    async def schedules(self, wanted: ScheduleFilter) -> list[ScheduleRow]:
        namespace, flow_id, trigger = wanted.after or _BEFORE_ALL
        after = {"after_namespace": namespace, "after_flow": flow_id, "after_trigger": trigger}
        return as_rows(ScheduleRow, await self._planned("schedules", {**asdict(wanted), **after}))

    async def schedule(self, flow_id: str, trigger: str, *, namespace: str = "default") -> ScheduleRow | None:
        return await self._one(ScheduleRow, "schedule", _key(namespace, flow_id, trigger))

    async def pause_schedule(
        self,
        flow_id: str,
        trigger: str,
        *,
        at: int | None,
        by: str | None = None,
        namespace: str = "default",
    ) -> bool:
        given = {
            **_key(namespace, flow_id, trigger),
            "at": at,
            "by": kept_or_none(by) if at is not None else None,
        }
        return await self._do("pause_schedule", given) > 0 or bool(await self._rows("schedule", given))

    async def ticks(self, wanted: TickFilter) -> list[TickRow]:
        given = {**asdict(wanted), "outcome": [each.value for each in wanted.outcome] or None}
        return as_rows(TickRow, await self._planned("ticks", given))

    async def due_schedules(self, now: int, limit: int = 100) -> list[ScheduleRow]:
        return as_rows(ScheduleRow, await self._rows("due_schedules", {"now": now, "limit": limit}))

    async def next_schedule(self) -> int | None:
        return await self._instant("next_schedule")

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        return await self._others.call(partial(_move, its=moves)) if moves else []

    async def forget_ticks(self, before: int, limit: int = 10_000) -> int:
        return await self._do("forget_ticks", {"before": before, "limit": limit})


async def keep_schedules(
    connection: Connection, namespace: str, flow_id: str, rows: Sequence[ScheduleRow]
) -> None:
    """These become the flow's schedules; to be called in a transaction."""
    own = {"namespace": namespace, "flow_id": flow_id, "triggers": [kept(each.trigger) for each in rows]}
    known = await connection.execute(sql("lock_schedules_of_flow"), own)
    if known.rowcount:
        await connection.execute(sql("remove_schedules"), own)
    if rows:
        named = (replace(each, namespace=namespace, flow_id=flow_id) for each in rows)
        await connection.execute(sql("keep_schedules"), columns(_SCHEDULE, map(_schedule, named)))


async def _move(connection: Connection, *, its: Sequence[Move]) -> list[bool]:
    return await moves.move(connection, its)


def _key(namespace: str, flow_id: str, trigger: str) -> dict[str, Any]:
    return {"namespace": namespace, "flow_id": flow_id, "trigger": kept(trigger)}


def _schedule(row: ScheduleRow) -> tuple[Any, ...]:
    return (
        row.namespace, row.flow_id, kept(row.trigger), row.version, kept(row.spec), row.cursor, row.due_at, row.revision,
        row.created_at, row.paused_at, kept_or_none(row.paused_by),
    )  # fmt: skip
