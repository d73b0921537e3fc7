"""What tests of stores are given: runs that tell what they write, and ways to wait for what time brings."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.chain import GENESIS, link
from openrun.store.rows import (
    ActivationRow,
    Birth,
    Claim,
    Committed,
    CompensationRow,
    Dedupe,
    EffectFilter,
    EffectRow,
    EventRow,
    Message,
    ProgressRow,
    Release,
    Slice,
    Stale,
    Standing,
    Verdict,
    WaitFilter,
    WaitRow,
)

T = TypeVar("T")

NOW = 1_700_000_000_000
PATIENCE_SECONDS = 20.0
LEASE_SECONDS = 600.0
GIVEN_BACK = Release(due_at=None)
FINAL = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.ABORTED)


def body(run_id: str, seq: int, note: str = "") -> str:
    return f'{{"run":"{run_id}","seq":{seq},"note":"{note}"}}'


def journal(
    run_id: str, first: int, count: int, *, fence: int, previous: str, note: str = ""
) -> tuple[EventRow, ...]:
    """Events that follow `previous`."""
    rows = []
    for seq in range(first, first + count):
        text = body(run_id, seq, note)
        previous = link(previous, run_id, seq, fence, text)
        rows.append(EventRow(run_id=run_id, seq=seq, fence=fence, hash=previous, body=text))
    return tuple(rows)


class Told:
    """A run as one who holds it tells it: where its journal stands, and under which fence."""

    def __init__(
        self, run_id: str, *, worker: str | None = "w1", fence: int = 1, seq: int = 0, head: str = GENESIS
    ) -> None:
        self.run_id = run_id
        self.worker = worker
        self.fence = fence
        self.seq = seq
        self.head = head

    @classmethod
    def of(cls, claim: Claim, worker: str) -> "Told":
        return cls(claim.run_id, worker=worker, fence=claim.fence, seq=claim.seq, head=claim.hash)

    def copy(self) -> "Told":
        """The same holder, with the same knowledge."""
        return Told(self.run_id, worker=self.worker, fence=self.fence, seq=self.seq, head=self.head)

    def begins(self, *, flow_id: str = "orders", version: str = "v1", **more: Any) -> Slice:
        """Its birth; `parent` and what else a birth tells are for the birth."""
        told = ("namespace", "trigger", "replay_of", "depth", "dedupe", "delivery", "ticket")
        own = {name: more.pop(name) for name in told if name in more}
        parent = more.pop("parent", None)
        birth = Birth(flow_id=flow_id, version=version, created_at=NOW, parent_run_id=parent, **own)
        return self.goes_on(birth=birth, **more)

    def goes_on(
        self,
        count: int = 1,
        *,
        status: RunStatus = RunStatus.RUNNING,
        at: int = NOW,
        error: str | None = None,
        note: str = "",
        **more: Any,
    ) -> Slice:
        """A slice with the next events; the run's teller takes it for written."""
        rows = journal(self.run_id, self.seq + 1, count, fence=self.fence, previous=self.head, note=note)
        ended_at = at if status in FINAL else None
        told = Slice(
            run_id=self.run_id,
            worker=self.worker,
            fence=self.fence,
            first=self.seq + 1,
            events=rows,
            standing=Standing(status=status, updated_at=at, ended_at=ended_at, error=error),
            **more,
        )
        if rows:
            self.seq, self.head = rows[-1].seq, rows[-1].hash
        return told

    def waits(self, due_at: int | None = None, **more: Any) -> Slice:
        """It is given back."""
        return self.goes_on(status=RunStatus.WAITING, release=Release(due_at=due_at, **more))

    def says(self, **more: Any) -> Slice:
        """A slice without events."""
        return Slice(
            run_id=self.run_id,
            worker=self.worker,
            fence=self.fence,
            first=self.seq + 1,
            events=(),
            standing=None,
            **more,
        )

    def ends(self, status: RunStatus = RunStatus.SUCCEEDED, **more: Any) -> Slice:
        return self.goes_on(status=status, **more)

    def at(self, step_id: str, status: str = "running", **more: Any) -> ActivationRow:
        """Where one of its steps stands after the next event."""
        given: dict[str, Any] = {"scope": "/", "attempt": 1, "seq": self.seq + 1, **more}
        return ActivationRow(run_id=self.run_id, step_id=step_id, status=status, **given)

    def asks(self, wait_id: str, **more: Any) -> WaitRow:
        """It waits for an approval."""
        given: dict[str, Any] = {
            "step_id": "ask", "scope": "/", "kind": "approval", "name": "", "correlation": None, "title": "May I?",
            "ask": '{"kind":"approval"}', "created_at": NOW, "expires_at": None, **more,
        }  # fmt: skip
        return WaitRow(wait_id=wait_id, run_id=self.run_id, **given)

    def calls(self, key: str, status: str = "started", **more: Any) -> EffectRow:
        """What is known of a call after the next event; one that has started did so at `NOW`."""
        given: dict[str, Any] = {
            "step_id": "pay", "scope": "/", "name": "charge", "ordinal": 0, "effect": "at_most_once", "attempt": 1,
            "seq": self.seq + 1, "started_at": NOW if status == "started" else None, **more,
        }  # fmt: skip
        return EffectRow(key=key, run_id=self.run_id, status=status, **given)

    def reports(self, data: str, **more: Any) -> ProgressRow:
        given: dict[str, Any] = {"step_id": "load", "scope": "/", "attempt": 1, "at": NOW, **more}
        return ProgressRow(run_id=self.run_id, data=data, **given)

    def undoes(self, step_id: str, status: str = "started", **more: Any) -> CompensationRow:
        """Where the undoing of a step stands after the next event; one that is over ended at `NOW`."""
        its = {"started_at": NOW} if status == "started" else {"ended_at": NOW}
        given: dict[str, Any] = {"scope": "/", "seq": self.seq + 1, **its, **more}
        return CompensationRow(run_id=self.run_id, step_id=step_id, status=status, **given)


def message(run_id: str, key: str, **its: Any) -> Message:
    return Message(run_id=run_id, kind="signal", key=key, body=its)


def key(name: str, payload: str = "p1", expires_at: int = NOW * 2) -> Dedupe:
    return Dedupe(key=name, payload_hash=payload, expires_at=expires_at)


async def commit(store: Store, *slices: Slice) -> Verdict:
    """What became of the last of these slices."""
    return (await store.commit(slices))[-1]


async def accepted(store: Store, *slices: Slice) -> list[int]:
    """How many runs each of these slices woke; every one must be committed."""
    verdicts = await store.commit(slices)
    committed = [each for each in verdicts if isinstance(each, Committed)]
    assert len(committed) == len(slices), verdicts
    return [each.woken for each in committed]


async def refused(store: Store, told: Slice) -> str:
    """Why this slice was refused."""
    verdict = await commit(store, told)
    assert isinstance(verdict, Stale), verdict
    return verdict.reason


async def enlisted(store: Store, *workers: str) -> None:
    for worker in workers:
        await store.enlist(worker, LEASE_SECONDS, host="here", pid=1)


async def claimed(store: Store, worker: str, most: int = 100, *, alone: bool = False) -> list[Claim]:
    return await store.claim(worker, most, alone=alone)


async def takes(store: Store, worker: str, run_id: str, *, alone: bool = False) -> Told:
    """This worker claims what is due, and this run is all there is."""
    (claim,) = await claimed(store, worker, alone=alone)
    assert claim.run_id == run_id
    return Told.of(claim, worker)


async def due(store: Store, *run_ids: str) -> None:
    """Runs that are new, and that nobody holds."""
    await accepted(store, *(Told(each, worker=None, fence=0).begins() for each in run_ids))


async def renewed(store: Store, worker: str, seconds: float) -> float:
    """What was left of the lease, in seconds."""

    def renew() -> float:
        renewer = store.renewer()
        try:
            return renewer.renew(worker, seconds)
        finally:
            renewer.close()

    return await asyncio.to_thread(renew)


async def lets_expire(store: Store, worker: str) -> None:
    """The worker's lease comes to its end."""
    await renewed(store, worker, 0.001)

    async def is_over() -> bool:
        left = {each.worker: each.lease_ms for each in await store.workers()}
        return left.get(worker, 0) <= 0

    await until(is_over)


async def crashes(store: Store, told: Told) -> None:
    """The run's holder dies."""
    assert told.worker is not None
    await lets_expire(store, told.worker)


async def until(condition: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer that is true."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await condition()
            if answer:
                return answer
            await asyncio.sleep(0.01)


NOTHING: tuple[object, ...] = (None, [], [], [], [], [], [], [], None)
"""What `everything` says of a run that is not there."""


async def everything(store: Store, run_id: str) -> tuple[object, ...]:
    """All that the store keeps of a run."""
    return (
        await store.run(run_id),
        await store.events(run_id),
        await store.activations(run_id),
        await store.waits(WaitFilter(open=None, run_id=run_id)),
        await store.effects(EffectFilter(run_id=run_id)),
        await store.progress(run_id),
        await store.compensations(run_id),
        await store.waiting_messages([run_id]),
        await store.dead_letter(run_id),
    )


@contextmanager
def beside(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a SQLite file that is not the store's."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


class Clock:
    """Stands still until it is set."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at
