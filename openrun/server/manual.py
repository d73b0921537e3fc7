"""The API's own description: its document for programs, and a page for people. Neither is a secret.

Whoever asks with a key that may read flows is shown the webhooks of its namespace, too; nobody else is told of them.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web
from pydantic import BaseModel

from openrun.server.access import Scope
from openrun.server.openapi import document
from openrun.server.page import POLICY, page
from openrun.server.route import Call, Route
from openrun.triggers.routes import Endpoint


class Described(BaseModel, extra="allow"):
    """An OpenAPI 3.1 document."""

    openapi: str


class Manual:
    """Keeps what is the same for everybody, once it was made."""

    def __init__(self) -> None:
        self._routes: Sequence[Route] = ()
        self._document = b""
        self._page = ""

    async def openapi(self, call: Call) -> web.StreamResponse:
        endpoints = _webhooks(call)
        if endpoints:
            made = await asyncio.to_thread(document, call.house.routes, endpoints)
            return _answer(msgspec.json.encode(made), "application/json")
        await self._make(call.house.routes)
        return _answer(self._document, "application/json")

    async def page(self, call: Call) -> web.StreamResponse:
        await self._make(call.house.routes)
        response = _answer(self._page.encode(), "text/html")
        response.charset = "utf-8"
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    async def _make(self, routes: Sequence[Route]) -> None:
        if self._routes is not routes:
            made = await asyncio.to_thread(document, routes)
            text = await asyncio.to_thread(page, made)
            self._document, self._page, self._routes = msgspec.json.encode(made), text, routes


def _answer(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, content_type=content_type, headers={"Cache-Control": "no-store"})


def _webhooks(call: Call) -> list[Endpoint]:
    """Those that the caller may know of."""
    if Scope.FLOWS_READ not in call.principal.scopes:
        return []
    mounted = call.house.mounting.routes.endpoints
    return [each for each in mounted if each.namespace == call.space.namespace]


_MANUAL = Manual()

ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        operation="documents.openapi",
        summary="This document",
        description="With a key that has the scope `flows:read` it has the webhooks of the namespace, too.",
        tag="documents",
        scope=None,
        handler=_MANUAL.openapi,
        answer=Described,
    ),
    Route(
        method="GET",
        path="/docs",
        operation="documents.page",
        summary="This document as a page for people",
        tag="documents",
        scope=None,
        handler=_MANUAL.page,
        answer=str,
        answer_types=("text/html",),
    ),
)
