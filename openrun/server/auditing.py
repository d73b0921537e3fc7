"""The audit log: who changed what, and what came of it. Nothing of what was sent is in it, but for names."""

import logging

from aiohttp import web

from openrun.server.access import Principal
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, House, Route
from openrun.server.translation import problem_of
from openrun.store.base import StoreUnavailable
from openrun.store.books import AuditRow
from openrun.store.projection import in_ms

_log = logging.getLogger("openrun.audit")


class Auditing:
    """Writes a row for each call that may change something, done or refused by the call itself."""

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

    async def _write(self, call: Call, route: Route, status: int, resource: str) -> None:
        who: Principal = call.principal
        row = AuditRow(
            at=in_ms(self._house.app.clock.now()),
            namespace=call.space.namespace,
            actor=who.name,
            actor_id=who.key_id,
            role=who.role.value,
            action=route.operation,
            resource=resource,
            status=status,
            request_id=call.request_id,
            remote=call.request.remote,
        )
        try:
            await self._house.app.store.add_audit([row])
        except StoreUnavailable:
            # What was done is done; that it cannot be noted is said where somebody looks.
            _log.exception(
                "the audit log took no row for %s of %s by %s", route.operation, resource, who.name
            )


def _status(error: Exception) -> int:
    problem = error if isinstance(error, Problem) else problem_of(error)
    return 500 if problem is None else problem.status


def _resource(call: Call) -> str:
    return "/".join(f"{name.removesuffix('_id')}/{value}" for name, value in call.path.items())[:300]
