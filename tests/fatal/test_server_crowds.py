"""Crowds of idle, slow and hostile clients cost everybody else nothing."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from openrun.server.connections import ConnectionLimits
from tests.server.hostile import SOURCES, Wire, request, wires

from .courier import Address, Courier
from .fleet import Fleet, Member, a_fleet
from .server_process import MOST_FILES, hooked, open_files, pure
from .serving import a_server, all_ended

IDLE = 2_000
EACH = 5
"""Clients of each hostile kind at once."""
SECONDS = 3.0
"""What headers may take, and what a body may."""
BOMB = gzip.compress(bytes(50_000_000))


def post(body: bytes = b"", **headers: str) -> bytes:
    return request("POST", "/hooks/work", body, Connection="close", **headers)


def zipped(body: bytes) -> bytes:
    return post(body, Content_Type="application/json", Content_Encoding="gzip")


SLOW = {
    # In a room that is full the one longest in its headers makes place.
    "slow headers": (b"POST /hooks/work HTTP/1.1\r\nHost: a\r\nX-Slow: ", {408, 503}),
    "slow bodies": (post(Content_Length="1000"), {408}),
}
WRONG = {
    "bombs": (zipped(BOMB), {413}),
    "no gzip": (zipped(b"no gzip"), {400}),
    "half a gzip": (zipped(BOMB[:20]), {400}),
    "deflate in disguise": (zipped(zlib.compress(b"{}")), {400}),
    "no chunks": (post(Transfer_Encoding="chunked") + b"zz\r\n\x00\xff\r\n", {400}),
    "chunks of a lie": (post(Transfer_Encoding="chunked") + b"2\r\n{}{}{}\r\n0\r\n\r\n", {400}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "large headers": (request(X_Large="x" * 20_000), {431}),
}


@asynccontextmanager
async def a_public_server(store: Path) -> AsyncIterator[tuple[Fleet, Member, Address]]:
    async with a_fleet(str(store)) as fleet:
        await fleet.app.add_flow(hooked("work", *pure()))
        limits = ConnectionLimits(headers=SECONDS)
        yield fleet, *await a_server(fleet, limits=limits, body_seconds=SECONDS)


async def told(address: Address, source: str, beginning: bytes, *, drips: bool) -> int | None:
    """What a client is answered that never comes to an end, if it `drips`; None where it was only cut off."""
    async with await Wire.open(address, source) as wire:
        await wire.send(beginning)
        while drips and not wire.is_closed:
            await wire.send(b"x")
            await asyncio.sleep(0.1)
        heard = await wire.rest()
        return int(heard.split(b" ")[1]) if heard else None


async def hostile(address: Address, what: str) -> None:
    """Clients of one kind from all addresses, refused as they should be; some make place for others unheard."""
    beginning, statuses = {**SLOW, **WRONG}[what]
    sources = [source for source in SOURCES for _ in range(EACH)]
    said = {*await asyncio.gather(*(told(address, each, beginning, drips=what in SLOW) for each in sources))}
    assert said <= {*statuses, None}, what
    assert said & statuses, what


async def asking(address: Address, over: asyncio.Event, *, keeps: bool) -> list[int | None]:
    """What somebody without fault is answered, one request after the other."""
    courier, name = Courier(address, keeps=keeps), "keeps" if keeps else "comes"
    said: list[int | None] = []
    while not over.is_set():
        answer = await courier.bring("/work", f"{name}-{len(said)}", {"n": len(said)})
        said.append(None if answer is None else answer.status)
        await asyncio.sleep(0.02)
    courier.close()
    return said


async def test_idle_slow_and_hostile_clients_cost_others_nothing(tmp_path: Path) -> None:
    if open_files(MOST_FILES) < 2 * IDLE:
        pytest.skip(f"NOT TESTED WITH A CROWD: this process may not open {2 * IDLE} files")
    async with a_public_server(tmp_path / "openrun.db") as (fleet, member, address):
        over = asyncio.Event()
        others = [asyncio.ensure_future(asking(address, over, keeps=keeps)) for keeps in (True, False)]
        async with wires(IDLE, address, *SOURCES) as idle:
            for wire in idle[::2]:
                # Half of them have said something once.
                await wire.send(request(path="/livez"))
            async with asyncio.TaskGroup() as crowd:
                for what in (*SLOW, *WRONG):
                    crowd.create_task(hostile(address, what))
        over.set()
        said = await asyncio.gather(*others)
        assert [set(each) for each in said] == [{202}, {202}]
        assert min(map(len, said)) > 10
        assert await all_ended(fleet) == sum(map(len, said))
        await member.retire()
        await fleet.check()
