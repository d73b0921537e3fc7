"""Repeated calls: the same Idempotency-Key gets the same answer (draft-ietf-httpapi-idempotency-key-header-07).

A key counts for one principal, method and path, and for a day. While the first call is under way its repetitions
wait for it; in another process they meet in the store, where the calls themselves are safe to repeat.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from openrun.server.problem import Problem
from openrun.server.route import Call, House, Route
from openrun.store.books import AnswerRow
from openrun.store.projection import in_ms

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_QUOTED = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"')
_BARE = re.compile(r"[\x21\x23-\x7e]{1,255}")
_HOUR_MS = 3_600_000
_LARGEST = 64 * 1024


def idempotency_key(request: web.BaseRequest) -> str | None:
    """The key of a request: a quoted text (RFC 8941), or bare. Raises `Problem` for one that is neither."""
    values = request.headers.getall(HEADER, [])
    if not values:
        return None
    given = values[0].strip()
    if len(values) == 1 and (match := _QUOTED.fullmatch(given) or _BARE.fullmatch(given)):
        return match[1] if match.lastindex else match[0]
    raise Problem(400, f'{HEADER} is one text such as "8e03978e-40d5-43dd", at most 255 characters')


class _Turns:
    """Calls under one key, one at a time."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Repetition:
    """Keeps answers by key, and gives them again."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._under_way: dict[tuple[str, str], _Turns] = {}

    async def once(
        self, route: Route, call: Call, raw: bytes, make: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """The answer that is kept under the call's key, or the one made now."""
        assert call.key is not None
        scope = f"{call.space.namespace} {call.principal.key_id} {route.method} {call.request.raw_path.partition('?')[0]}"
        place = scope, call.key
        turns = self._under_way.setdefault(place, _Turns())
        turns.waiting += 1
        try:
            async with turns.lock:
                return await self._once(place, call, raw, make)
        finally:
            turns.waiting -= 1
            if not turns.waiting:
                del self._under_way[place]

    async def _once(
        self,
        place: tuple[str, str],
        call: Call,
        raw: bytes,
        make: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        scope, key = place
        store, now = self._house.app.store, in_ms(self._house.app.clock.now())
        asked = hashlib.sha256(
            call.request.raw_path.encode(errors="surrogateescape") + b"\n" + raw
        ).hexdigest()
        kept = await store.kept_answer(scope, key, now)
        if kept is not None:
            return _again(kept, asked)
        response = await make()
        if _is_worth_keeping(response):
            expires = now + int(self._house.config.idempotency_hours * _HOUR_MS)
            row = _row(response, scope, key, asked, expires)
            first = await store.keep_answer(row, now)
            if first != row:
                return _again(first, asked)
        return response


def _is_worth_keeping(response: web.StreamResponse) -> bool:
    if not isinstance(response, web.Response) or response.status >= 500:
        return False
    return isinstance(response.body, bytes | None) and len(response.body or b"") <= _LARGEST


def _row(response: web.StreamResponse, scope: str, key: str, asked: str, expires: int) -> AnswerRow:
    assert isinstance(response, web.Response)
    body: Any = response.body or b""
    headers = {
        name: value for name, value in response.headers.items() if name not in ("Content-Length", "Date")
    }
    return AnswerRow(
        scope=scope,
        key=key,
        request_hash=asked,
        status=response.status,
        headers=msgspec.json.encode(headers).decode(),
        body=body.decode(),
        expires_at=expires,
    )


def _again(kept: AnswerRow, asked: str) -> web.Response:
    if kept.request_hash != asked:
        raise Problem(422, f"this {HEADER} was sent with another request before", slug="key-reused")
    headers = msgspec.json.decode(kept.headers, type=dict[str, str])
    return web.Response(status=kept.status, body=kept.body.encode(), headers={**headers, REPLAYED: "true"})
