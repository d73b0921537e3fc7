"""Changes that take more than one statement: claiming, retiring, removing, rewriting, a flow's versions."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from openrun.store.base import StoreError
from openrun.store.postgres.link import Connection
from openrun.store.postgres.outside import Outside
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.record import write_activations, write_outside
from openrun.store.postgres.text import kept, kept_or_none, place
from openrun.store.rows import Claim, Derived, VersionRow

_UNDERIVED = (
    "delete_activations",
    "delete_waits",
    "delete_effects",
    "delete_other_compensations",
    "forget_compensation_starts",
)


async def claim(connection: Connection, wanted: Mapping[str, Any]) -> list[Claim]:
    """Runs that the worker holds from now on."""
    async with connection.transaction(), connection.pipeline():
        leased = await connection.execute(sql("has_lease"), wanted)
        claimed = await connection.execute(sql("claim"), wanted)
        if await leased.fetchone() is None:
            raise StoreError(f"worker {wanted['worker']!r} has no valid lease, so it cannot claim runs")
        return as_rows(Claim, await claimed.fetchall())


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


async def keep_version(connection: Connection, row: VersionRow, expected: str | None) -> bool:
    """Keep a version and make it the current one, if that is still the one that is expected."""
    given = {**msgspec.structs.asdict(row), "name": kept(row.name), "expected": expected}
    make = "make_current" if expected is None else "make_next" if expected else "make_first"
    async with connection.transaction():
        # Its row is locked by this, so that of two who expect the same one finds another.
        if not (await connection.execute(sql(make), given)).rowcount:
            return False
        await connection.execute(sql("insert_version"), given)
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
