"""What changes flows: uploading a document, going back to an older version, letting triggers start runs or not."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from openrun.core.errors import InvalidFlow, ValidationError
from openrun.core.limits import Limits
from openrun.core.types import Json
from openrun.definition.program import Program
from openrun.flow import Flow
from openrun.server.flow_lookup import flow_row, version_row
from openrun.server.flow_views import FlowSummary, KeptFlow, Validation, fault_views, summary_members
from openrun.server.outlines import triggers_of
from openrun.server.preconditions import etag, expected, precondition_failed
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call
from openrun.steps.catalog import StepCatalog
from openrun.steps.triggers.webhook import TriggerWebhook
from openrun.store.rows import FlowRow
from openrun.triggers.routes import Conflict, Endpoint, Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What came of a document: a program, or errors."""

    program: Program | None = None
    errors: tuple[ValidationError, ...] = ()
    warnings: tuple[ValidationError, ...] = ()


async def upload_flow(call: Call) -> Answer:
    return await _keep(call, call.body.root)


async def put_flow(call: Call) -> Answer:
    flow_id, document = call.path["flow_id"], call.body.root
    if document.get("id") not in (None, "", flow_id):
        detail = f"the path is that of flow {flow_id!r}; leave out `id`, or say the same"
        raise Problem(422, detail, errors=[("/id", detail)])
    return await _keep(call, {**document, "id": flow_id})


async def validate_flow(call: Call) -> Answer:
    app = call.house.app
    known = [row.flow_id for row in await call.space.records.flows(call.space.namespace)]
    found = await asyncio.to_thread(_checked, call.body.root, app.catalog, app.limits, known)
    view = Validation(
        valid=not found.errors, errors=fault_views(found.errors), warnings=fault_views(found.warnings)
    )
    return Answer(body=view)


async def activate_version(call: Call) -> Answer:
    """Make an older version the current one."""
    before = await flow_row(call)
    chosen = await version_row(call)
    library, namespace = call.house.app.library, call.space.namespace
    program = await library.program(chosen.flow_id, chosen.version, namespace)
    await _make_current(call, program, before)
    return await _kept(call, program, 200)


async def enable_flow(call: Call) -> Answer:
    row = await flow_row(call)
    if not row.enabled:
        library, namespace = call.house.app.library, call.space.namespace
        await _refuse_taken(call, await library.program(row.flow_id, row.version, namespace))
    return await _switch(call, enabled=True)


async def disable_flow(call: Call) -> Answer:
    return await _switch(call, enabled=False)


async def _switch(call: Call, *, enabled: bool) -> Answer:
    before = await flow_row(call)
    records, namespace = call.space.records, call.space.namespace
    expected(call.request, before)
    await records.enable(before.flow_id, enabled=enabled, namespace=namespace)
    await call.house.flows_changed()
    row = await flow_row(call)
    view = FlowSummary(**summary_members(row, triggers_of(await version_row(call), call.house.app.catalog)))
    tag = etag(row.version, enabled=row.enabled)
    return Answer(body=view, headers={"ETag": tag}, resource=f"flow/{row.flow_id}")


# -- keeping --------------------------------------------------------------------------------------


async def _keep(call: Call, document: Mapping[str, Json]) -> Answer:
    """Keep a document: 201 for a version that is new, 200 for one that was known, and is current from now on."""
    app, records, namespace = call.house.app, call.space.records, call.space.namespace
    rows = {row.flow_id: row for row in await records.flows(namespace)}
    # Long documents take long to check: others are answered meanwhile.
    found = await asyncio.to_thread(_checked, document, app.catalog, app.limits, rows.keys())
    program = found.program
    if program is None:
        name = document.get("name")
        raise InvalidFlow(found.errors, flow=name[:200] if isinstance(name, str) else "")
    known = await records.version(program.flow_id, program.version, namespace=namespace)
    await _make_current(call, program, rows.get(program.flow_id))
    return await _kept(call, program, 200 if known else 201, found.warnings)


def _checked(
    document: Mapping[str, Json], catalog: StepCatalog, limits: Limits, flows: Collection[str]
) -> _Checked:
    """All that can be said of a document, whose children may be the flows there are, and itself."""
    try:
        flow = Flow.from_dict(document, catalog=catalog)
        errors = flow.errors({*flows, flow.id})
        if errors:
            return _Checked(errors=tuple(errors))
        return _Checked(program=flow.program(catalog, limits), warnings=tuple(flow.warnings()))
    except InvalidFlow as invalid:
        return _Checked(errors=invalid.errors)


async def _make_current(call: Call, program: Program, before: FlowRow | None) -> None:
    """Let new runs get this version, as long as the flow is what the caller takes it for."""
    wanted = expected(call.request, before)
    if before is None or before.enabled:
        await _refuse_taken(call, program)
    if not await call.house.app.library.add(program, call.space.namespace, expected=wanted):
        raise precondition_failed(
            await call.space.records.flow(program.flow_id, namespace=call.space.namespace)
        )
    await call.house.flows_changed()


async def _kept(
    call: Call, program: Program, status: int, warnings: Iterable[ValidationError] = ()
) -> Answer:
    records, namespace = call.space.records, call.space.namespace
    kept = await records.version(program.flow_id, program.version, namespace=namespace)
    row = await records.flow(program.flow_id, namespace=namespace)
    assert kept is not None, "versions are never removed"
    assert row is not None, "flows are never removed"
    # Somebody else may have made another one current since.
    members = summary_members(row, triggers_of(kept, call.house.app.catalog)) | {"version": program.version}
    return Answer(
        body=KeptFlow(**members, warnings=fault_views(tuple(warnings))),
        status=status,
        headers={
            "ETag": etag(program.version, enabled=row.enabled),
            "Location": f"/v1/flows/{program.flow_id}/versions/{program.version}",
        },
        resource=f"flow/{program.flow_id}/version/{program.version[:12]}",
    )


# -- webhooks -------------------------------------------------------------------------------------


async def _refuse_taken(call: Call, program: Program) -> None:
    """Raises `Problem` (409) if another flow that is enabled answers to a webhook of this one."""
    namespace = call.space.namespace
    own = [
        Endpoint(
            namespace=namespace,
            flow_id=program.flow_id,
            version=program.version,
            step_id=step.id,
            config=step.config,
        )
        for step in program.triggers
        if isinstance(step, TriggerWebhook)
    ]
    if not own:
        return
    _, conflicts = Routes.of([*await _others(call, program.flow_id), *own])
    lost = [each for each in conflicts if each.refused.flow_id == program.flow_id]
    if lost:
        raise _taken(lost)


async def _others(call: Call, flow_id: str) -> list[Endpoint]:
    """What the other flows answer to, if their triggers start runs."""
    records, namespace = call.space.records, call.space.namespace
    found: list[Endpoint] = []
    for row in await records.flows(namespace):
        if row.flow_id == flow_id or not row.enabled:
            continue
        current = await records.version(row.flow_id, row.version, namespace=namespace)
        triggers = triggers_of(current, call.house.app.catalog) if current else []
        found += [each.endpoint for each in triggers if each.endpoint is not None]
    return found


def _taken(lost: list[Conflict]) -> Problem:
    first = lost[0]
    conflicts: list[Json] = [
        {"route": each.route, "flow": each.kept.flow_id, "step_id": each.kept.step_id} for each in lost
    ]
    return Problem(
        409,
        f"{first.route} is a webhook of flow {first.kept.flow_id!r} already (its step {first.kept.step_id!r}); "
        "give this one another path, or disable that flow",
        slug="webhook-taken",
        conflicts=conflicts,
    )
