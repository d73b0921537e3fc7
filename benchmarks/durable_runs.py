"""Durable five-step pure runs, against plain inserts of as many rows of the same bytes, 100 to a transaction."""

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from benchmarks.durable_bed import (
    FIVE,
    IN_FLIGHT,
    NO_POSTGRES,
    Ends,
    five_steps,
    in_turns,
    median_ratio,
    postgres,
    rate,
)
from benchmarks.measure import row
from openrun.app import App
from openrun.runtime.ids import uuid7
from openrun.store.rows import EventRow

_RUNS = 2_000
_ALONE = 200
_ROUNDS = 5
_GROUP = 100
_COLUMNS = "run_id text NOT NULL, seq integer NOT NULL, fence integer NOT NULL, hash text NOT NULL, body text NOT NULL"
_TABLE = f"CREATE TABLE ceiling ({_COLUMNS}, PRIMARY KEY (run_id, seq))"
_UNNEST = """
INSERT INTO ceiling SELECT *
FROM unnest(%b::text[], %b::integer[], %b::integer[], %b::text[], %b::text[])
"""
Group = list[tuple[str, int, int, str, str]]
Insert = Callable[[Group], None]
"""Writes a group of rows as one durable transaction."""


async def measure() -> list[str]:
    """On SQLite with `synchronous = FULL`, and on Postgres with fsync and synchronous_commit on."""
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as home:
        lines = await _on_sqlite(Path(home))
    with postgres() as server:
        if server is None:
            return [*lines, NO_POSTGRES]
        return [*lines, *await _on_postgres(server.create_database())]


async def _on_sqlite(home: Path) -> list[str]:
    bare = sqlite3.connect(home / "ceiling.db", isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
        bare.execute(f"PRAGMA {setting}")
    bare.execute(f"{_TABLE} STRICT, WITHOUT ROWID")

    def insert(group: Group) -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany("INSERT INTO ceiling VALUES (?, ?, ?, ?, ?)", group)
        bare.execute("COMMIT")

    try:
        return await _against("SQLite", str(home / "openrun.db"), insert)
    finally:
        bare.close()


async def _on_postgres(url: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as bare:
        bare.execute(_TABLE)

        def insert(group: Group) -> None:
            bare.execute(_UNNEST, [list(column) for column in zip(*group, strict=True)])

        return await _against("Postgres", url, insert)


async def _against(name: str, store: str, insert: Insert) -> list[str]:
    async with App(store, flows=[five_steps()]) as app:
        ends = Ends(app)

        async def one() -> None:
            await ends.of((await app.start(FIVE)).run_id)

        await one()
        sample = await app.store.events((await app.store.find("", 1))[0])

        async def ours() -> float:
            return await rate(one, _RUNS)

        async def ceiling() -> float:
            return _inserted(sample, insert)

        before = app.journal.commits
        theirs, mine = await in_turns(ceiling, ours, rounds=_ROUNDS)
        together = (app.journal.commits - before) / (_RUNS * (_ROUNDS + 1))
        before = app.journal.commits
        lonely = await rate(one, _ALONE, in_flight=1)
        alone = (app.journal.commits - before) / _ALONE
    share = median_ratio(mine, theirs)
    rates = f"{share:.1%} ({statistics.median(mine):,.0f}/{statistics.median(theirs):,.0f} a s)"
    what = f"{name}: five-step runs, {IN_FLIGHT} in flight / rows inserted"
    return [
        row(what, rates, ">= 15 %", held=share >= 0.15),
        row(
            f"{name}: commits a run, {IN_FLIGHT} in flight", f"{together:.2f}", "<= 0.5", held=together <= 0.5
        ),
        row(
            f"{name}: commits a run, alone", f"{alone:.2f} ({lonely:,.0f} runs a s)", "<= 3", held=alone <= 3
        ),
    ]


def _inserted(sample: Sequence[EventRow], insert: Insert) -> float:
    """Runs per second whose rows, made beforehand, are inserted in groups."""
    ids = [uuid7() for _ in range(_RUNS)]
    rows = [
        (run_id, each.seq, each.fence, each.hash, each.body.replace(each.run_id, run_id))
        for run_id in ids
        for each in sample
    ]
    groups = [rows[at : at + _GROUP] for at in range(0, len(rows), _GROUP)]
    begun = time.perf_counter()
    for group in groups:
        insert(group)
    return _RUNS / (time.perf_counter() - begun)
