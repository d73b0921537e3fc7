"""Cursors: what a list gives leads on, and nothing else does."""

import base64
import json
from typing import Any

import pytest

from openrun.server import audit, deliveries, flows, keys, letters
from tests.server.site import site

LISTS = {
    "/v1/flows": str,
    "/v1/deliveries": str,
    "/v1/dead-letters": list,
    "/v1/keys": list,
    "/v1/audit": int,
}
ROUTES = (*flows.ROUTES, *deliveries.ROUTES, *letters.ROUTES, *keys.ROUTES, *audit.ROUTES)

FORGED: list[Any] = ["", "a\x00b", "\ud800", "a\n", 2**63, -(2**63) - 1, 1.5, True, None, {}, [], [1], [1, 2]]
FORGED += [[2**64, "a"], [1, "\x00"], [1, "a", "b"], ["a", 1], [[[[[]]]]]]


def cursor(path: str, at: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([path, at]).encode()).decode().rstrip("=")


async def test_no_cursor_that_somebody_made_up_is_more_than_refused() -> None:
    async with site(routes=ROUTES) as s:
        for path, kind in LISTS.items():
            for at in FORGED:
                got = await s.call("GET", f"{path}?cursor={cursor(path, at)}")
                fits = at == "" and kind is str
                assert got.status == (200 if fits else 400), (path, at, got.text)


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_of_another_list_is_refused(path: str) -> None:
    fitting = {str: "a", list: [1, "a"], int: 1}[LISTS[path]]
    async with site(routes=ROUTES) as s:
        assert (await s.call("GET", f"{path}?cursor={cursor(path, fitting)}")).status == 200
        assert (await s.call("GET", f"{path}?cursor={cursor('/v1/others', fitting)}")).status == 400
