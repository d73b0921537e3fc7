"""Lists of runs, waits and effects: which index leads to the fewest that are not wanted."""

from itertools import chain
from typing import Any

from msgspec.structs import asdict

from openrun.core.types import RunStatus
from openrun.store.narrowing import effects_query, merged, parts, waits_query
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.text import kept_or_none, place
from openrun.store.rows import DeliveryFilter, EffectFilter, RunFilter, WaitFilter, WaitRow

_FIRST = (-1, "")


async def runs(connection: Connection, wanted: RunFilter) -> list[tuple[Any, ...]]:
    """Rows of runs, newest first."""
    status = {each.value for each in wanted.status}
    name = _narrowest(wanted)
    if name == "runs_by_flow" and not status:
        status = {each.value for each in RunStatus}
    given = {
        "status": sorted(status) or None,
        "flow_id": wanted.flow_id,
        "parent_run_id": wanted.parent_run_id,
        "namespace": wanted.namespace,
        "held": wanted.held,
        "before": wanted.before,
        "limit": wanted.limit,
    }
    # No plan is kept: each makes the most of what is not asked for.
    cursor = await connection.execute(sql(name), given, prepare=False)
    return await cursor.fetchall()


def _narrowest(wanted: RunFilter) -> str:
    if wanted.parent_run_id is not None or wanted.held:
        return "runs"
    if wanted.flow_id is not None:
        return "runs_by_flow"
    if wanted.status:
        return "runs_by_status"
    return "runs" if wanted.namespace is None else "runs_by_namespace"


async def waits(connection: Connection, wanted: WaitFilter) -> list[WaitRow]:
    """Waits, oldest first."""
    found = [as_rows(WaitRow, await _waits(connection, each)) for each in parts(wanted)]
    return found[0] if len(found) == 1 else merged(chain.from_iterable(found), wanted.limit)


async def _waits(connection: Connection, wanted: WaitFilter) -> list[tuple[Any, ...]]:
    at, after = wanted.after or _FIRST
    name, correlation = wanted.name, wanted.correlation if wanted.name is not None else None
    given = {
        "open": wanted.open,
        "namespace": wanted.namespace,
        "kinds": sorted(set(wanted.kind)) or None,
        "kind": wanted.kind[0] if wanted.kind else None,
        "run_id": wanted.run_id,
        "name": kept_or_none(name),
        "topic": None if name is None else place(name),
        "correlation": kept_or_none(correlation),
        "subject": None if name is None or correlation is None else place(name, correlation),
        "at": at,
        "after": after,
        "limit": wanted.limit,
    }
    cursor = await connection.execute(sql(waits_query(wanted)), given, prepare=False)
    return await cursor.fetchall()


async def effects(connection: Connection, wanted: EffectFilter) -> list[tuple[Any, ...]]:
    """Rows of effects: of a run in order, else newest first."""
    given = {
        "run_id": wanted.run_id,
        "namespace": wanted.namespace,
        "statuses": sorted(set(wanted.status)) or None,
        "limit": wanted.limit,
    }
    cursor = await connection.execute(sql(effects_query(wanted)), given, prepare=False)
    return await cursor.fetchall()


async def deliveries(connection: Connection, wanted: DeliveryFilter) -> list[tuple[Any, ...]]:
    """Rows of deliveries, newest first."""
    name = "deliveries" if wanted.namespace is None else "deliveries_of_namespace"
    if wanted.flow_id is not None:
        name = "deliveries_of_flow"
    cursor = await connection.execute(sql(name), asdict(wanted), prepare=False)
    return await cursor.fetchall()
