"""What tickets cost in SQLite: nothing where there are none, and no more for however many that wait."""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from openrun.store.base import StoreError
from openrun.store.rows import Slice
from openrun.store.sqlite import SqliteStore
from openrun.store.tickets import LaneFilter, LaneRules, Ticket
from tests.store.given import LEASE_SECONDS, Told, accepted, beside, claimed, due, enlisted, takes

MANY = 100_000
CROWD = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)
INSERT INTO tickets (run_id, lane, pool, turn, queued_at, state)
SELECT :lane || i, :lane || iif(:each, i, ''), 'pool', i, i, 'queued' FROM n
"""
RUNS = """
INSERT INTO runs (
  run_id, flow_id, version, status, depth, created_at, updated_at, seq, bytes, hash, fence, hold
)
SELECT run_id, 'import', 'v1', 'running', 0, 0, 0, 1, 1, '', 0, 'queued: x' FROM tickets WHERE run_id GLOB :lane || '[0-9]*'
"""
LANES = """
INSERT INTO lanes (lane, pool, namespace, flow_id, key, rules, served, blocked)
SELECT lane, 'pool', 'default', 'import', lane, :rules, i, 1
FROM (SELECT lane, min(turn) AS i FROM tickets WHERE run_id GLOB :lane || '[0-9]*' GROUP BY lane)
WHERE true
ON CONFLICT (lane) DO NOTHING
"""


@pytest.fixture
def store(sqlite: SqliteStore) -> SqliteStore:
    return sqlite


def born(run_id: str, name: str, *, total: int | None = None) -> Slice:
    rules = LaneRules(limit=1, total=total)
    its = Ticket(lane=name, pool="pool", key=name, rules=rules)
    return Told(run_id, worker=None, fence=0).begins(flow_id="import", ticket=its)


def crowd(path: Path, many: int, lane: str, *, each: bool = False) -> None:
    """So many runs wait in a lane, or (`each`) one in each of so many lanes, which wait for room in their pool."""
    rules = '{"limit":1,"at_limit":"queue","period_ms":0}'
    with beside(path) as connection:
        connection.execute("BEGIN")
        connection.execute(CROWD, {"many": many, "lane": lane, "each": each})
        connection.execute(RUNS, {"lane": lane})
        connection.execute(LANES, {"rules": rules, "lane": lane})
        connection.execute("COMMIT")


async def effort(store: SqliteStore, work: Callable[[], Awaitable[object]]) -> int:
    """How many hundreds of steps SQLite's machine takes for it."""
    steps: list[None] = []
    await store._writer.run(lambda its: its.set_progress_handler(lambda: steps.append(None), 100))
    await work()
    await store._writer.run(lambda its: its.set_progress_handler(None, 0))
    return len(steps)


async def asked(store: SqliteStore, work: Callable[[], Awaitable[object]]) -> list[str]:
    """What the writer asks of SQLite for it, of what concerns tickets."""
    texts: list[str] = []
    await store._writer.run(lambda its: its.set_trace_callback(texts.append))
    await work()
    await store._writer.run(lambda its: its.set_trace_callback(None))
    return [
        each
        for each in texts
        if any(f" {table} " in f"{' '.join(each.split())} " for table in ("tickets", "lanes", "pools"))
    ]


async def test_runs_without_tickets_pay_one_question_for_a_batch(store: SqliteStore) -> None:
    await enlisted(store, "w1")
    tellers = [Told(f"r{number}") for number in range(5)]
    assert await asked(store, lambda: accepted(store, *(each.begins() for each in tellers))) == []
    assert await asked(store, lambda: accepted(store, *(each.goes_on() for each in tellers))) == []
    assert len(await asked(store, lambda: accepted(store, *(each.ends() for each in tellers)))) == 1
    await due(store, "r9")
    assert len(await asked(store, lambda: claimed(store, "w1"))) == 1


async def test_a_crowd_in_one_lane_holds_back_no_other(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("first", "crowd"))
    told = await takes(store, "w1", "first")

    async def other() -> None:
        await accepted(store, born(f"single{len(done)}", "single"))
        its = await takes(store, "w1", f"single{len(done)}")
        await accepted(store, its.ends())
        done.append(its)

    done: list[Told] = []
    alone = await effort(store, other)
    crowd(path, MANY, "crowd")
    assert await effort(store, other) <= 2 * alone
    # Nor is the crowd's own next one harder to find.
    await accepted(store, told.ends())
    assert await effort(store, lambda: takes(store, "w1", "crowd1")) <= 2 * alone
    assert await store.stray_tickets() == []


async def test_however_many_lanes_wait_for_room_one_is_found_at_once(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("first", "single", total=1))
    told = await takes(store, "w1", "first")
    crowd(path, 100, "few", each=True)
    await accepted(store, told.ends())
    few = await effort(store, lambda: takes(store, "w1", "few1"))
    crowd(path, MANY, "more", each=True)
    (held,) = await store.held_by("w1")
    last = Told("few1", worker="w1", fence=held.fence, seq=held.seq, head=held.hash)
    await accepted(store, last.ends())
    assert await effort(store, lambda: claimed(store, "w1")) <= 2 * few
    assert len(await store.held_by("w1")) == 1


async def test_a_claim_that_breaks_off_has_admitted_nobody(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a"), born("r2", "a"))
    with beside(path) as connection:
        connection.execute(
            "CREATE TRIGGER broken BEFORE UPDATE OF worker ON runs BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    for _ in range(3):
        with pytest.raises((StoreError, sqlite3.Error), match="broken"):
            await store.claim("w1", 10, alone=False)
    (row,) = await store.lanes(LaneFilter())
    assert (row.running, row.queued) == (0, 2)
    with beside(path) as connection:
        connection.execute("DROP TRIGGER broken")
    await takes(store, "w1", "r1")
    assert await store.stray_tickets() == []


async def test_a_ticket_that_has_lost_its_run_is_found(path: Path, store: SqliteStore) -> None:
    await store.enlist("w1", LEASE_SECONDS, host="here", pid=1)
    names = ["ended", "gone", "jumps", "lost", "odd", "well"]
    await accepted(store, *(born(each, each) for each in names))
    with beside(path) as connection:
        connection.execute("DELETE FROM runs WHERE run_id = 'gone'")
        connection.execute("UPDATE runs SET status = 'failed' WHERE run_id = 'ended'")
        connection.execute("UPDATE runs SET due_at = 1 WHERE run_id = 'jumps'")
        connection.execute("DELETE FROM tickets WHERE run_id = 'lost'")
        connection.execute("UPDATE tickets SET state = 'odd' WHERE run_id = 'odd'")
    assert await store.stray_tickets() == names[:-1]
    assert await store.stray_tickets(limit=2) == names[:2]


async def test_lanes_that_are_empty_go(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    for number in range(5):
        await accepted(store, born(f"r{number}", f"lane{number}"))
        told = await takes(store, "w1", f"r{number}")
        await accepted(store, told.ends())
    with beside(path) as connection:
        ((left,),) = connection.execute("SELECT count(*) FROM lanes").fetchall()
    assert left <= 1
