"""API keys over HTTP: made, listed and revoked; and who one is oneself. A key itself is shown once, when it is made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from openrun.server.access import ALL_NAMESPACES, ROLES, Role, Scope
from openrun.server.dispatch import NAMESPACE_HEADER
from openrun.server.instants import instant, instant_or_none
from openrun.server.keyring import principal_of
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Route
from openrun.store.books import KeyRow
from openrun.store.projection import in_ms

_TAG = "keys"
_KEY_ID = "0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"
_INSTANT = "2026-11-21T11:30:46.123000Z"
_LATEST = 9_998

_NAMESPACE = Field(
    title="Namespace",
    description=f'The one that the key is for; "{ALL_NAMESPACES}" is all of them.',
    examples=["default"],
)


class KeyBody(BaseModel, extra="forbid"):
    """A key to be made."""

    name: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f-\x9f]+$",
        title="Name",
        description="Whose it is, or what for; the audit log calls its holder so.",
        examples=["ci"],
    )
    role: Role = Field(title="Role", description="What the key is for.", examples=["developer"])
    namespace: str | None = Field(
        default=None,
        pattern=r"^(\*|[a-z0-9][a-z0-9-]{0,62})$",
        title="Namespace",
        description=f'The one that the key is for, "{ALL_NAMESPACES}" for all; the one asked about, when left out.',
        examples=["default"],
    )
    scopes: list[Scope] | None = Field(
        default=None,
        min_length=1,
        max_length=len(Scope),
        title="Scopes",
        description="Which of the role's scopes the key has; all of them, when left out.",
        examples=[["flows:read", "flows:write"]],
    )
    expires_at: AwareDatetime | None = Field(
        default=None,
        title="Expires at",
        description="When it ends by itself; never, when left out.",
        examples=["2027-01-01T00:00:00Z"],
    )


class KeyView(BaseModel):
    """An API key; what it is, not the key itself."""

    key_id: str = Field(title="Id", description="Names the key, opens nothing.", examples=[_KEY_ID])
    name: str = Field(title="Name", description="Whose it is, or what for.", examples=["ci"])
    role: str = Field(title="Role", description="What the key is for.", examples=["developer"])
    scopes: list[Scope] = Field(
        title="Scopes", description="What it allows.", examples=[["flows:read", "flows:write"]]
    )
    namespace: str = _NAMESPACE
    state: Literal["active", "expired", "revoked"] = Field(
        title="State", description="Whether it lets anybody in.", examples=["active"]
    )
    created_at: datetime = Field(title="Created at", description="When it was made.", examples=[_INSTANT])
    expires_at: datetime | None = Field(
        title="Expires at", description="When it ends by itself.", examples=[_INSTANT]
    )
    revoked_at: datetime | None = Field(
        title="Revoked at", description="When somebody ended it.", examples=[_INSTANT]
    )
    used_at: datetime | None = Field(
        title="Used at", description="About when it was used last.", examples=[_INSTANT]
    )


class NewKey(KeyView):
    """A key that was made."""

    key: str = Field(
        title="Key",
        description="The key itself, shown this once: send it as `Authorization: Bearer KEY`.",
        examples=["or_EXAMPLE"],
    )


class Me(BaseModel):
    """Who asks."""

    key_id: str = Field(title="Key", description="Id of the key that was sent.", examples=[_KEY_ID])
    name: str = Field(title="Name", description="Whose it is, or what for.", examples=["ci"])
    role: Role = Field(title="Role", description="What the key is for.", examples=["developer"])
    scopes: list[Scope] = Field(
        title="Scopes", description="What it allows.", examples=[["flows:read", "flows:write"]]
    )
    namespace: str = _NAMESPACE


async def who_am_i(call: Call) -> Answer:
    who = call.principal
    return Answer(
        body=Me(
            key_id=who.key_id,
            name=who.name,
            role=who.role,
            scopes=sorted(who.scopes),
            namespace=who.namespace,
        )
    )


async def list_keys(call: Call) -> Answer:
    before = position(call, tuple[int, str])
    rows = [row for row in await _keys(call) if before is None or _place(row) < before]
    return paged(call, rows, lambda row: _view(call, row), lambda row: list(_place(row)))


async def create_key(call: Call) -> Answer:
    body: KeyBody = call.body
    namespace = body.namespace or call.space.namespace
    expires_at = None if body.expires_at is None else _expiry(call, body.expires_at)
    scopes = _scopes(body)
    await _refuse_more(call, scopes, namespace, expires_at)
    row, key = await call.house.keyring.create(
        body.name,
        body.role,
        namespace,
        scopes=None if body.scopes is None else scopes,
        expires_at=expires_at,
    )
    return Answer(body=NewKey(**_members(call, row), key=key), status=201, resource=f"key/{row.key_id}")


async def revoke_key(call: Call) -> Answer:
    key_id = call.path["key_id"]
    if not any(row.key_id == key_id for row in await _keys(call)):
        raise Problem(404, f"there is no key {key_id!r}; GET /v1/keys lists their ids")
    await call.house.keyring.revoke(key_id)
    found = [row for row in await _keys(call) if row.key_id == key_id]
    return Answer(body=_view(call, found[0]))


def asked_namespace(call: Call) -> str | None:
    """The namespace whose keys, or audit rows, are asked for: None for all, which needs a key for all."""
    if call.principal.namespace == ALL_NAMESPACES and NAMESPACE_HEADER not in call.request.headers:
        return None
    return call.space.namespace


async def _keys(call: Call) -> Sequence[KeyRow]:
    return await call.house.app.store.keys(asked_namespace(call))


def _scopes(body: KeyBody) -> frozenset[Scope]:
    """What the key is to allow. Raises `Problem` (422) for what its role does not."""
    allowed = ROLES[body.role]
    faults = [
        (f"/scopes/{at}", f"the role {body.role.value!r} has no scope {scope.value!r}")
        for at, scope in enumerate(body.scopes or ())
        if scope not in allowed
    ]
    if faults:
        raise Problem(422, faults[0][1], errors=faults)
    return allowed if body.scopes is None else frozenset(body.scopes)


def _expiry(call: Call, instant: datetime) -> int:
    now = in_ms(call.house.app.clock.now())
    if instant.year > _LATEST or (at := in_ms(instant)) <= now:
        detail = "`expires_at` is an instant that is still to come, before the year 9999"
        raise Problem(422, detail, errors=[("/expires_at", detail)])
    return at


async def _refuse_more(call: Call, scopes: frozenset[Scope], namespace: str, expires_at: int | None) -> None:
    """Raises `Problem` (403) for a key that would allow more, elsewhere, or for longer than the one that asks for it."""
    who = call.principal
    if not who.reaches(namespace):
        raise Problem(403, f"your key is for the namespace {who.namespace!r}, and so are those that it makes")
    more = scopes - who.scopes
    if more:
        listed = ", ".join(sorted(more))
        raise Problem(403, f"your key cannot make one that allows more than itself: {listed}")
    rows = await call.house.app.store.keys(who.namespace if who.namespace != ALL_NAMESPACES else None)
    own = next((row.expires_at for row in rows if row.key_id == who.key_id), None)
    if own is not None and (expires_at is None or expires_at > own):
        raise Problem(403, "your key expires, and one that it makes cannot last longer; say `expires_at`")


def _place(row: KeyRow) -> tuple[int, str]:
    return row.created_at, row.key_id


def _view(call: Call, row: KeyRow) -> KeyView:
    return KeyView(**_members(call, row))


def _members(call: Call, row: KeyRow) -> dict[str, Any]:
    now = in_ms(call.house.app.clock.now())
    is_over = row.expires_at is not None and row.expires_at <= now
    return {
        "key_id": row.key_id,
        "name": row.name,
        "role": row.role,
        "scopes": sorted(principal_of(row).scopes),
        "namespace": row.namespace,
        "state": "revoked" if row.revoked_at is not None else "expired" if is_over else "active",
        "created_at": instant(row.created_at),
        "expires_at": instant_or_none(row.expires_at),
        "revoked_at": instant_or_none(row.revoked_at),
        "used_at": instant_or_none(row.used_at),
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/me",
        operation="me",
        summary="Who the key that is sent belongs to",
        description="And what it allows. Every key may ask.",
        tag=_TAG,
        scope=None,
        handler=who_am_i,
        answer=Me,
        problems=(401,),
    ),
    Route(
        method="GET",
        path="/v1/keys",
        operation="keys.list",
        summary="List API keys, newest first",
        description="Those that are over included.",
        tag=_TAG,
        scope=Scope.KEYS_ADMIN,
        handler=list_keys,
        query=PageQuery,
        answer=Page[KeyView],
        answer_headers=LINK,
    ),
    Route(
        method="POST",
        path="/v1/keys",
        operation="keys.create",
        summary="Make an API key",
        description=(
            "The key is in this answer and nowhere else. No key makes one that allows more than itself, in another "
            "namespace, or for longer. An `Idempotency-Key` has no effect here, for answers with keys are not kept."
        ),
        tag=_TAG,
        scope=Scope.KEYS_ADMIN,
        handler=create_key,
        body=KeyBody,
        answer=NewKey,
        status=201,
        problems=(422,),
        idempotent=False,
    ),
    Route(
        method="POST",
        path="/v1/keys/{key_id}/revoke",
        operation="keys.revoke",
        summary="Revoke an API key",
        description="It lets nobody in any more, everywhere within a second. Revoking it again changes nothing.",
        tag=_TAG,
        scope=Scope.KEYS_ADMIN,
        handler=revoke_key,
        answer=KeyView,
        problems=(404,),
    ),
)
