"""What a worker does while it works: which runs it takes and how they leave it, and whether it is done."""

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import IO

from openrun.cli.text import clean, count, safe_json
from openrun.cli.wording import clock_time, error_in_words
from openrun.core.events import FlowCompleted
from openrun.core.outstanding import standing
from openrun.core.types import Json, RunStatus
from openrun.runtime.held import HeldRun, Left
from openrun.runtime.secrets import Redactor
from openrun.runtime.worker import Worker
from openrun.store.base import Store, StoreUnavailable

_SOON_MS = 5_000
_IGNORED_MS = 1_500
_REMEMBERED = 1_000


class Shift:
    """Tells of each run that a worker takes and lets go, a line each."""

    def __init__(self, out: IO[str], redactor: Redactor, *, as_json: bool) -> None:
        self._out = out
        self._redactor = redactor
        self._as_json = as_json
        self._worker: Worker | None = None
        self._known: set[str] = set()
        self._lines: list[tuple[str, dict[str, Json]]] = []
        """What is yet to be written: a worker's callback is no place for an output that may fail."""
        self._ended = 0
        self._back = 0

    def begin(self, worker: Worker, store: str) -> None:
        """Watch this worker from now on."""
        self._worker = worker
        before = worker.on_left

        def left(run: HeldRun, how: Left) -> None:
            before(run, how)
            self._left(run, how)

        worker.on_left = left
        self._add(f"worker {worker.name} on {store}", type="worker_started", worker=worker.name, store=store)

    def tell(self) -> None:
        """Write what has happened since. Raises OSError when nobody reads any more."""
        if self._worker is not None:
            for run in list(self._worker.held.values()):
                self._taken(run)
        lines, self._lines = self._lines, []
        for words, fields in lines:
            self._out.write(
                (safe_json(json.dumps(fields, ensure_ascii=False)) if self._as_json else words) + "\n"
            )
        self._out.flush()

    def end(self) -> None:
        """Write the rest and say what came of it all."""
        words = f"stopped: {count(self._ended, 'run')} ended, {self._back:,} handed back"
        self._add(words, type="worker_stopped", ended=self._ended, handed_back=self._back)
        self.tell()

    def _taken(self, run: HeldRun) -> None:
        if run.run_id not in self._known:
            self._known.add(run.run_id)
            self._say(run, "taken", type="run_taken")

    def _left(self, run: HeldRun, left: Left) -> None:
        if left.duplicate is not None:
            return
        self._taken(run)
        self._known.discard(run.run_id)
        if left.end is not None:
            self._ended += 1
            self._say(run, self._end_in_words(left.end), type="run_ended", status=left.end.status.value)
        elif left.lost is None and left.fault is None:
            self._given_back(run)
        else:
            why = self._redactor.masked(str(left.lost or left.fault))
            self._say(run, f"lost: {clean(why)}", type="run_lost", reason=why)

    def _given_back(self, run: HeldRun) -> None:
        status = standing(run.driver.machine)
        if status in (RunStatus.PENDING, RunStatus.RUNNING):
            self._back += 1
            self._say(run, "handed back", type="run_left", status=status.value, due=None)
            return
        due = run.driver.due()
        until = "" if due is None else f" until {clock_time(due)}"
        words = f"left {status.value.replace('_', ' ')}{until}"
        self._say(run, words, type="run_left", status=status.value, due=due and due.isoformat())

    def _end_in_words(self, end: FlowCompleted) -> str:
        errors = [failure.error for failure in end.failures if not failure.handled]
        told = f": {error_in_words(self._redactor.masked(errors[0]))}" if errors else ""
        return f"{end.status.value}{told}"

    def _say(self, run: HeldRun, words: str, **fields: Json) -> None:
        flow = run.program.flow_id
        self._add(f"{run.run_id}  {clean(flow, 40)}  {words}", run_id=run.run_id, flow_id=flow, **fields)

    def _add(self, words: str, **fields: Json) -> None:
        now = datetime.now().astimezone()
        self._lines.append((f"{now:%H:%M:%S}  {words}", {"timestamp": now.isoformat(), **fields}))


class Drained:
    """Whether a worker has done what there is to do, in a store that others may use too."""

    def __init__(self, store: Store, worker: Worker) -> None:
        self._store = store
        self._worker = worker
        self._leases: dict[str, int] = {}
        """What was left of others' leases when they were last looked at."""
        self._alive: set[str] = set()
        self._due = (0, 0)
        """When the next run is due, and since when that is known."""

    async def check(self) -> bool:
        """Nothing is held here, due or soon due, or soon admitted, and whoever else holds runs is alive.

        What has been due for a while and was not taken is not for this worker: it lacks the code.
        """
        if not self._worker.idle:
            return False
        try:
            # Who waits in a lane is admitted before it is due: looked at first, it cannot slip through between both.
            admission = await self._store.next_admission()
            due, now = await self._store.next_due(), await self._store.now()
            if self._expects(due, now) or (admission is not None and admission < now + _SOON_MS):
                return False
            return await self._others_are_alive()
        except StoreUnavailable:
            return False

    def _expects(self, due: int | None, now: int) -> bool:
        """A run will be taken soon."""
        if due is None or due >= now + _SOON_MS:
            return False
        if due != self._due[0]:
            self._due = (due, now)
        return now - max(self._due) < _IGNORED_MS

    async def _others_are_alive(self) -> bool:
        """A lease that has been renewed shows it; one that is not runs out, and its runs become ours."""
        alive = True
        for row in await self._store.workers():
            if row.runs == 0:
                continue
            if row.worker == self._worker.name:
                return False
            if row.lease_ms > self._leases.get(row.worker, row.lease_ms):
                self._alive.add(row.worker)
            self._leases[row.worker] = row.lease_ms
            alive = alive and row.worker in self._alive
        return alive


@contextlib.contextmanager
def warnings_on_stderr(redactor: Redactor) -> Iterator[None]:
    """What the engine warns of goes to stderr, once each."""
    log = logging.getLogger("openrun")
    handler = _Warnings(redactor)
    propagates, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagates


class _Warnings(logging.Handler):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__(logging.WARNING)
        self._redactor = redactor
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        words = clean(self._redactor.masked(record.getMessage()), 1_000)
        if words in self._said:
            # A run that lacks code is looked at again every few seconds.
            return
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said.add(words)
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{record.levelname.lower()}: {words}\n")
            sys.stderr.flush()
