"""Crowds of idle, slow and hostile clients cost everybody else nothing."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from openrun.server.connections import ConnectionLimits
from tests.server.hostile import SOURCES, Reply, Wire, ask, request, wires

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
POST = {"Content_Type": "application/json", "Content_Encoding": "gzip"}


@asynccontextmanager
async def a_public_server(store: Path) -> AsyncIterator[tuple[Fleet, Member, Address]]:
    async with a_fleet(str(store)) as fleet:
        await fleet.app.add_flow(hooked("work", *pure()))
        limits = ConnectionLimits(headers=SECONDS)
        yield fleet, *await a_server(fleet, limits=limits, body_seconds=SECONDS)


async def drips(address: Address, source: str, beginning: bytes) -> Reply | None:
    """The answer to a client that sends a byte now and then, and never comes to an end."""
    async with await Wire.open(address, source) as wire:
        await wire.send(beginning)
        while not wire.is_closed:
            await wire.send(b"x")
            await asyncio.sleep(0.1)
        heard = await wire.rest()
        return Reply(status=int(heard.split(b" ")[1])) if heard else None


HOSTILE: dict[str, tuple[set[int], Callable[[Address, str], Coroutine[object, object, Reply | None]]]] = {
    "slow headers": (
        # In a room that is full the one longest in its headers makes place.
        {408, 503},
        lambda to, source: drips(to, source, b"POST /hooks/work HTTP/1.1\r\nHost: a\r\nX-Slow: "),
    ),
    "slow bodies": (
        {408},
        lambda to, source: drips(to, source, request("POST", "/hooks/work", Content_Length="1000")),
    ),
    "bombs": ({413}, lambda to, source: ask(to, request("POST", "/hooks/work", BOMB, **POST), source)),
    "no gzip": (
        {400},
        lambda to, source: ask(to, request("POST", "/hooks/work", b"no gzip", **POST), source),
    ),
    "half a gzip": (
        {400},
        lambda to, source: ask(to, request("POST", "/hooks/work", BOMB[:20], **POST), source),
    ),
    "deflate in disguise": (
        {400},
        lambda to, source: ask(to, request("POST", "/hooks/work", zlib.compress(b"{}"), **POST), source),
    ),
    "no chunks": (
        {400},
        lambda to, source: ask(
            to, request("POST", "/hooks/work", Transfer_Encoding="chunked") + b"zz\r\n\x00\xff\r\n", source
        ),
    ),
    "chunks of a lie": (
        {400},
        lambda to, source: ask(
            to,
            request("POST", "/hooks/work", Transfer_Encoding="chunked") + b"2\r\n{}{}{}\r\n0\r\n\r\n",
            source,
        ),
    ),
    "no HTTP": (
        {400},
        lambda to, source: ask(to, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", source),
    ),
    "large headers": ({431}, lambda to, source: ask(to, request(X_Large="x" * 20_000), source)),
}


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
            sources = [source for source in SOURCES for _ in range(EACH)]
            crowd = {
                what: asyncio.gather(*(client(address, source) for source in sources))
                for what, (_, client) in HOSTILE.items()
            }
            for what, answers in crowd.items():
                assert {each and each.status for each in await answers} <= HOSTILE[what][0], what
        over.set()
        said = await asyncio.gather(*others)
        assert [set(each) for each in said] == [{202}, {202}]
        assert await all_ended(fleet) == sum(map(len, said))
        await member.retire()
        await fleet.check()
