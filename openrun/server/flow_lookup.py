"""Finding the flow, and the version of it, that a call names."""

import re

from openrun.core.near import did_you_mean
from openrun.runtime.errors import UnknownFlow, UnknownVersion
from openrun.server.problem import Problem
from openrun.server.route import Call
from openrun.store.rows import FlowRow, VersionRow

_FULL = 64
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


async def flow_row(call: Call) -> FlowRow:
    """The flow of the path. Raises `UnknownFlow`, with a near name if there is one."""
    records, namespace, flow_id = call.space.records, call.space.namespace, call.path["flow_id"]
    row = await records.flow(flow_id, namespace=namespace)
    if row is None:
        hint = did_you_mean(flow_id, [each.flow_id for each in await records.flows(namespace)])
        raise UnknownFlow(f"there is no flow {flow_id[:80]!r}" + (f"; {hint}" if hint else ""))
    return row


async def require_enabled(call: Call, flow_id: str) -> None:
    """Raises `Problem` (409) for a flow that is disabled: nothing starts its runs but other runs."""
    row = await call.space.records.flow(flow_id, namespace=call.space.namespace)
    if row is not None and not row.enabled:
        raise Problem(409, f"flow {flow_id!r} is disabled; enable it first", slug="flow-disabled")


async def version_row(call: Call) -> VersionRow:
    """The version of the path, or the current one where it names none. Raises `UnknownFlow`, `UnknownVersion`."""
    row = await flow_row(call)
    return await version_named(call, row, call.path.get("version", row.version))


async def version_named(call: Call, row: FlowRow, given: str) -> VersionRow:
    """The version whose hash this is, or begins with it. Raises `UnknownVersion`: there is none, or several."""
    if _PREFIX.fullmatch(given) is None:
        raise UnknownVersion(
            f"a version of flow {row.flow_id!r} is named by the first 8 to 64 characters of its hash, "
            f"in lower case, not {given[:80]!r}"
        )
    version = given if len(given) == _FULL else await _completed(call, row, given)
    records, namespace = call.space.records, call.space.namespace
    found = await records.version(row.flow_id, version, namespace=namespace)
    if found is None:
        raise UnknownVersion(f"flow {row.flow_id!r} has no version {given}")
    return found


async def _completed(call: Call, row: FlowRow, prefix: str) -> str:
    versions = await call.space.records.versions(row.flow_id, namespace=call.space.namespace)
    found = [each.version for each in versions if each.version.startswith(prefix)]
    if len(found) != 1:
        what = f"{len(found)} versions that begin with" if found else "no version"
        raise UnknownVersion(f"flow {row.flow_id!r} has {what} {prefix}")
    return found[0]
