"""The audit log over HTTP: who changed what, and whether the log is as it was written."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from openrun.core.strict_json import decode
from openrun.house.audit import CheckedAudit, check_audit
from openrun.server.access import ALL_NAMESPACES, Scope
from openrun.server.instants import instant
from openrun.server.keys import asked_namespace
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Route
from openrun.store.books import AuditFilter, AuditRow

_TAG = "audit"
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]+$"


class AuditQuery(PageQuery):
    """Which rows to list."""

    actor: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=_PLAIN,
        title="Actor",
        description="Only what this one did: the name of a key, or of whoever ran a command.",
        examples=["ci"],
    )
    action: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        pattern=_PLAIN,
        title="Action",
        description="Only what was done so: the id of an operation.",
        examples=["runs.cancel"],
    )


class VerifyQuery(BaseModel, extra="forbid"):
    """How much of the log to verify."""

    rows: int = Field(
        default=10_000,
        ge=1,
        le=100_000,
        title="Rows",
        description="The newest so many.",
        examples=[10_000],
    )


class AuditView(BaseModel):
    """Something that was done, or refused."""

    number: int = Field(title="Number", description="Rows are numbered without a gap.", examples=[42])
    at: datetime = Field(title="At", description="When.", examples=["2026-11-21T11:30:46.123000Z"])
    namespace: str = Field(title="Namespace", description="Where.", examples=["default"])
    actor: str = Field(
        title="Actor", description="Who: the name of a key, or of whoever ran a command.", examples=["ci"]
    )
    actor_id: str = Field(
        title="Actor id",
        description="Id of the key; empty for a command.",
        examples=["0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"],
    )
    role: str = Field(
        title="Role", description="The role of the key; `cli` for a command.", examples=["operator"]
    )
    action: str = Field(title="Action", description="The id of the operation.", examples=["runs.cancel"])
    resource: str = Field(
        title="Resource",
        description="What it was done to.",
        examples=["run/0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"],
    )
    status: int = Field(title="Status", description="The HTTP status of the answer.", examples=[202])
    request_id: str = Field(
        title="Request", description="The `X-Request-ID` of the request.", examples=["0192c2f4-8a3b"]
    )
    remote: str | None = Field(title="Remote", description="The caller's address.", examples=["192.0.2.7"])
    details: dict[str, Any] = Field(title="Details", description="More of it.", examples=[{}])
    hash: str = Field(
        title="Hash",
        description="SHA-256 over this row and the hash of the row before, in hex.",
        examples=["6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"],
    )


class Verified(BaseModel):
    """Whether the newest rows are what was written, without a gap."""

    valid: bool = Field(title="Valid", description="Whether nothing is wrong.", examples=[True])
    rows: int = Field(title="Rows", description="How many were looked at.", examples=[1_204])
    last: int = Field(
        title="Last", description="Number of the newest row; 0 when there is none.", examples=[1_204]
    )
    head: str = Field(
        title="Head",
        description="Hash of the newest row: kept elsewhere, it tells later whether the whole log was rewritten.",
        examples=["6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"],
    )
    broken_at: int | None = Field(
        default=None,
        title="Broken at",
        description="Number of the first row that is not as it was.",
        examples=[77],
    )
    reason: str | None = Field(
        default=None,
        title="Reason",
        description="What is wrong there.",
        examples=["row 77 is not what was written"],
    )


async def list_audit(call: Call) -> Answer:
    wanted = AuditFilter(
        namespace=asked_namespace(call),
        actor=call.query.actor,
        action=call.query.action,
        before=position(call, int),
        limit=call.query.room,
    )
    rows = await call.house.app.store.audit(wanted)
    return paged(call, rows, _view, lambda row: row.number)


async def verify_audit(call: Call) -> Answer:
    if call.principal.namespace != ALL_NAMESPACES:
        detail = "the rows of all namespaces are one chain: verifying it takes a key for all of them"
        raise Problem(403, detail)
    found = await check_audit(call.house.app.store, call.query.rows)
    return Answer(body=_verified(found))


def _verified(found: CheckedAudit) -> Verified:
    fault = found.fault
    return Verified(
        valid=fault is None,
        rows=found.rows,
        last=found.last,
        head=found.head,
        broken_at=None if fault is None else fault.seq,
        reason=None if fault is None else fault.reason,
    )


def _view(row: AuditRow) -> AuditView:
    return AuditView(
        number=row.number,
        at=instant(row.at),
        namespace=row.namespace,
        actor=row.actor,
        actor_id=row.actor_id,
        role=row.role,
        action=row.action,
        resource=row.resource,
        status=row.status,
        request_id=row.request_id,
        remote=row.remote,
        details=decode(row.details),
        hash=row.hash,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/audit",
        operation="audit.list",
        summary="List what was done, newest first",
        description=(
            "Each call that its key allows and that may change something, whatever came of it; not what was sent. "
            "Keys that were made or revoked by a command are in it, too, with the role `cli`."
        ),
        tag=_TAG,
        scope=Scope.AUDIT_READ,
        handler=list_audit,
        query=AuditQuery,
        answer=Page[AuditView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/audit/verify",
        operation="audit.verify",
        summary="Check that the audit log is as it was written",
        description="Needs a key for all namespaces, whose rows are one chain.",
        tag=_TAG,
        scope=Scope.AUDIT_READ,
        handler=verify_audit,
        query=VerifyQuery,
        answer=Verified,
    ),
)
