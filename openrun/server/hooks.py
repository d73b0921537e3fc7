"""Webhooks: match, limits, signature on the raw bytes, persist, answer. What is answered with 2xx is on disk."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import msgspec
from aiohttp import web

from openrun.core.types import Json, RunStatus
from openrun.runtime.errors import Overloaded
from openrun.runtime.surroundings import secrets_of
from openrun.server.bodies import read_body
from openrun.server.browsers import check_stranger
from openrun.server.caller import Caller, Said
from openrun.server.hook_stream import stream_hook
from openrun.server.mounting import Mounting
from openrun.server.prefer import wait_seconds
from openrun.server.problem import Problem
from openrun.server.repetition import REPLAYED
from openrun.server.route import House
from openrun.server.translation import OVERLOADED, problem_of
from openrun.space import DurableRun, Space
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.signature import BasicSecret
from openrun.triggers.base import Arrival, RunRequest
from openrun.triggers.refusals import BadSignature, InvalidInput, MissingSecret, Refusal
from openrun.triggers.routes import Endpoint, Found, NoMethod, NoPath
from openrun.triggers.webhook import Challenge, receive

_log = logging.getLogger("openrun.server")

PREFIX = "/hooks"

_LONGEST_WAIT = 60.0
_PATIENCE = 5.0
"""How long a caller waits for a store that does not answer, in seconds."""
_QUIET = 60.0
_BODILESS = frozenset({204, 205, 304})
_OURS = frozenset(
    {"connection", "content-length", "content-security-policy", "date", "keep-alive", "server", "set-cookie"}
    | {"strict-transport-security", "te", "trailer", "transfer-encoding", "upgrade", "x-content-type-options"}
    | {"clear-site-data", "proxy-authenticate", "x-request-id", "service-worker-allowed", "alt-svc", "nel"}
    | {"cache-control", "report-to", "reporting-endpoints", "set-cookie2", "public-key-pins"}
)
"""Headers that a flow may not set: the connection's, and those that say something of the whole origin."""
_OUR_KINDS = ("openrun-", "x-accel-", "x-sendfile", "idempotency-", "preference-", "proxy-", "cross-origin-")
"""How the names of others begin: our own, and those by which a proxy in front is told what to do."""
_CAGE = {"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store"}
"""What a flow answers is never a page of our origin."""


class Hooks:
    """Answers requests to webhooks."""

    def __init__(self, house: House, mounting: Mounting) -> None:
        self._house = house
        self._mounting = mounting
        self._callers: set[Caller] = set()
        """Those who are kept on the line."""
        self._gives_up = False
        self._told_at: dict[str, float] = {}
        """When the log was last told of a trigger's callers."""

    def give_up(self) -> None:
        """Keep nobody on the line any longer: all get the ids of their runs."""
        self._gives_up = True
        for caller in self._callers:
            caller.give_up()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Raises `Problem` for a request that starts no run."""
        path, _, query = request.raw_path.partition("?")
        found = self._find(request.method, path.removeprefix(PREFIX))
        endpoint = found.endpoint
        if endpoint.config.proof() is None:
            # Nothing else tells a page that somebody opened from somebody who may call.
            check_stranger(self._house.config, request)
        trigger = f"{endpoint.flow_id}/{endpoint.step_id}"
        try:
            response = await self._take(found, request, query)
        except Refusal as refused:
            told = self._told(refused, endpoint)
            self._house.metrics.webhook(trigger, told.slug)
            raise told from None
        except Problem as problem:
            self._house.metrics.webhook(trigger, problem.slug)
            raise
        except Overloaded:
            self._house.metrics.webhook(trigger, OVERLOADED)
            raise
        self._house.metrics.webhook(trigger, "duplicate" if REPLAYED in response.headers else "accepted")
        return response

    def _find(self, method: str, below: str) -> Found:
        match self._mounting.routes.find(method, below):
            case Found() as found:
                return found
            case NoMethod(allowed=allowed):
                names = ", ".join(allowed)
                raise Problem(405, f"this webhook takes {names}", headers={"Allow": names})
            case NoPath():
                raise Problem(404, "no flow that is enabled has a webhook at this path")

    async def _take(self, found: Found, request: web.BaseRequest, query: str) -> web.StreamResponse:
        house, endpoint = self._house, found.endpoint
        trouble = house.app.journal.trouble
        if trouble is not None:
            raise problem_of(trouble) or trouble
        # Before the body is read: it is what there would be too much of.
        house.app.start_queue.check()
        own = endpoint.config.max_body_bytes
        most = house.config.max_body if own is None else min(own, house.config.max_body)
        body = await read_body(request, most, house.config.body_seconds)
        now = house.app.clock.now().timestamp()
        arrival = Arrival(
            method=request.method,
            raw_path=request.raw_path.partition("?")[0].removeprefix(PREFIX),
            query=query,
            headers=tuple(request.headers.items()),
            body=body.raw,
            decoded=None if body.decoded is body.raw else body.decoded,
            remote=request.remote,
            received_at=now,
        )
        secrets = secrets_of(house.app.secrets, endpoint.namespace)
        asked = receive(endpoint, found.parameters, arrival, secrets, now)
        if isinstance(asked, Challenge):
            return web.Response(text=asked.text, headers=_CAGE)
        return await self._start(endpoint, asked, request)

    async def _start(
        self, endpoint: Endpoint, asked: RunRequest, request: web.BaseRequest
    ) -> web.StreamResponse:
        app, space = self._house.app, self._house.space(endpoint.namespace)
        mode = endpoint.config.mode
        seconds = wait_seconds(request.headers.getall("Prefer", ()), _LONGEST_WAIT)
        preferred = seconds is not None
        if seconds is None:
            seconds = seconds_in(endpoint.config.wait_seconds) if mode in ("last_step", "respond") else 0.0
        streams = mode == "stream" and not preferred
        with self._room(request, lasts=streams or bool(seconds)) as there_is:
            if streams and not there_is:
                raise Problem(
                    503, "too many streams are open; try again later", headers={"Retry-After": "10"}
                )
            caller = None
            if seconds and there_is:
                caller = Caller(app.library, app.catalog, at_once=mode == "respond")
            run = await self._begun(space, asked, caller)
            if streams:
                return await stream_hook(request, self._house, space, run)
            said = None if caller is None else await self._said(caller, space, run, seconds)
        response = _accepted(run) if said is None else _said(said, run, outputs=mode == "last_step")
        if preferred:
            response.headers["Preference-Applied"] = "wait" if seconds else "respond-async"
        if run.replayed:
            response.headers[REPLAYED] = "true"
        return response

    def _room(self, request: web.BaseRequest, *, lasts: bool) -> AbstractContextManager[bool]:
        """Whether this caller may be kept on the line."""
        if not lasts:
            return nullcontext(enter_result=False)
        is_proxy = request.remote in self._house.config.proxies
        return self._house.lasting.place(request.remote, known=is_proxy)

    def _told(self, refused: Refusal, endpoint: Endpoint) -> Problem:
        trigger = f"{endpoint.flow_id}/{endpoint.step_id}"
        if isinstance(refused, BadSignature | MissingSecret) and self._seldom(trigger):
            level = logging.ERROR if isinstance(refused, MissingSecret) else logging.INFO
            _log.log(level, "webhook %s refuses its callers: %s", trigger, refused.reason)
        return _told(refused, endpoint)

    def _seldom(self, trigger: str) -> bool:
        """Whether the log has not been told for a while: anybody may call, as often as they like."""
        now = self._house.app.clock.monotonic()
        if now - self._told_at.get(trigger, -_QUIET) < _QUIET:
            return False
        self._told_at[trigger] = now
        return True

    async def _said(self, caller: Caller, space: Space, run: DurableRun, seconds: float) -> Said | None:
        if self._gives_up:
            return None
        self._callers.add(caller)
        try:
            return await caller.said(space, run.run_id, seconds, known=not run.is_here)
        finally:
            self._callers.discard(caller)

    async def _begun(self, space: Space, asked: RunRequest, caller: Caller | None) -> DurableRun:
        try:
            async with asyncio.timeout(_PATIENCE):
                if caller is None:
                    return await space.deliver(asked)
                return await space.deliver(asked, caller.hear)
        except TimeoutError:
            trouble = self._house.app.journal.trouble
            problem = None if trouble is None else problem_of(trouble)
            raise problem or Problem(
                503,
                "the delivery could not be kept in time; send it again under the same id",
                headers={"Retry-After": "5"},
            ) from None


def _accepted(run: DurableRun) -> web.Response:
    return _json(202, {"run_id": run.run_id, "status": "accepted"}, run)


def _said(said: Said, run: DurableRun, *, outputs: bool) -> web.Response:
    """What a flow's author lets callers see: what it replies, and what it puts out only where they said so."""
    if said.reply is not None:
        return _reply(said.reply[0], run)
    if said.status is RunStatus.SUCCEEDED:
        ended: Json = {"run_id": run.run_id, "status": said.status.value}
        return _json(200, said.output if outputs else ended, run)
    raise Problem(
        500,
        f"the run has {said.status.value}",
        slug="run-failed",
        run_id=run.run_id,
        run_status=said.status.value,
    )


def _json(status: int, value: Json, run: DurableRun) -> web.Response:
    headers = {**_CAGE, "Location": f"/v1/runs/{run.run_id}", "OpenRun-Run": run.run_id}
    response = web.Response(status=status, body=msgspec.json.encode(value), headers=headers)
    response.content_type = "application/json"
    return response


def _reply(reply: Json, run: DurableRun) -> web.Response:
    """What a reply step said: text as it is, anything else as JSON."""
    said: Mapping[str, Json] = reply if isinstance(reply, dict) else {"body": reply}
    body = said.get("body")
    headers = _allowed(said.get("headers"))
    status = said.get("status", 200)
    if not isinstance(status, int) or not 200 <= status <= 599:
        # What is no final status would have the answer taken for one to another request.
        raise Problem(500, "the run replied with a status that is none", slug="run-failed", run_id=run.run_id)
    is_text = isinstance(body, str)
    content = body.encode() if isinstance(body, str) else b"" if body is None else msgspec.json.encode(body)
    response = web.Response(status=status, body=b"" if status in _BODILESS else content)
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "text/plain; charset=utf-8" if is_text else "application/json"
    response.headers.update({**headers, **_CAGE, "OpenRun-Run": run.run_id})
    return response


def _allowed(given: Json) -> dict[str, str]:
    headers = given if isinstance(given, dict) else {}
    return {
        name: value
        for name, value in headers.items()
        if isinstance(value, str) and name.lower() not in _OURS and not name.lower().startswith(_OUR_KINDS)
    }


def _told(refused: Refusal, endpoint: Endpoint) -> Problem:
    errors = refused.faults if isinstance(refused, InvalidInput) else ()
    # Some clients ask for a password only when they are told to.
    asks = isinstance(refused, BadSignature) and isinstance(endpoint.config.proof(), BasicSecret)
    headers = {"WWW-Authenticate": 'Basic realm="webhook"'} if asks else {}
    return Problem(refused.status, str(refused), errors=errors, headers=headers)
