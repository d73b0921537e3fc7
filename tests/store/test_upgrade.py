"""Databases of older schemas are brought up to date with all that is in them."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.books import AuditFilter
from openrun.store.chain import GENESIS
from openrun.store.opening import open_store
from openrun.store.rows import (
    CompensationRow,
    DeadLetter,
    DeliveryFilter,
    Duplicate,
    EffectFilter,
    FlowRow,
    RunFilter,
    Tombstone,
    VersionRow,
    WaitFilter,
)
from openrun.store.schema import migrations
from openrun.store.sqlite import SqliteStore
from openrun.store.tickets import LaneFilter, LaneRules, Ticket
from tests.store.given import NOW, Told, accepted, commit, enlisted, journal, key, takes

Row = Mapping[str, Any]
(EVENT,) = journal("r1", 1, 1, fence=0, previous=GENESIS)


def run(run_id: str, status: str, **more: Any) -> Row:
    return {
        "run_id": run_id, "flow_id": "orders", "version": "v2", "status": status, "trigger": "cron", "depth": 0,
        "created_at": NOW, "updated_at": NOW, "seq": 1, "bytes": 9, "hash": EVENT.hash, "fence": 0, "crashes": 0, **more,
    }  # fmt: skip


def version(name: str, at: int) -> Row:
    return {"flow_id": "orders", "version": name, "name": "Orders", "document": "{}", "created_at": at}


# In the first schema; what only one kind of database has is told beside it.
FIRST: Mapping[str, tuple[Row, ...]] = {
    "versions": (version("v2", NOW), version("v1", NOW)),
    "flows": ({"flow_id": "orders", "version": "v2"},),
    "workers": ({"worker": "gone", "host": "there", "pid": 7},),
    "runs": (run("r1", "running", due_at=1), run("r2", "failed", ended_at=NOW, error="no", parent_run_id="r1")),
    "events": ({"run_id": "r1", "seq": 1, "fence": 0, "hash": EVENT.hash, "body": EVENT.body},),
    "activations": ({"run_id": "r1", "step_id": "a", "scope": "/", "status": "running", "attempt": 1, "seq": 1},),
    "inbox": ({"run_id": "r1", "key": "m1", "kind": "signal", "body": '{"a":1}'},),
    "dedupe": ({"payload_hash": "p1", "run_id": "r1", "expires_at": NOW * 2},),
    "dead_letters": (
        {"run_id": "r2", "flow_id": "orders", "error": "no", "failed_at": NOW, "replays": 2, "last_replay": "r1"},
    ),
    "tombstones": (
        {"run_id": "r0", "flow_id": "orders", "status": "succeeded", "events": 3, "hash": "f", "removed_at": NOW},
    ),
}  # fmt: skip
PLACE = {"place": b"0123456789abcdef"}
OWN: Mapping[str, Mapping[str, Row]] = {
    "sqlite": {"workers": {"lease_until": 1, "boot_id": "before"}, "dedupe": {"key": "once"}},
    "postgres": {
        "workers": {"lease_until": "2020-01-01Z"},
        "activations": PLACE,
        "inbox": PLACE,
        "compensations": PLACE,
        "waits": {"topic": PLACE["place"]},
    },
}
SECOND: Mapping[str, tuple[Row, ...]] = {
    "waits": (
        {"wait_id": "w1", "run_id": "r1", "step_id": "a", "scope": "/", "kind": "approval", "name": "", "ask": "{}", "created_at": NOW},
    ),
    "effects": (
        {"key": "k1", "run_id": "r1", "step_id": "a", "scope": "/", "name": "pay", "ordinal": 0, "effect": "at_most_once",
         "status": "started", "attempt": 1, "seq": 1, "started_at": NOW},
    ),
    "progress": ({"run_id": "r1", "step_id": "a", "scope": "/", "attempt": 1, "at": NOW, "data": "5"},),
    "compensations": (
        {"run_id": "r2", "step_id": "a", "scope": "/", "status": "failed", "seq": 1, "ended_at": NOW, "error": "no"},
    ),
}  # fmt: skip
THIRD: Mapping[str, tuple[Row, ...]] = {
    "deliveries": (
        {"run_id": "r1", "namespace": "default", "flow_id": "orders", "trigger": "hook", "received_at": NOW, "method": "POST",
         "path": "/", "digest": "d", "size": 1},
    ),
    "api_keys": (
        {"key_id": "k1", "namespace": "default", "name": "ada", "hash": "h1", "role": "admin", "created_at": NOW},
    ),
    "audit": (
        {"number": 1, "at": NOW, "namespace": "default", "actor": "ada", "actor_id": "k1", "role": "admin", "action": "a",
         "resource": "r", "status": 200, "request_id": "q", "details": "{}", "hash": "h"},
    ),
    "kept_answers": (
        {"scope": "s", "key": "a1", "request_hash": "h", "status": 200, "headers": "{}", "body": "yes", "expires_at": NOW * 2},
    ),
}  # fmt: skip


def statements(kind: str, schema: int, mark: str) -> list[tuple[str, list[Any]]]:
    """What puts the rows into a database of this kind and schema."""
    own = {**OWN[kind]}
    if kind == "postgres":
        own["dedupe"] = {"place": postgres_place("once")}
        own["kept_answers"] = {"place": postgres_place("s", "a1")}
    if schema > 2:
        own["flows"] = own["versions"] = {"namespace": "default"}
    found = []
    tables = {**FIRST, **(SECOND if schema > 1 else {}), **(THIRD if schema > 2 else {})}
    for table, rows in tables.items():
        for row in rows:
            filled = {**row, **own.get(table, {})}
            marks = ", ".join([mark] * len(filled))
            found.append((f"INSERT INTO {table} ({', '.join(filled)}) VALUES ({marks})", [*filled.values()]))  # noqa: S608
    return found


def postgres_place(*texts: str) -> bytes:
    from_postgres = pytest.importorskip("openrun.store.postgres.text")
    digest: bytes = from_postgres.place(*texts)
    return digest


def old_sqlite(path: Path, schema: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TABLE openrun_schema (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT"
        )
        for each in migrations("sqlite")[:schema]:
            connection.executescript(each.sql)
            connection.execute("INSERT INTO openrun_schema VALUES (?, ?, 0)", (each.number, each.name))
        for statement, values in statements("sqlite", schema, "?"):
            connection.execute(statement, values)
        tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        for (table,) in connection.execute(tables).fetchall():
            assert connection.execute(f"SELECT 1 FROM {table}").fetchone(), table  # noqa: S608


def old_postgres(url: str, schema: int) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE openrun_schema (number integer PRIMARY KEY, name text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        for each in migrations("postgres")[:schema]:
            connection.execute(each.sql)
            connection.execute(
                "INSERT INTO openrun_schema (number, name) VALUES (%s, %s)", (each.number, each.name)
            )
        for statement, values in statements("postgres", schema, "%s"):
            connection.execute(statement, values)


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], Store]:
    """Makes a database of this schema, with rows in all its tables, and the store over it, yet to be opened."""

    def make(schema: int) -> Store:
        if request.param == "sqlite":
            old_sqlite(tmp_path / "openrun.db", schema)
            return SqliteStore(tmp_path / "openrun.db")
        if find_spec("psycopg") is None:
            pytest.skip("NOT TESTED AGAINST POSTGRES: its driver is not installed")
        url = request.getfixturevalue("postgres_url")
        old_postgres(url, schema)
        return open_store(url)

    return make


@pytest.mark.parametrize("schema", [1, 2, 3])
async def test_an_older_database_is_upgraded_with_the_rows_in_it(
    old: Callable[[int], Store], schema: int
) -> None:
    store = old(schema)
    await store.open()
    await check_runs(store)
    await check_flows(store)
    if schema > 1:
        await check_belongings(store)
    if schema > 2:
        await check_books(store)
    await check_work(store)
    await check_automation(store)
    await store.close()


async def check_runs(store: Store) -> None:
    for namespace in (None, "default"):
        assert [each.run_id for each in await store.runs(RunFilter(namespace=namespace))] == ["r2", "r1"]
        failed = RunFilter(namespace=namespace, status=(RunStatus.FAILED,), flow_id="orders")
        assert [each.run_id for each in await store.runs(failed)] == ["r2"]
        assert await store.counts(namespace) == {"running": 1, "failed": 1}
        assert [each.run_id for each in await store.dead_letters(namespace=namespace)] == ["r2"]
    row = await store.run("r2")
    assert row is not None
    assert (row.namespace, row.trigger, row.parent_run_id, row.error) == ("default", "cron", "r1", "no")
    assert await store.events("r1") == [EVENT]
    assert [(each.step_id, each.attempt) for each in await store.activations("r1")] == [("a", 1)]
    assert [(each.key, each.body) for each in await store.waiting_messages(["r1"])] == [("m1", {"a": 1})]
    assert [(each.worker, each.host, each.pid) for each in await store.workers()] == [("gone", "there", 7)]
    assert await store.dead_letter("r2") == DeadLetter(
        run_id="r2", flow_id="orders", error="no", failed_at=NOW, replays=2, last_replay="r1"
    )
    assert await store.tombstone("r0") == Tombstone(
        run_id="r0", flow_id="orders", status=RunStatus.SUCCEEDED, events=3, hash="f", removed_at=NOW
    )


async def check_flows(store: Store) -> None:
    its: dict[str, Any] = {"flow_id": "orders", "name": "Orders", "created_at": NOW}
    assert await store.flows() == [FlowRow(namespace="default", version="v2", enabled=True, **its)]
    assert await store.version("orders") == VersionRow(version="v2", document="{}", **its)
    # Those that are equally old, in the order in which they came.
    assert [each.version for each in await store.versions("orders")] == ["v1", "v2"]


async def check_belongings(store: Store) -> None:
    assert [each.wait_id for each in await store.waits(WaitFilter(namespace="default"))] == ["w1"]
    assert [each.key for each in await store.effects(EffectFilter(namespace="default"))] == ["k1"]
    assert [each.data for each in await store.progress("r1")] == ["5"]
    assert await store.compensations(namespace="default") == [
        CompensationRow(run_id="r2", step_id="a", scope="/", status="failed", seq=1, error="no", ended_at=NOW)
    ]


async def check_books(store: Store) -> None:
    assert [each.run_id for each in await store.deliveries(DeliveryFilter(namespace="default"))] == ["r1"]
    assert [(each.key_id, each.name) for each in await store.keys()] == [("k1", "ada")]
    assert [each.actor for each in await store.audit(AuditFilter())] == ["ada"]
    answer = await store.kept_answer("s", "a1", NOW)
    assert answer is not None
    assert answer.body == "yes"


async def check_automation(store: Store) -> None:
    """What the database had no room for before."""
    ticket = Ticket(lane="l", pool="p", key="k", rules=LaneRules(limit=1))
    await accepted(store, Told("s1", worker=None, fence=0).begins(ticket=ticket))
    assert [(each.key, each.queued) for each in await store.lanes(LaneFilter())] == [("k", 1)]
    await takes(store, "w1", "s1")
    assert await store.next_schedule() is None
    assert await store.next_bus_event() is None
    assert await store.next_notification() is None


async def check_work(store: Store) -> None:
    """It goes on as if it had always been there."""
    await enlisted(store, "w1")
    verdict = await commit(store, Told("r9").begins(dedupe=key("once")))
    assert verdict == Duplicate(run_id="r1", same_payload=True)
    told = await takes(store, "w1", "r1")
    await accepted(store, told.goes_on(waits=(told.asks("w2"),)), told.ends())
    assert await store.counts("default") == {"succeeded": 1, "failed": 1}
    assert {each.run_id for each in await store.remove(["r1", "r2"])} == {"r1", "r2"}
    assert await store.runs(RunFilter()) == []
