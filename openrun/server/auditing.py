"""The audit log: who changed what, and what came of it. Nothing of what was sent is in it, but for names."""

import logging

from aiohttp import web
from msgspec.structs import replace

from openrun.server.access import ALL_NAMESPACES, Principal
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, House, Route
from openrun.server.translation import problem_of
from openrun.store.base import StoreUnavailable
from openrun.store.books import AuditRow
from openrun.store.projection import in_ms
from openrun.store.rows import DEFAULT_NAMESPACE

_log = logging.getLogger("openrun.audit")


class Auditing:
    """Writes a row for each call that may change something, done or refused."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def around(self, route: Route, call: Call) -> Answer | web.StreamResponse:
        """Call the route, and say what came of it."""
        try:
            answer = await route.handler(call)
        except Exception as error:
            await self._write(call, route, _status(error), _resource(call))
            raise
        status = answer.status
        resource = answer.resource if isinstance(answer, Answer) else ""
        await self._write(call, route, status, resource or _resource(call))
        return answer

    async def refused(self, request: web.BaseRequest, request_id: str, route: Route, who: Principal) -> None:
        """Somebody who is known asked for what is not theirs to ask."""
        namespace = DEFAULT_NAMESPACE if who.namespace == ALL_NAMESPACES else who.namespace
        row = self._row(who, namespace, route, request_id)
        await self._keep(replace(row, status=403, remote=request.remote))

    async def _write(self, call: Call, route: Route, status: int, resource: str) -> None:
        row = self._row(call.principal, call.space.namespace, route, call.request_id)
        await self._keep(replace(row, status=status, resource=resource, remote=call.request.remote))

    def _row(self, who: Principal, namespace: str, route: Route, request_id: str) -> AuditRow:
        return AuditRow(
            at=in_ms(self._house.app.clock.now()),
            namespace=namespace,
            actor=who.name,
            actor_id=who.key_id,
            role=who.role.value,
            action=route.operation,
            resource="",
            status=0,
            request_id=request_id,
        )

    async def _keep(self, row: AuditRow) -> None:
        try:
            await self._house.app.store.add_audit([row])
        except StoreUnavailable:
            # What was done is done; that it cannot be noted is said where somebody looks.
            _log.exception(
                "the audit log took no row for %s of %s by %s", row.action, row.resource, row.actor
            )


def _status(error: Exception) -> int:
    problem = error if isinstance(error, Problem) else problem_of(error)
    return 500 if problem is None else problem.status


def _resource(call: Call) -> str:
    return "/".join(f"{name.removesuffix('_id')}/{value}" for name, value in call.path.items())[:300]
