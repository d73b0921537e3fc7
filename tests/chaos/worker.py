"""The processes that are killed: workers that also start runs, and intakes that only do that."""

import asyncio
import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from msgspec.structs import replace

from openrun.app import App
from openrun.core.events import Shown
from openrun.runtime.births import birth_of, unheld
from openrun.runtime.engine import started
from openrun.runtime.intake import Beginning, Begun, Intake
from openrun.runtime.worker import WorkerOptions
from openrun.store.postgres.draft import Draft
from openrun.store.postgres.ledger import Ledger
from openrun.store.rows import Slice, Stale, Verdict
from openrun.store.sqlite import judge
from tests.chaos.board import Board, Cell, Phase
from tests.chaos.starts import Account, start_runs

Break = Literal["fence", "ack"]
LEASE = 1.0
_TICK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a process is given."""

    store: str
    account: Path
    log: Path
    broken: Break | None
    most: int
    """Most runs that may be open."""


class HastyIntake(Intake):
    """Broken: says that a run was started before it is on disk."""

    _writes: ClassVar[set[asyncio.Task[Verdict]]] = set()

    async def begin(self, beginning: Beginning, show: Callable[[Shown], None]) -> Begun:
        worker = self._place.worker
        if worker is None or not worker.has_room:
            return await self.leave(beginning)
        its = beginning
        run = worker.bear(its.program, its.start, show, namespace=its.namespace, dedupe=its.dedupe)
        return Begun(run.run_id)

    async def leave(self, beginning: Beginning) -> Begun:
        place, its = self._place, beginning
        event = started(its.program, its.start, place.around.new_run_id(), place.clock.now())
        birth = birth_of(event, its.namespace, dedupe=its.dedupe, replay_of=its.replay_of)
        self._writes.add(asyncio.create_task(place.journal.write(unheld(event, birth))))
        return Begun(event.run_id)


class HastyApp(App):
    """An app with the broken intake."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._intake = HastyIntake(self)


def take_the_fence_out() -> None:
    """Break the stores in this process: whoever writes is taken for the holder, under the fence it says."""
    refusal, not_holding = judge._refusal, Ledger._not_holding

    def refuse(part: Slice, known: judge.Known | None, *, leased: bool) -> str | None:
        del leased
        held = known and replace(known, worker=part.worker, fence=part.fence)
        return refusal(part, held, leased=True)

    def refuse_in_postgres(self: Ledger, draft: Draft, piece: Slice) -> Stale | None:
        held = copy.copy(draft)
        held.worker, held.fence = piece.worker, piece.fence
        return not_holding(self, held, piece)

    judge._refusal = refuse
    Ledger._not_holding = refuse_in_postgres  # type: ignore[method-assign]
    Ledger._without_lease = lambda _self, _piece: None  # type: ignore[method-assign, assignment]


def work(job: Job, board: Board, number: int) -> None:
    """The life of a worker."""
    if job.broken == "fence":
        take_the_fence_out()
    asyncio.run(_live(job, board, number, work=True))


def take_in(job: Job, board: Board, number: int) -> None:
    """The life of an intake."""
    asyncio.run(_live(job, board, number, work=False))


async def _live(job: Job, board: Board, number: int, *, work: bool) -> None:
    logging.basicConfig(filename=job.log, format=f"{number} %(levelname)s %(name)s %(message)s")
    options = WorkerOptions(lease=LEASE, poll=0.05, listen=0.05, patience=0.3, missing_code=0.5)
    make = HastyApp if job.broken == "ack" else App
    allow = [f"127.0.0.1:{board[Cell.PORT]}"]
    async with make(job.store, work=work, options=options, allow=allow) as app:
        pause = 0.4 if work else 0.03
        starting = asyncio.create_task(
            start_runs(
                app, Account(job.account), board, most=job.most, pause=pause, keyed=job.broken != "ack"
            )
        )
        while board.phase is not Phase.LEAVE:
            board[Cell.COMMITS + number] = app.journal.commits
            if starting.done():
                starting.result()
            await asyncio.sleep(_TICK)
        await starting
        board[Cell.COMMITS + number] = app.journal.commits
