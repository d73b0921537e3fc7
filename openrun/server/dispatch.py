"""From a request to its answer: find the route, let the caller in, read what it sent, call, audit, answer.

Nobody gets in by default: a route that does not say that it is public wants a key with its scope. What is refused
is refused as early as it can be, and before the body is read.
"""

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, get_origin
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from openrun.core.errors import InvalidFlow, JsonError
from openrun.core.strict_json import decode, pointer_token
from openrun.definition.reader import load_document
from openrun.net import trace_context
from openrun.server.access import ALL_NAMESPACES, ANYBODY, Principal
from openrun.server.auditing import Auditing
from openrun.server.bodies import read_body
from openrun.server.browsers import check_origin
from openrun.server.problem import PROBLEM_TYPE, Problem
from openrun.server.repetition import Repetition, idempotency_key
from openrun.server.route import PROBES, PUBLIC, Answer, Call, House, Route, Table
from openrun.server.translation import faults
from openrun.store.rows import DEFAULT_NAMESPACE

NAMESPACE_HEADER = "OpenRun-Namespace"
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MOST_PARAMETERS = 100
_SPACES = 1_024
"""Most bytes of nothing where no body is expected."""


class Dispatcher:
    """Answers calls to the API."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._table = Table(house.routes)
        self._auditing = Auditing(house)
        self._repetition = Repetition(house)

    async def answer(
        self, request: web.BaseRequest, path: str, request_id: str
    ) -> tuple[str, web.StreamResponse]:
        """The path of the route and its answer. Raises `Problem` and whatever the engine does."""
        found = self._table.find(request.method, path)
        if isinstance(found, frozenset):
            raise await self._unknown(request, found)
        route, named = found
        if route.mutates:
            check_origin(self._house.config, request)
        principal = await self._principal(request, request_id, route)
        return route.path, await self._call(route, request, request_id, principal, named)

    async def _unknown(self, request: web.BaseRequest, allowed: frozenset[str]) -> Problem:
        """Whoever has no key is not told what there is."""
        if not (await self._known(request)).is_known:
            return _unauthenticated(request)
        if allowed:
            methods = ", ".join(sorted(allowed))
            return Problem(405, f"this path takes {methods}", headers={"Allow": methods})
        return Problem(404, "there is nothing at this path; /openapi.json lists what there is")

    # -- who asks ---------------------------------------------------------------------------------

    async def _principal(self, request: web.BaseRequest, request_id: str, route: Route) -> Principal:
        principal = ANYBODY if route.path in PROBES else await self._known(request)
        if not principal.is_known and route.path not in PUBLIC:
            raise _unauthenticated(request)
        if route.scope is not None and route.scope not in principal.scopes:
            if route.mutates:
                await self._auditing.refused(request, request_id, route, principal)
            raise Problem(403, f"this needs the scope {route.scope.value!r}, which your key does not have")
        return principal

    async def _known(self, request: web.BaseRequest) -> Principal:
        scheme, _, key = (_only(request, "Authorization") or "").partition(" ")
        own = _only(request, "X-API-Key") or ""
        if scheme.lower() != "bearer":
            key = own
        known = await self._house.keyring.principal(key.strip()) if key else None
        return known or ANYBODY

    def _namespace(self, request: web.BaseRequest, principal: Principal) -> str:
        asked = _only(request, NAMESPACE_HEADER)
        own = DEFAULT_NAMESPACE if principal.namespace == ALL_NAMESPACES else principal.namespace
        if asked is None:
            return own
        if _NAMESPACE.fullmatch(asked) is None:
            raise Problem(400, f"{NAMESPACE_HEADER} is a name of a-z, 0-9 and -, at most 63 characters")
        if not principal.reaches(asked):
            raise Problem(403, f"your key is for the namespace {own!r}")
        return asked

    # -- what it sent -----------------------------------------------------------------------------

    async def _call(
        self,
        route: Route,
        request: web.BaseRequest,
        request_id: str,
        principal: Principal,
        named: Mapping[str, str],
    ) -> web.StreamResponse:
        namespace = self._namespace(request, principal)
        query = _query(route, request)
        raw = await self._raw(route, request)
        key = idempotency_key(request) if route.method == "POST" else None
        call = Call(
            house=self._house,
            request=request,
            request_id=request_id,
            principal=principal,
            space=self._house.space(namespace),
            path={name: _segment(value) for name, value in named.items()},
            query=query,
            body=await self._body(route, raw),
            key=key,
            trace=trace_context.parse(request.headers.get("traceparent"), request.headers.get("tracestate")),
        )
        if key is None or not route.idempotent:
            return await self._audited(route, call)
        return await self._repetition.once(route, call, raw, lambda: self._audited(route, call))

    async def _raw(self, route: Route, request: web.BaseRequest) -> bytes:
        config = self._house.config
        most = config.max_document if route.large else config.max_body
        if route.body is None:
            if request.can_read_body and (await read_body(request, _SPACES, config.body_seconds)).raw.strip():
                raise Problem(400, "this call takes no body")
            return b""
        body = (await read_body(request, most, config.body_seconds)).decoded
        of_any_type = route.raw_with is not None and route.raw_with in request.headers
        if body and not of_any_type and request.content_type not in route.body_types:
            raise Problem(415, f"the body has to be {' or '.join(route.body_types)}")
        return body

    async def _body(self, route: Route, raw: bytes) -> BaseModel | bytes | None:
        if route.body is None:
            return None
        if route.raw_with is not None:
            return raw
        if not raw:
            if route.body_required:
                raise Problem(422, "this call takes a body", errors=[("", "a JSON object is missing")])
            return route.body()
        try:
            if route.large:
                # It may take long, and others want answers meanwhile.
                value = await asyncio.to_thread(load_document, raw, self._house.app.limits)
            else:
                value = decode(raw)
        except JsonError as error:
            raise Problem(400, f"the body is no JSON: {error}") from None
        except InvalidFlow as invalid:
            malformed = any(each.code == "INVALID_JSON" for each in invalid.errors)
            raise Problem(
                400 if malformed else 422, "the document cannot be read", errors=faults(invalid.errors)
            ) from None
        try:
            if route.large:
                return route.body.model_validate(value)
            # Strict, as the document says: no number is taken for a text, and none for a flag.
            return route.body.model_validate_json(raw, strict=True)
        except ValidationError as invalid:
            raise Problem(422, "the body is not what this call takes", errors=_faults(invalid)) from None

    async def _audited(self, route: Route, call: Call) -> web.StreamResponse:
        if not route.mutates or not call.principal.is_known:
            return render(await route.handler(call))
        # Whoever asks for a change may hang up: it is made and noted all the same.
        return render(await asyncio.shield(self._auditing.around(route, call)))


def render(answer: Answer | web.StreamResponse) -> web.StreamResponse:
    """An answer as a response."""
    if isinstance(answer, web.StreamResponse):
        return answer
    headers = {"Cache-Control": "no-store", **answer.headers}
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    text = to_json(answer.body, by_alias=True)
    response = web.Response(status=answer.status, body=text, headers=headers)
    if "Content-Type" not in answer.headers:
        response.content_type = "application/json"
    return response


def refusal(problem: Problem, request_id: str) -> web.Response:
    """A problem as a response."""
    return web.Response(
        status=problem.status,
        body=to_json(problem.document(request_id)),
        headers={"Cache-Control": "no-store", **problem.headers, "Content-Type": PROBLEM_TYPE},
    )


def _only(request: web.BaseRequest, name: str) -> str | None:
    """A header that may be there once: of two, somebody in front of us may have looked at the other."""
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise Problem(400, f"{name} is there more than once")
    return values[0] if values else None


def _unauthenticated(request: web.BaseRequest) -> Problem:
    sent = "Authorization" in request.headers or "X-API-Key" in request.headers
    needed = "a key is needed: Authorization: Bearer KEY; `openrun keys create` makes one, /docs tells what there is"
    return Problem(
        401,
        "what was sent is no key, or one that has expired or was revoked" if sent else needed,
        headers={"WWW-Authenticate": 'Bearer realm="openrun"'},
    )


def _segment(value: str) -> str:
    try:
        segment = unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise Problem(400, "the path is not UTF-8") from None
    if not segment.isprintable():
        raise Problem(404, "there is nothing at this path")
    return segment


def _query(route: Route, request: web.BaseRequest) -> BaseModel:
    _, _, text = request.raw_path.partition("?")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Problem(400, "the query cannot be read: it is not UTF-8, or has too many parameters") from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    several = _repeatable(route.query)
    values: dict[str, Any] = {
        name: each if name in several else each[0]
        for name, each in given.items()
        if name in several or len(each) == 1
    }
    repeated = given.keys() - values.keys()
    if repeated:
        raise Problem(400, f"query parameter {min(repeated)!r} is there more than once")
    try:
        # What a query says is text: numbers and flags are read out of it.
        return (
            route.query.model_validate_strings(values) if not several else route.query.model_validate(values)
        )
    except ValidationError as invalid:
        raise Problem(400, "the query is not what this call takes", errors=_faults(invalid)) from None


@cache
def _repeatable(query: type[BaseModel]) -> frozenset[str]:
    """The parameters that may be there more than once."""
    return frozenset(
        name for name, field in query.model_fields.items() if get_origin(field.annotation) is tuple
    )


def _faults(invalid: ValidationError) -> list[tuple[str, str]]:
    found = invalid.errors(include_url=False, include_context=False, include_input=False)
    return [("".join(pointer_token(str(part)) for part in each["loc"]), each["msg"]) for each in found]
