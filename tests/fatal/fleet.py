"""Processes at one store, the test's own view of it, and a receiver that all of them may reach."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, TypeVar

from openrun.app import App, DurableRun
from openrun.core.events import Fact, FlowCompleted, StepCompleted, StepStarted
from openrun.core.types import FINAL, RunStatus
from openrun.flow import Flow
from openrun.house.rebuild import Rebuilder
from openrun.store.chain import broken
from openrun.store.rows import RunFilter, RunRow

from . import process
from .process import Orders
from .receiver import PATIENCE, Receiver

T = TypeVar("T")
FactKind = TypeVar("FactKind", bound=Fact)

# What is common to all is imported once, in the process that the others are forks of.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.fatal.process", "openrun.store.postgres"])


class Member:
    """Another process."""

    def __init__(self, started: ForkServerProcess, ear: Connection) -> None:
        self._process = started
        self._ear = ear

    def signal(self, which: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, which)

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        await self.ended()

    async def ended(self) -> int:
        """Wait for its end; what it exited with."""
        await readable(self._process.sentinel)
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def heard(self) -> Any:
        """The next that it tells."""
        await readable(self._ear.fileno())
        return self._ear.recv()

    def tell(self, word: str) -> None:
        self._ear.send(word)

    async def retire(self) -> int:
        """Ask it to leave, and wait for that; how many commits it made."""
        self.signal(signal.SIGTERM)
        told = await self.heard()
        while not isinstance(told, int):
            told = await self.heard()
        assert await self.ended() == 0
        return told

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self._ear.close()


class Fleet:
    """`app` starts and watches runs, and never works."""

    def __init__(self, store: str, receiver: Receiver, app: App) -> None:
        self.store = store
        self.receiver = receiver
        self.app = app
        self._members: list[Member] = []

    async def start(self, flow: Flow, *others: Flow, **more: Any) -> DurableRun:
        """Start a run; `others` are flows that it needs."""
        for each in others:
            await self.app.add_flow(each)
        return await self.app.start(flow, **more)

    async def worker(self, **orders: Any) -> Member:
        """A process that works, once it does."""
        member = self.member(process.work, orders)
        await member.heard()
        return member

    def member(self, target: Callable[..., None], orders: dict[str, Any], *more: Any) -> Member:
        """A process that was started."""
        given = Orders(store=self.store, receiver=self.receiver.address, **orders)
        ours, theirs = FORKS.Pipe()
        started = FORKS.Process(target=target, args=(given, theirs, *more), daemon=True)
        started.start()
        theirs.close()
        self._members.append(Member(started, ours))
        return self._members[-1]

    async def kill_all(self) -> None:
        """SIGKILL all that live."""
        for each in self._members:
            if each.alive:
                await each.kill()

    def close(self) -> None:
        for each in self._members:
            each.close()

    async def ended(self, run: DurableRun) -> RunRow:
        async with asyncio.timeout(PATIENCE):
            return await run.finished()

    async def ends_or_dies(self, run: DurableRun, worker: Member) -> bool:
        """Wait until the run has ended or its worker has died by its own hand; say which."""
        end, death = asyncio.ensure_future(self.ended(run)), asyncio.ensure_future(worker.ended())
        await asyncio.wait([end, death], return_when=asyncio.FIRST_COMPLETED)
        died = death.done()
        for each in (end, death):
            each.cancel()
        await asyncio.gather(end, death, return_exceptions=True)
        assert not died or death.result() == process.DIED
        return died

    async def stands(self, run: DurableRun, *statuses: RunStatus) -> RunRow:
        """Wait until nobody holds the run and it has one of these statuses."""

        async def there() -> RunRow | None:
            row = await self.app.row(run.run_id)
            assert row.status in statuses or row.status not in FINAL, f"{row.status.value}: {row.error}"
            return row if row.status in statuses and row.worker is None else None

        return await until(there)

    async def has(self, run: DurableRun, kind: type[FactKind], count: int = 1) -> FactKind:
        """Wait until the run's journal has this many facts of a kind; the last of them."""

        async def there() -> FactKind | None:
            found = [each for each in await self.app.facts(run.run_id) if isinstance(each, kind)]
            return found[count - 1] if len(found) >= count else None

        return await until(there)

    async def renewed(self) -> None:
        """Wait until the only worker has just renewed its lease: it is in no transaction."""
        (before,) = await self.app.store.workers()
        left = [before.lease_ms]

        async def there() -> bool:
            (now,) = await self.app.store.workers()
            left.append(now.lease_ms)
            return left[-1] > left[-2]

        await until(there)

    async def journals(self) -> dict[str, list[Fact]]:
        """The journals of all runs."""
        rows = await self.app.store.runs(RunFilter(limit=10_000))
        return {row.run_id: list(await self.app.facts(row.run_id)) for row in rows}

    async def check(self) -> None:
        """What holds for every store whose runs have come to rest: also that all it keeps follows from journals."""
        for row in await self.app.store.runs(RunFilter(limit=10_000)):
            events = await self.app.store.events(row.run_id)
            assert broken(events, last=row.seq, head=row.hash) is None
            fences = [each.fence for each in events]
            assert fences == sorted(fences)
            check_facts(await self.app.facts(row.run_id), ended=row.status in FINAL)
            if row.status in FINAL:
                assert await self.app.waits.open(run_id=row.run_id) == []
        assert await self.app.store.orphans() == []
        rebuilt = await Rebuilder(self.app.store, self.app.library).all()
        assert (rebuilt.differences, rebuilt.faults) == ([], [])


def check_facts(facts: Iterable[Fact], *, ended: bool) -> None:
    """One end and nothing after it; what was completed is completed once, and not started again."""
    facts = list(facts)
    assert [isinstance(each, FlowCompleted) for each in facts] == [*[False] * (len(facts) - 1), ended]
    done: set[str] = set()
    for each in facts:
        if isinstance(each, StepStarted | StepCompleted):
            assert each.activation_id not in done
        if isinstance(each, StepCompleted):
            done.add(each.activation_id)


@asynccontextmanager
async def a_fleet(store: str) -> AsyncIterator[Fleet]:
    async with Receiver() as receiver:
        orders = Orders(store=store, receiver=receiver.address)
        async with process.an_app(orders, work=False) as app:
            fleet = Fleet(store, receiver, app)
            try:
                yield fleet
            finally:
                fleet.close()


async def readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, tell)
    try:
        async with asyncio.timeout(PATIENCE):
            await ready
    finally:
        loop.remove_reader(descriptor)


async def until(condition: Callable[[], Awaitable[T | None]]) -> T:
    """The first answer that is true."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await condition()
            if answer:
                return answer
            await asyncio.sleep(0.02)
