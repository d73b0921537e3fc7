"""Admitting runs that wait in lanes: a few statements for many lanes, and one when there is nothing to do."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from openrun.store.admission import Admission, LaneState, Waiting, cancel_message, decide, shares
from openrun.store.sqlite.connection import as_json, ask, tell
from openrun.store.sqlite.inbox import deliver
from openrun.store.tickets import LaneRules

_ROUNDS = 2
_LANES = 64
_RUNS = 50
"""Bounds of one claim: so many rounds of so many lanes, and so many runs of each."""


class Pool(msgspec.Struct, kw_only=True):
    """All lanes of a flow, as they stand while they are looked at."""

    pool: str
    total: int | None
    turns: int
    running: int

    @property
    def room(self) -> int:
        # Lanes may wait still for a total that was taken away.
        return _LANES if self.total is None else max(0, self.total - self.running)


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """A lane as the database tells it."""

    lane: str
    pool: str
    flow_id: str
    key: str
    rules: LaneRules
    served: int
    burst_at: int | None
    running: int
    told: int
    oldest: tuple[str, ...]
    started: int
    first_start: int | None
    waiting: tuple[Waiting, ...]
    newest: Waiting | None

    def state(self, pool: Pool, most: int) -> LaneState:
        return LaneState(
            flow_id=self.flow_id,
            key=self.key,
            rules=replace(self.rules, total=pool.total),
            running=self.running,
            told=self.told,
            oldest=self.oldest,
            pool_running=pool.running,
            started=self.started,
            first_start=self.first_start,
            waiting=self.waiting[:most],
            more=len(self.waiting) > most,
            newest=self.newest,
            burst_at=self.burst_at,
        )


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What is done in a lane; `served` is None when it had no turn."""

    lane: Lane
    its: Admission
    served: int | None


def admit(connection: sqlite3.Connection, now: int, most: int) -> None:
    """Admit what may start, turn away what may not, within a transaction; the more the caller wants, the more."""
    most = max(2, min(_RUNS, most))
    for _ in range(_ROUNDS):
        ready = ask(connection, "ready_lanes", list[tuple[str, str]], now=now, most=_LANES)
        if not ready:
            return
        _look_at(connection, ready, now, most)


def _look_at(connection: sqlite3.Connection, ready: Sequence[tuple[str, str]], now: int, most: int) -> None:
    asked = as_json(sorted({pool for _, pool in ready}))
    pools = {each.pool: each for each in ask(connection, "pool_states", list[Pool], rows=asked)}
    blocked = _blocked(connection, [each for each in pools.values() if each.room])
    served_before = [lane for pool, lanes in blocked.items() for lane in lanes[: pools[pool].room]]
    rows = as_json(list(dict.fromkeys([*(lane for lane, _ in ready), *served_before])))
    lanes = ask(connection, "lane_states", list[Lane], rows=rows, now=now, most=most + 1)
    decided = _decide(sorted(lanes, key=lambda each: (each.served, each.lane)), pools, now, most)
    _write(connection, decided, now)
    tell(connection, "settle_pools", rows=as_json([(each.pool, each.turns) for each in pools.values()]))
    # Nobody may wait for room that is there: those that were asked first may have had no use for it.
    roomy = [pool for pool in blocked if pools[pool].room]
    if roomy:
        tell(connection, "wake_lanes", rows=as_json(roomy), now=now, most=_LANES)


def _blocked(connection: sqlite3.Connection, pools: Iterable[Pool]) -> Mapping[str, list[str]]:
    """Lanes that wait for room in these pools, by pool, in the order in which it is their turn."""
    found: dict[str, list[str]] = {}
    rows = [each.pool for each in pools]
    if rows:
        lanes = ask(connection, "blocked_lanes", list[tuple[str, str]], rows=as_json(rows), most=_LANES)
        for lane, pool in lanes:
            found.setdefault(pool, []).append(lane)
    return found


def _decide(lanes: Sequence[Lane], pools: Mapping[str, Pool], now: int, most: int) -> list[Decided]:
    waiting = Counter(each.pool for each in lanes if each.waiting)
    share = {
        name: most if its.total is None else min(most, shares(its.room, waiting[name]))
        for name, its in pools.items()
    }
    decided = []
    for each in lanes:
        pool = pools[each.pool]
        its = decide(each.state(pool, most), now, share[each.pool])
        pool.running += len(its.admit)
        pool.turns += bool(its.admit)
        decided.append(Decided(lane=each, its=its, served=pool.turns if its.admit else None))
    return decided


def _write(connection: sqlite3.Connection, decided: Sequence[Decided], now: int) -> None:
    admitted = [run_id for each in decided for run_id in each.its.admit]
    if admitted:
        tell(connection, "admit", rows=as_json(admitted), now=now)
        tell(connection, "start_admitted", rows=as_json(admitted), now=now)
    _keep_rates(connection, [each for each in decided if each.lane.rules.rate is not None], now)
    asked = [pair for each in decided for pair in each.its.make_room]
    if asked:
        tell(connection, "tell_running", rows=as_json([run_id for run_id, _ in asked]))
    away = [pair for each in decided for pair in each.its.cancel]
    if away or asked:
        deliver(connection, [cancel_message(run_id, reason) for run_id, reason in (*away, *asked)], now)
    rows = [
        (each.lane.lane, each.its.ready_at, each.its.blocked, each.its.burst_at, each.served)
        for each in decided
    ]
    tell(connection, "settle_lanes", rows=as_json(rows), now=now)
    idle = ask(connection, "idle_lanes", list[str], now=now, most=_LANES)
    if idle:
        tell(connection, "remove_admissions", rows=as_json(idle))
        tell(connection, "remove_lanes", rows=as_json(idle))


def _keep_rates(connection: sqlite3.Connection, decided: Sequence[Decided], now: int) -> None:
    if not decided:
        return
    rows = [(each.lane.lane, run_id) for each in decided for run_id in each.its.admit]
    tell(connection, "add_admissions", rows=as_json(rows), now=now)
    over = [(each.lane.lane, now - each.lane.rules.period_ms) for each in decided]
    tell(connection, "prune_admissions", rows=as_json(over))
