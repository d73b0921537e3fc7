"""Chaos: kills processes at random moments, puts new ones in their place, and waits for the dust to settle."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.board import Board, Cell, Phase
from tests.chaos.crowd import Crowd
from tests.chaos.starts import Account
from tests.chaos.witness import watch
from tests.chaos.worker import LEASE, Break, Job, take_in, work

WORKER, INTAKE, WITNESS = "worker", "intake", "witness"
ACKNOWLEDGING = "acknowledging"
_MOST_PROCESSES = 20_000
_STOPS_PER_KILL = 0.4
_BETRAYALS_PER_KILL = 0.1
_ENOUGH = 100
_START_SECONDS = 20.0
_LONGEST_BACK_OFF = 0.5
_SETTLE_SECONDS = 2 * LEASE + _LONGEST_BACK_OFF + 30.0
_LEAVE_SECONDS = 20.0
_ACK_SECONDS = 0.25
_TICK = 0.0005
_TOLD_KILLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen."""

    store: str
    kills: int
    steps: int
    workers: int
    seed: int
    interval: float
    """Seconds between two blows, on average."""
    broken: Break | None


@dataclass
class Havoc:
    """What has happened."""

    kills: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    processes: int = 0
    commits: int = 0
    seconds: float = 0.0
    settled_after: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return self.kills.total()


class Monkey:
    """Has a store worked on, and hits those who do."""

    def __init__(self, plan: Plan, room: Path) -> None:
        self._plan = plan
        self._room = room
        self._dice = Random(plan.seed)  # noqa: S311
        self._board = Board(_MOST_PROCESSES)
        self._crowd = Crowd(room / "errors")
        self._account = Account(room / "account")
        self._job = Job(
            store=plan.store,
            account=room / "account",
            log=room / "log",
            broken=plan.broken,
            most=15 * plan.workers,
        )
        self._stopped: dict[int, float] = {}
        """Processes that sleep, and until when."""
        self._told = 0
        self.havoc = Havoc()

    def rage(self) -> Havoc:
        """Everything from the first process to the last."""
        begun = time.monotonic()
        try:
            self._begin()
            while self._has_more_to_do():
                self._tell(begun)
                self._wait(self._dice.expovariate(1 / self._plan.interval))
                self._strike()
                self._fill_up()
            self._settle()
            self._leave()
        finally:
            self._crowd.kill_all()
        self.havoc.seconds = time.monotonic() - begun
        self.havoc.commits = self._board.commits
        self._look_at_the_dead()
        return self.havoc

    def _tell(self, begun: float) -> None:
        if self.havoc.killed >= self._told + _TOLD_KILLS:
            self._told = self.havoc.killed
            seconds, steps = time.monotonic() - begun, self._board[Cell.STEPS]
            sys.stdout.write(f"{self._told} kills, {steps} steps, {seconds:.0f} s\n")

    def _has_more_to_do(self) -> bool:
        havoc, plan = self.havoc, self._plan
        stops = min(_ENOUGH, plan.kills * _STOPS_PER_KILL)
        betrayals = min(_ENOUGH, plan.kills * _BETRAYALS_PER_KILL)
        return (
            havoc.killed < plan.kills
            or havoc.stops < stops
            or havoc.kills[ACKNOWLEDGING] < betrayals
            or self._board[Cell.STEPS] < plan.steps
        )

    # -- blows ------------------------------------------------------------------------------------

    def _strike(self) -> None:
        luck = self._dice.random()
        if luck < 0.35:
            self._stop()
        elif luck < 0.5:
            self._kill_who_acknowledges()
        else:
            self._kill_any(INTAKE if luck < 0.55 else WORKER)

    def _kill_any(self, name: str) -> None:
        """Sleepers are mostly spared: they do their harm when they wake."""
        spare = self._dice.random() < 0.9
        found = [pid for pid in self._crowd.named(name) if not (spare and pid in self._stopped)]
        if found:
            self._kill(self._dice.choice(found), name)

    def _kill(self, pid: int, why: str) -> None:
        self._crowd.kill(pid)
        self._stopped.pop(pid, None)
        self.havoc.kills[why] += 1

    def _kill_who_acknowledges(self) -> None:
        """The moment after a promise is the worst one to die."""
        size, end = self._account.size, time.monotonic() + _ACK_SECONDS
        while time.monotonic() < end:
            pid = self._account.acknowledger(size) if self._account.size > size else None
            if pid is not None and pid in (*self._crowd.named(WORKER), *self._crowd.named(INTAKE)):
                self._kill(pid, ACKNOWLEDGING)
                return
            time.sleep(_TICK)

    def _stop(self) -> None:
        """Let a worker sleep longer than its lease; it comes back as a zombie, if it lives so long."""
        awake = [pid for pid in self._crowd.named(WORKER) if pid not in self._stopped]
        if len(awake) > 1:
            pid = self._dice.choice(awake)
            self._crowd.stop(pid)
            self._stopped[pid] = time.monotonic() + LEASE * self._dice.uniform(1.0, 1.8)
            self.havoc.stops += 1

    # -- order ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._fork(WITNESS, lambda _: watch(self._plan.store, self._room, self._board, self._plan.seed))
        self._until(lambda: self._board[Cell.LOOKS] > 0, _START_SECONDS, "the witness does not start")
        self._fill_up()

    def _fill_up(self) -> None:
        if not self._crowd.named(WITNESS):
            raise RuntimeError(f"the witness is gone: {self._crowd.ended}; see {self._room / 'errors'}")
        for _ in range(self._plan.workers - len(self._crowd.named(WORKER))):
            self._fork(WORKER, lambda number: work(self._job, self._board, number))
        if not self._crowd.named(INTAKE):
            self._fork(INTAKE, lambda number: take_in(self._job, self._board, number))

    def _fork(self, name: str, live: Callable[[int], None]) -> None:
        number = self.havoc.processes
        self.havoc.processes += 1
        self._crowd.fork(name, lambda: live(number))

    def _wait(self, seconds: float) -> None:
        """Sleep, and wake the sleepers whose time has come."""
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            # The worst moment for a zombie to wake is when its runs have just been taken from it.
            robbed = self._board[Cell.ROBBED]
            for pid in [pid for pid, until in self._stopped.items() if until <= now or pid == robbed]:
                del self._stopped[pid]
                self._crowd.go_on(pid)
            if now >= end:
                return
            time.sleep(min(0.01, end - now))

    def _settle(self) -> None:
        """No more blows: everything that was started ends."""
        begun = time.monotonic()
        self._board[Cell.PHASE] = Phase.SETTLE
        for pid in self._stopped:
            self._crowd.go_on(pid)
        looks = self._board[Cell.LOOKS] + 2
        self._until(
            lambda: self._board[Cell.LOOKS] > looks and self._board[Cell.OPEN] == 0,
            _SETTLE_SECONDS,
            "runs are stuck",
        )
        self.havoc.settled_after = time.monotonic() - begun

    def _leave(self) -> None:
        self._board[Cell.PHASE] = Phase.LEAVE
        self._until(lambda: self._crowd.living == 0, _LEAVE_SECONDS, "processes do not leave when told to")

    def _until(self, holds: Callable[[], bool], seconds: float, or_else: str) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                self.havoc.violations.append(f"{or_else}, {seconds:.0f} s later")
                return
            self._crowd.reap()
            time.sleep(0.02)

    def _look_at_the_dead(self) -> None:
        """Nobody ends by itself but those who were told to, and no engine fault is hidden in a log."""
        for name, code in self._crowd.ended:
            if code:
                self.havoc.violations.append(
                    f"a process of the kind {name!r} ended by itself with code {code}"
                )
        errors = self._room / "errors"
        if errors.exists():
            self.havoc.violations += errors.read_text().splitlines()[-20:]
        log = self._room / "log"
        if log.exists():
            lines = log.read_text().splitlines()
            self.havoc.violations += [f"the log says {line}" for line in lines if " ERROR " in line][:20]
