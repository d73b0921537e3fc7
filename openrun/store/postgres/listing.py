"""Lists of runs: which index leads to the fewest runs that are not wanted."""

from typing import Any

from openrun.core.types import RunStatus
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.rows import RunFilter


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
    return "runs_by_status" if wanted.status else "runs"
