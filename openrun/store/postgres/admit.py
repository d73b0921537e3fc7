"""Admitting runs that wait in lanes: by one worker at a time, which waits for no run and no lane.

Whoever commits locks runs in order, then lanes in order, then pools, and waits for each. Whoever admits begins with
lanes: it takes what is free and leaves the rest ready, so that no two ever wait for each other. What it does not see,
because it is not committed yet, makes its lane ready once it is: whoever does that waits for the lane first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from openrun.store.admission import QUEUED, Admission, LaneState, Waiting, cancel_message, decide, shares
from openrun.store.postgres.gather import columns, gather
from openrun.store.postgres.ledger import Ledger
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.record import record
from openrun.store.postgres.tickets import rules_of
from openrun.store.tickets import LaneRules

ADMITTING = 7_736_311_982_041_660_515
"""The lock of whoever admits: any number, as long as nobody else uses it for something else."""
_ROUNDS = 2
_LANES = 64
_RUNS = 50
"""Bounds of one claim: so many rounds of so many lanes, and so many runs of each."""
_SETTLED = ("lane", "ready_at", "blocked", "burst_at", "served", "rested_ms")


class Pool(msgspec.Struct, kw_only=True):
    """All lanes of a flow, as they stand while they are looked at."""

    pool: str
    total: int | None
    turns: int
    running: int
    unseen: bool = False
    """Some of its lanes that wait for room were not looked at, and may have to be."""

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
    rules: str
    served: int
    burst_at: int | None
    running: int
    told: int
    oldest: tuple[str, ...]
    started: int
    first_start: int | None
    run_ids: tuple[str, ...]
    turns: tuple[int, ...]
    queued_ats: tuple[int, ...]
    newest: str | None
    newest_turn: int | None
    newest_at: int | None

    def state(self, rules: LaneRules, pool: Pool, most: int) -> LaneState:
        queue = [
            Waiting(run_id=run_id, turn=turn, queued_at=at)
            for run_id, turn, at in zip(self.run_ids, self.turns, self.queued_ats, strict=True)
        ]
        return LaneState(
            flow_id=self.flow_id,
            key=self.key,
            rules=rules,
            running=self.running,
            told=self.told,
            oldest=self.oldest,
            pool_running=pool.running,
            started=self.started,
            first_start=self.first_start,
            waiting=tuple(queue[:most]),
            more=len(queue) > most,
            newest=self._newest(),
            burst_at=self.burst_at,
        )

    def _newest(self) -> Waiting | None:
        if self.newest is None or self.newest_turn is None or self.newest_at is None:
            return None
        return Waiting(run_id=self.newest, turn=self.newest_turn, queued_at=self.newest_at)


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What is done in a lane; `served` is None when it had no turn."""

    lane: Lane
    rules: LaneRules
    its: Admission
    served: int | None

    @property
    def run_ids(self) -> list[str]:
        """All runs that it is about."""
        return [*self.its.admit, *(run_id for run_id, _ in (*self.its.cancel, *self.its.make_room))]

    def without(self, busy: set[str], now: int) -> "Decided":
        """What can be done now; the lane is looked at again for the sake of those that somebody is busy with."""
        if busy.isdisjoint(self.run_ids):
            return self
        its = replace(
            self.its,
            admit=tuple(each for each in self.its.admit if each not in busy),
            cancel=tuple(each for each in self.its.cancel if each[0] not in busy),
            make_room=tuple(each for each in self.its.make_room if each[0] not in busy),
            ready_at=now,
            blocked=False,
            burst_at=self.lane.burst_at,
        )
        return replace(self, its=its)


async def admit(connection: Connection, now: int, most: int) -> int:
    """Admit what may start and turn away what may not; how many runs may be due by that.

    To be called in a pipeline, in a transaction that holds the lock `ADMITTING`.
    """
    due, most = 0, max(2, min(_RUNS, most))
    for _ in range(_ROUNDS):
        ready = await _ask(connection, "ready_lanes", now=now, most=_LANES)
        if not ready:
            break
        pools = await _pools(connection, {pool for _, pool in ready})
        blocked = await _blocked(connection, pools)
        lanes = [*dict.fromkeys([*(lane for lane, _ in ready), *blocked])]
        states = await _ask(connection, "lane_states", lanes=lanes, now=now, most=most + 1)
        decided = _decide(as_rows(Lane, states), pools, now, most)
        due += await _write(connection, decided, now)
        turns = [(each.pool, each.turns) for each in pools.values()]
        await connection.execute(sql("settle_pools"), columns(("pool", "turns"), turns))
    return due


async def _pools(connection: Connection, names: Iterable[str]) -> Mapping[str, Pool]:
    rows = await _ask(connection, "pool_states", pools=sorted(names))
    return {row[0]: Pool(pool=row[0], total=row[1], turns=row[2], running=row[3]) for row in rows}


async def _blocked(connection: Connection, pools: Mapping[str, Pool]) -> list[str]:
    """Lanes that wait for room in these pools, as many as there is room for."""
    roomy = [(each.pool, min(each.room, _LANES)) for each in pools.values() if each.room]
    if not roomy:
        return []
    found = await _ask(connection, "blocked_lanes", **columns(("pool", "room"), roomy))
    if not found:
        return []
    free = {lane for (lane,) in await _ask(connection, "seize_lanes", lanes=[lane for lane, _ in found])}
    counted = Counter(pool for _, pool in found)
    for lane, pool in found:
        pools[pool].unseen |= lane not in free or counted[pool] >= min(pools[pool].room, _LANES)
    return [lane for lane, _ in found if lane in free]


def _decide(lanes: Sequence[Lane], pools: Mapping[str, Pool], now: int, most: int) -> list[Decided]:
    waiting = Counter(each.pool for each in lanes if each.run_ids)
    share = {
        name: most if its.total is None else min(most, shares(its.room, waiting[name]))
        for name, its in pools.items()
    }
    decided = []
    for each in lanes:
        pool = pools[each.pool]
        rules = rules_of(each.rules, pool.total)
        its = decide(each.state(rules, pool, most), now, share[each.pool])
        pool.running += len(its.admit)
        pool.turns += bool(its.admit)
        decided.append(Decided(lane=each, rules=rules, its=its, served=pool.turns if its.admit else None))
    return [_again(each, pools[each.lane.pool], now) for each in decided]


def _again(each: Decided, pool: Pool, now: int) -> Decided:
    """Nobody may wait for room that is there: one of a pool's lanes is looked at again for the sake of those unseen."""
    if not (pool.unseen and pool.room):
        return each
    pool.unseen = False
    return replace(each, its=replace(each.its, ready_at=now))


async def _write(connection: Connection, decided: Sequence[Decided], now: int) -> int:
    """How many runs may be due by it."""
    asked = sorted({run_id for each in decided for run_id in each.run_ids})
    if asked:
        busy = {*asked} - await _seized(
            connection, asked, {run_id for each in decided for run_id in each.its.admit}
        )
        decided = [each.without(busy, now) for each in decided]
    admitted = [run_id for each in decided for run_id in each.its.admit]
    if admitted:
        await connection.execute(sql("admit"), {"run_ids": admitted, "now": now})
    await _keep_rates(connection, [each for each in decided if each.rules.rate is not None], now)
    away = [pair for each in decided for pair in each.its.cancel]
    told = [pair for each in decided for pair in each.its.make_room]
    if told:
        await connection.execute(sql("tell_running"), {"run_ids": [run_id for run_id, _ in told]})
    await _cancel(connection, [*away, *told])
    settled = columns(_SETTLED, (_settled(each) for each in decided))
    await connection.execute(sql("settle_lanes"), {**settled, "now": now})
    await connection.execute(sql("remove_idle_lanes"), {"now": now, "most": _LANES})
    return len(admitted) + len(away) + len(told)


async def _seized(connection: Connection, run_ids: Sequence[str], admitted: set[str]) -> set[str]:
    """Those that nobody else is busy with, and that are what they were taken for."""
    rows = await _ask(connection, "seize_runs", run_ids=run_ids)
    return {
        run_id
        for run_id, hold, ended in rows
        if not ended and (run_id not in admitted or (hold is not None and hold.startswith(QUEUED)))
    }


async def _cancel(connection: Connection, those: Sequence[tuple[str, str]]) -> None:
    if those:
        messages = [cancel_message(run_id, reason) for run_id, reason in those]
        ledger = Ledger(await gather(connection, (), messages))
        for each in messages:
            ledger.post(each)
        await record(connection, ledger)


async def _keep_rates(connection: Connection, decided: Sequence[Decided], now: int) -> None:
    rows = [(each.lane.lane, run_id) for each in decided for run_id in each.its.admit]
    if rows:
        await connection.execute(sql("add_admissions"), {**columns(("lane", "run_id"), rows), "now": now})
    if decided:
        over = [(each.lane.lane, now - each.rules.period_ms) for each in decided]
        await connection.execute(sql("prune_admissions"), columns(("lane", "since"), over))


def _settled(each: Decided) -> tuple[Any, ...]:
    rested_ms = 0 if each.rules.rate is None else each.rules.period_ms
    return each.lane.lane, each.its.ready_at, each.its.blocked, each.its.burst_at, each.served, rested_ms


async def _ask(connection: Connection, name: str, **asked: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(sql(name), asked)).fetchall()
