"""Changes that take more than one statement: claiming, retiring, removing, rewriting, flows and their versions."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from openrun.core.types import FINAL
from openrun.store.base import StoreError
from openrun.store.postgres.admit import ADMITTING, admit
from openrun.store.postgres.again import until_alone
from openrun.store.postgres.link import Connection
from openrun.store.postgres.outside import Outside
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.record import write_activations, write_outside
from openrun.store.postgres.text import kept, kept_or_none, place
from openrun.store.postgres.timetable import keep_schedules
from openrun.store.rows import Claim, Derived, VersionRow
from openrun.store.timetable import ScheduleRow

_UNDERIVED = (
    "delete_activations",
    "delete_waits",
    "delete_effects",
    "delete_other_compensations",
    "forget_compensation_starts",
)


async def claim(connection: Connection, wanted: Mapping[str, Any]) -> list[Claim]:
    """Runs that the worker holds from now on."""
    return await until_alone(connection, partial(_claim, wanted=wanted))


async def _claim(connection: Connection, *, wanted: Mapping[str, Any]) -> list[Claim]:
    async with connection.transaction(), connection.pipeline():
        leased = await connection.execute(sql("has_lease"), wanted)
        claimed = await connection.execute(sql("claim"), wanted)
        may_admit = await connection.execute(sql("may_admit"), {"lock": ADMITTING})
        if await leased.fetchone() is None:
            raise StoreError(f"worker {wanted['worker']!r} has no valid lease, so it cannot claim runs")
        claims = as_rows(Claim, await claimed.fetchall())
        # What was due before comes first in any case; asking both at once spares those without lanes a round trip.
        turn = await may_admit.fetchone()
        if turn is not None and turn[0]:
            claims += await _admitted(connection, {**wanted, "most": wanted["most"] - len(claims)}, turn[1])
        return claims


async def _admitted(connection: Connection, wanted: Mapping[str, Any], now: int) -> list[Claim]:
    """Runs that are claimed as soon as they are admitted; of those that are left others are told."""
    due, claims = await admit(connection, now, wanted["most"]), []
    if due and wanted["most"]:
        claims = as_rows(Claim, await (await connection.execute(sql("claim"), wanted)).fetchall())
    if len(claims) < due:
        await connection.execute(sql("notify"))
    return claims


async def enable(connection: Connection, given: Mapping[str, Any]) -> bool:
    """Whether there is such a flow; its schedules are looked at anew."""
    async with connection.transaction():
        known = await connection.execute(sql("enable"), given)
        if known.rowcount:
            await connection.execute(sql("wake_schedules"), given)
    return known.rowcount > 0


async def retire(connection: Connection, worker: str) -> None:
    """The worker holds nothing any more."""
    async with connection.transaction():
        given = {"worker": worker}
        held = await connection.execute(sql("lock_held"), given)
        await connection.execute(sql("give_back"), given)
        await connection.execute(sql("retire"), given)
        if held.rowcount:
            await connection.execute(sql("notify"))


async def remove(connection: Connection, run_ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """Tombstones, in the order in which their runs were named."""
    async with connection.transaction():
        cursor = await connection.execute(sql("remove"), {"run_ids": list(run_ids)})
        tombstones = {row[0]: row for row in await cursor.fetchall()}
        await connection.execute(sql("forget_expired_starts"))
    return [tombstones[run_id] for run_id in dict.fromkeys(run_ids) if run_id in tombstones]


async def keep_version(
    connection: Connection, row: VersionRow, expected: str | None, schedules: Sequence[ScheduleRow]
) -> bool:
    """Keep a version and make it the current one, if that is still the one that is expected."""
    given = {**msgspec.structs.asdict(row), "name": kept(row.name), "expected": expected}
    make = "make_current" if expected is None else "make_next" if expected else "make_first"
    async with connection.transaction():
        # Its row is locked by this, so that of two who expect the same one finds another.
        if not (await connection.execute(sql(make), given)).rowcount:
            return False
        await connection.execute(sql("insert_version"), given)
        await keep_schedules(connection, row.namespace, row.flow_id, schedules)
    return True


async def rewrite(connection: Connection, derived: Derived) -> None:
    """Derived rows, anew."""
    standing = derived.standing
    given = {**msgspec.structs.asdict(standing), "status": standing.status.value, "run_id": derived.run_id}
    given["error"] = kept_or_none(standing.error)
    async with connection.transaction():
        known = await connection.execute(sql("rewrite_run"), given)
        if known.rowcount:
            await _replace(connection, derived)
        if known.rowcount and standing.status in FINAL:
            now = await (await connection.execute(sql("now"))).fetchone()
            over = {"run_ids": [derived.run_id], "now": now and now[0]}
            await connection.execute(sql("release_tickets"), over)


async def _replace(connection: Connection, derived: Derived) -> None:
    """Compensations stay in their places, so that what a person said of them does."""
    places = [place(each.step_id, each.scope) for each in derived.compensations]
    given = {"run_id": derived.run_id, "places": places}
    for name in _UNDERIVED:
        await connection.execute(sql(name), given)
    await write_activations(connection, derived.activations)
    outside = Outside()
    outside.take(waits=derived.waits, effects=derived.effects, compensations=derived.compensations)
    await write_outside(connection, outside)
