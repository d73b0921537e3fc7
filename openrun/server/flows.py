"""Flows over HTTP: documents are uploaded, versions are kept for good, one of each flow is the current one."""

import asyncio

from pydantic import BaseModel, Field

from openrun.definition.diff import diff
from openrun.runtime.errors import UnknownVersion
from openrun.server.access import Scope
from openrun.server.flow_changes import (
    activate_version,
    disable_flow,
    enable_flow,
    put_flow,
    upload_flow,
    validate_flow,
)
from openrun.server.flow_lookup import flow_row, version_named, version_row
from openrun.server.flow_views import (
    FlowDiffView,
    FlowDocument,
    FlowSummary,
    FlowView,
    KeptFlow,
    Validation,
    VersionDiff,
    VersionSummary,
    VersionView,
    document_of,
    summary_members,
    version_members,
)
from openrun.server.outlines import triggers_of
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.preconditions import etag, is_known
from openrun.server.route import Answer, Call, Route
from openrun.store.rows import FlowRow, VersionRow

_TAG = "flows"
_ETAG = {"ETag": "The version, in quotes; `If-Match` makes a change conditional on it."}
_LOCATION = {**_ETAG, "Location": "Where the version is."}
_IF_MATCH = {"If-Match": "ETags of versions, one of which has to be the current one; * for any."}
_CONDITIONS = {**_IF_MATCH, "If-None-Match": "* for a flow that has to be new."}


class FlowQuery(PageQuery):
    """Which flows to list."""

    enabled: bool | None = Field(
        default=None,
        title="Enabled",
        description="Only flows whose triggers start runs, or only those whose do not.",
        examples=[True],
    )


class DiffQuery(BaseModel, extra="forbid"):
    """Which versions to compare."""

    from_: str | None = Field(
        default=None,
        alias="from",
        title="From",
        description="The older version, or the first 8 characters of it or more; the one kept before `to`, when left out.",
        examples=["9f2c4e1a"],
    )
    to: str | None = Field(
        default=None,
        title="To",
        description="The newer version; the current one, when left out.",
        examples=["b7d68c35"],
    )


async def list_flows(call: Call) -> Answer:
    after = position(call, str) or ""
    rows = [
        row
        for row in await call.space.records.flows(call.space.namespace)
        if row.flow_id > after and call.query.enabled in (None, row.enabled)
    ]
    shown = [await _summary(call, row) for row in rows[: call.query.room]]
    return paged(call, shown, lambda view: view, lambda view: view.id)


async def get_flow(call: Call) -> Answer:
    row = await flow_row(call)
    tag = etag(row.version, enabled=row.enabled)
    if is_known(call.request, tag):
        return Answer(status=304, headers={"ETag": tag})
    current = await version_named(call, row, row.version)
    members = summary_members(row, triggers_of(current, call.house.app.catalog))
    return Answer(body=FlowView(**members, document=document_of(current)), headers={"ETag": tag})


async def list_versions(call: Call) -> Answer:
    row = await flow_row(call)
    versions = await call.space.records.versions(row.flow_id, namespace=call.space.namespace)
    begin = _after([each.version for each in versions], position(call, str))
    return paged(
        call,
        versions[begin : begin + call.query.room],
        lambda each: VersionSummary(**version_members(each, row.version)),
        lambda each: each.version,
    )


async def get_version(call: Call) -> Answer:
    row, found = await flow_row(call), await version_row(call)
    view = VersionView(**version_members(found, row.version), document=document_of(found))
    return Answer(body=view, headers={"ETag": etag(found.version)})


async def diff_versions(call: Call) -> Answer:
    row = await flow_row(call)
    newer = await version_named(call, row, call.query.to or row.version)
    older = await version_named(call, row, call.query.from_ or await _before(call, newer))
    # Of long documents it takes long: others are answered meanwhile.
    view = await asyncio.to_thread(_compared, older, newer)
    return Answer(body=view)


def _compared(older: VersionRow, newer: VersionRow) -> VersionDiff:
    found = FlowDiffView.model_validate(diff(document_of(older), document_of(newer)))
    return VersionDiff(**dict(found), from_version=older.version, to_version=newer.version)


async def _summary(call: Call, row: FlowRow) -> FlowSummary:
    current = await version_named(call, row, row.version)
    return FlowSummary(**summary_members(row, triggers_of(current, call.house.app.catalog)))


async def _before(call: Call, newer: VersionRow) -> str:
    versions = await call.space.records.versions(newer.flow_id, namespace=call.space.namespace)
    begin = _after([each.version for each in versions], newer.version)
    if begin == len(versions):
        raise UnknownVersion(f"flow {newer.flow_id!r} has no version before {newer.version[:12]}; say `from`")
    return versions[begin].version


def _after(names: list[str], name: str | None) -> int:
    return names.index(name) + 1 if name in names else 0


ROUTES = (
    Route(
        method="GET",
        path="/v1/flows",
        operation="flows.list",
        summary="List flows",
        description="By id. Each says which version new runs get, and what starts them.",
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=list_flows,
        query=FlowQuery,
        answer=Page[FlowSummary],
        answer_headers=LINK,
    ),
    Route(
        method="POST",
        path="/v1/flows",
        operation="flows.upload",
        summary="Upload a flow",
        description=(
            "The body is the flow document itself. It is kept as a new version (201), or was known already (200), and "
            "is what new runs get from now on; runs under way stay with the version that they began with. All faults "
            "of the document are told at once. A flow that is new is enabled. There is no way to delete a flow, for "
            "its runs would lose what they are made of: disable it."
        ),
        tag=_TAG,
        scope=Scope.FLOWS_WRITE,
        handler=upload_flow,
        body=FlowDocument,
        large=True,
        answer=KeptFlow,
        status=201,
        answer_headers=_LOCATION,
        answers={200: "The version was known already."},
        headers=_CONDITIONS,
        problems=(409, 412, 422),
    ),
    Route(
        method="POST",
        path="/v1/flows/validate",
        operation="flows.validate",
        summary="Validate a flow document",
        description=(
            "Answers 200 with all errors and warnings of any JSON object. Nothing is kept, imported or run."
        ),
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=validate_flow,
        body=FlowDocument,
        large=True,
        answer=Validation,
        problems=(422,),
    ),
    Route(
        method="GET",
        path="/v1/flows/{flow_id}",
        operation="flows.get",
        summary="Get a flow",
        description="With the document of its current version.",
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=get_flow,
        answer=FlowView,
        answer_headers=_ETAG,
        answers={304: "The caller has this already."},
        headers={"If-None-Match": "The ETag of what the caller has."},
        problems=(404,),
    ),
    Route(
        method="PUT",
        path="/v1/flows/{flow_id}",
        operation="flows.put",
        summary="Make or change a flow",
        description=(
            "As uploading it; the document's `id` may be left out. Send `If-Match` with the ETag that you have read, so "
            "that nobody's change is lost, or `If-None-Match: *` for a flow that has to be new. There is no DELETE, "
            "for runs are pinned to their versions: disable the flow."
        ),
        tag=_TAG,
        scope=Scope.FLOWS_WRITE,
        handler=put_flow,
        body=FlowDocument,
        large=True,
        answer=KeptFlow,
        answer_headers=_LOCATION,
        answers={201: "The version is new."},
        headers=_CONDITIONS,
        problems=(409, 412, 422),
    ),
    Route(
        method="GET",
        path="/v1/flows/{flow_id}/versions",
        operation="flows.versions",
        summary="List the versions of a flow",
        description="The one that was kept last first.",
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=list_versions,
        query=PageQuery,
        answer=Page[VersionSummary],
        answer_headers=LINK,
        problems=(404,),
    ),
    Route(
        method="GET",
        path="/v1/flows/{flow_id}/versions/{version}",
        operation="flows.version",
        summary="Get a version of a flow",
        description="`version` is its hash, or the first 8 characters of it or more.",
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=get_version,
        answer=VersionView,
        answer_headers=_ETAG,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/flows/{flow_id}/versions/{version}/activate",
        operation="flows.activate",
        summary="Make a version the current one",
        description="New runs get it from now on. `If-Match` makes this conditional on the version that is current now.",
        tag=_TAG,
        scope=Scope.FLOWS_WRITE,
        handler=activate_version,
        answer=KeptFlow,
        answer_headers=_LOCATION,
        headers=_IF_MATCH,
        problems=(404, 409, 412),
    ),
    Route(
        method="GET",
        path="/v1/flows/{flow_id}/diff",
        operation="flows.diff",
        summary="Compare two versions of a flow",
        description="As steps and edges, and as a JSON Patch (RFC 6902).",
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=diff_versions,
        query=DiffQuery,
        answer=VersionDiff,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/flows/{flow_id}/enable",
        operation="flows.enable",
        summary="Let the triggers of a flow start runs",
        tag=_TAG,
        scope=Scope.FLOWS_WRITE,
        handler=enable_flow,
        answer=FlowSummary,
        answer_headers=_ETAG,
        headers=_IF_MATCH,
        problems=(404, 409, 412),
    ),
    Route(
        method="POST",
        path="/v1/flows/{flow_id}/disable",
        operation="flows.disable",
        summary="Let the triggers of a flow start nothing",
        description="Runs under way go on; nothing starts new ones but runs of other flows. It is what deleting is elsewhere.",
        tag=_TAG,
        scope=Scope.FLOWS_WRITE,
        handler=disable_flow,
        answer=FlowSummary,
        answer_headers=_ETAG,
        headers=_IF_MATCH,
        problems=(404, 412),
    ),
)
