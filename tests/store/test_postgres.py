"""What only a server can do to a store: end under it, make it wait, run it beside others, refuse its data."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from openrun.core.types import RunStatus
from openrun.store.base import RefusedBySchema, StoreError, StoreUnavailable
from openrun.store.books import AuditFilter, AuditRow
from openrun.store.chain import GENESIS, link
from openrun.store.opening import open_store
from openrun.store.postgres import PostgresStore
from openrun.store.postgres.link import CALL_SECONDS, Connection, Pool
from openrun.store.rows import (
    ActivationRow,
    Birth,
    Committed,
    Dedupe,
    EventRow,
    Message,
    Release,
    RunFilter,
    Slice,
    Stale,
    Standing,
)
from tests.servers.postgres import PostgresServer
from tests.store.claimant import claim_all

ROOT = Path(__file__).parent.parent.parent
WORKER = "worker-1"
STRANGE = '{"text":"nul \\u0000, quote \\", emoji \U0001f9ea, separators \u2028, {curly}, back\\\\slash"}'


def events(run_id: str, first: int, last: int, *, fence: int = 1, body: str = "{}") -> tuple[EventRow, ...]:
    rows, previous = [], GENESIS if first == 1 else f"before {first}"
    for seq in range(first, last + 1):
        previous = link(previous, run_id, seq, fence, body)
        rows.append(EventRow(run_id, seq, fence, previous, body))
    return tuple(rows)


def standing(status: RunStatus = RunStatus.RUNNING, **given: Any) -> Standing:
    return Standing(status=status, updated_at=1_700_000_000_000, **given)


def birth(
    run_id: str, *, worker: str | None = WORKER, dedupe: Dedupe | None = None, body: str = "{}"
) -> Slice:
    born = Birth(flow_id="flow", version="v1", created_at=1_700_000_000_000, dedupe=dedupe)
    rows = events(run_id, 1, 1, body=body)
    return Slice(run_id=run_id, worker=worker, fence=1, first=1, events=rows, standing=standing(), birth=born)


def more(run_id: str, first: int, last: int, **given: Any) -> Slice:
    rows = events(run_id, first, last)
    return Slice(
        run_id=run_id, worker=WORKER, fence=1, first=first, events=rows, **{"standing": standing(), **given}
    )


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    async with opened(postgres_url) as store:
        await store.enlist(WORKER, 600, host="here", pid=1)
        yield store


@pytest.fixture
async def beside(postgres_url: str) -> AsyncIterator[Connection]:
    """A connection of somebody else."""
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        yield connection


async def until_blocked(connection: psycopg.AsyncConnection[TupleRow], calls: int) -> None:
    """Return once so many sessions wait for a lock."""
    counted = 0
    while counted < calls:
        rows = await connection.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database OR database IS NULL "
            "WHERE NOT granted AND datname = current_database()"
        )
        counted = (await rows.fetchone() or (0,))[0]


class TestWhenTheServerEnds:
    async def test_a_commit_repeated_after_a_crash_of_the_server_is_kept_exactly_once(
        self, postgres_of_its_own: PostgresServer
    ) -> None:
        server, refused, last = postgres_of_its_own, 0, 1
        going_on, over = asyncio.Event(), asyncio.Event()
        url = server.create_database()
        async with opened(url) as store:
            await store.enlist(WORKER, 600, host="here", pid=1)

            async def commit(piece: Slice) -> None:
                nonlocal refused
                while True:
                    try:
                        verdicts = await store.commit([piece])
                    except StoreUnavailable:
                        refused += 1
                        continue
                    assert verdicts == [Committed()]
                    return

            async def work() -> None:
                nonlocal last
                await commit(birth("run"))
                while not over.is_set():
                    last += 1
                    await commit(more("run", last, last))
                    going_on.set()

            async def crash() -> None:
                for _ in range(3):
                    going_on.clear()
                    await going_on.wait()
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                over.set()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(work())
                tasks.create_task(crash())
        async with opened(url) as store:
            row = await store.run("run")
            assert row is not None
            assert row.seq == last
            assert [each.seq for each in await store.events("run")] == list(range(1, last + 1))
        assert refused >= 3

    async def test_every_call_works_again_once_the_server_does(
        self, postgres_of_its_own: PostgresServer
    ) -> None:
        server = postgres_of_its_own
        async with opened(server.create_database()) as store:
            renewer = store.renewer()
            await store.enlist(WORKER, 600, host="here", pid=1)
            await asyncio.gather(*(store.now() for _ in range(10)))
            assert renewer.renew(WORKER, 600) > 0
            server.restart()
            with pytest.raises(StoreUnavailable):
                await store.now()
            with pytest.raises(StoreUnavailable):
                renewer.renew(WORKER, 600)
            assert renewer.renew(WORKER, 600) > 0
            await asyncio.gather(*(store.now() for _ in range(10)))
            server.kill()
            with pytest.raises(StoreUnavailable):
                await store.commit([birth("run")])
            with pytest.raises(StoreUnavailable, match="refused"):
                await store.commit([birth("run")])
            server.start()
            assert await store.commit([birth("run")]) == [Committed()]
            renewer.close()

    async def test_hints_come_again_after_a_restart(self, postgres_of_its_own: PostgresServer) -> None:
        async with opened(postgres_of_its_own.create_database()) as store, aclosing(store.hints()) as hints:
            await anext(hints)
            postgres_of_its_own.restart()
            await anext(hints)
            with pytest.raises(StoreUnavailable):
                await store.now()
            await store.commit([birth("run", worker=None)])
            await anext(hints)

    async def test_a_server_that_does_not_answer_is_not_waited_for(self, store: PostgresStore) -> None:
        async def sleep(connection: Connection) -> None:
            await connection.execute("SELECT pg_sleep(3600)")

        with pytest.raises(StoreUnavailable):
            await store._others.call(sleep, seconds=0.01)
        assert await store.now() > 0

    async def test_a_call_waits_for_a_free_connection_no_longer_than_for_an_answer(
        self, postgres_url: str
    ) -> None:
        pool, busy, done = Pool(postgres_url, 1), asyncio.Event(), asyncio.Event()

        async def occupy(_: Connection) -> None:
            busy.set()
            await done.wait()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pool.call(occupy, CALL_SECONDS))
            await busy.wait()
            with pytest.raises(StoreUnavailable, match="became free"):
                await pool.call(occupy, seconds=0.01)
            done.set()
        await pool.close()
        with pytest.raises(StoreError, match="closed"):
            await pool.call(occupy)


class TestBesideOthers:
    async def test_claims_of_several_processes_are_disjoint(
        self, store: PostgresStore, postgres_url: str
    ) -> None:
        runs = [f"run-{number:03}" for number in range(300)]
        await store.commit([birth(each, worker=None) for each in runs])
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.store.claimant", postgres_url, f"process-{number}",
                cwd=ROOT, stdout=asyncio.subprocess.PIPE,
            )
            for number in range(2)
        ]  # fmt: skip
        told = [(await each.communicate())[0].decode().split() for each in processes]
        assert sorted(run_id for each in told for run_id in each) == runs

    async def test_claims_over_several_connections_are_disjoint(
        self, store: PostgresStore, postgres_url: str
    ) -> None:
        runs = [f"run-{number:03}" for number in range(300)]
        await store.commit([birth(each, worker=None) for each in runs])
        claims = await asyncio.gather(
            *(claim_all(postgres_url, f"worker-{number}") for number in range(2, 8))
        )
        assert sorted(run_id for each in claims for run_id in each) == runs
        assert {each.fence for each in await store.runs(RunFilter(limit=300))} == {2}

    async def test_a_run_that_somebody_is_busy_with_does_not_hold_up_claims(
        self, store: PostgresStore, beside: Connection
    ) -> None:
        await store.commit([birth("run-1", worker=None), birth("run-2", worker=None)])
        await beside.execute("SELECT FROM runs WHERE run_id = 'run-1' FOR UPDATE")
        assert [each.run_id for each in await store.claim(WORKER, 10, alone=False)] == ["run-2"]
        await beside.rollback()
        assert [each.run_id for each in await store.claim(WORKER, 10, alone=False)] == ["run-1"]

    async def test_a_commit_waits_for_a_takeover_under_way_and_is_refused(
        self, store: PostgresStore, beside: Connection
    ) -> None:
        await store.commit([birth("run")])
        await beside.execute("UPDATE runs SET worker = 'other', fence = fence + 1 WHERE run_id = 'run'")
        late = asyncio.create_task(store.commit([more("run", 2, 2), birth("another")]))
        await until_blocked(beside, 1)
        await beside.commit()
        refused, kept = await late
        assert isinstance(refused, Stale)
        assert kept == Committed()
        assert len(await store.events("run")) == 1

    async def test_a_message_that_meets_a_release_is_never_overlooked(
        self, store: PostgresStore, beside: Connection
    ) -> None:
        await store.commit([birth("run")])
        await beside.execute("SELECT FROM runs WHERE run_id = 'run' FOR UPDATE")
        released = asyncio.create_task(store.commit([more("run", 2, 2, release=Release(due_at=None))]))
        posted = asyncio.create_task(store.post([Message(run_id="run", kind="signal", key="k")]))
        await until_blocked(beside, 2)
        await beside.rollback()
        await asyncio.gather(released, posted)
        row = await store.run("run")
        assert row is not None
        assert row.due_at is not None

    async def test_one_of_two_starts_under_the_same_key_wins_however_close_they_are(
        self, store: PostgresStore, postgres_url: str
    ) -> None:
        expires_at = await store.now() + 60_000
        async with opened(postgres_url) as second:
            for number in range(20):
                dedupe = Dedupe(key=f"key-{number}", payload_hash="p", expires_at=expires_at)
                verdicts = await asyncio.gather(
                    store.commit([birth(f"a-{number}", dedupe=dedupe)]),
                    second.commit([birth(f"b-{number}", dedupe=dedupe)]),
                )
                kinds = sorted(type(each).__name__ for (each,) in verdicts)
                assert kinds == ["Committed", "Duplicate"]

    async def test_stores_that_open_a_fresh_database_at_once_all_find_it_ready(
        self, postgres_url: str
    ) -> None:
        stores = [PostgresStore(postgres_url) for _ in range(6)]
        await asyncio.gather(*(each.open() for each in stores))
        assert [await each.counts() for each in stores] == [{}] * 6
        await asyncio.gather(*(each.close() for each in stores))


class TestHints:
    async def test_a_hint_comes_when_a_run_becomes_due_or_its_holder_gets_a_message(
        self, store: PostgresStore
    ) -> None:
        async with aclosing(store.hints()) as hints:
            await anext(hints)
            await store.commit([birth("due", worker=None)])
            await anext(hints)
            await store.commit([birth("held")])
            await store.post([Message(run_id="held", kind="signal", key="k")])
            await anext(hints)

    async def test_work_that_concerns_nobody_else_gives_no_hint(
        self, store: PostgresStore, beside: Connection
    ) -> None:
        heard: list[object] = []
        beside.add_notify_handler(heard.append)
        await beside.execute("LISTEN openrun")
        await beside.commit()
        await store.commit([birth("run")])
        await store.commit([more("run", 2, 3)])
        await store.commit([more("run", 4, 4, release=Release(due_at=await store.now() + 60_000))])
        await beside.execute("SELECT 1")
        assert heard == []
        await beside.commit()
        await store.post([Message(run_id="run", kind="signal", key=each) for each in "abc"])
        await beside.execute("SELECT 1")
        assert len(heard) == 1


class TestCancelling:
    async def test_a_cancelled_commit_leaves_nothing_and_the_store_usable(
        self, store: PostgresStore, beside: Connection
    ) -> None:
        await store.commit([birth("run")])
        await beside.execute("SELECT FROM runs WHERE run_id = 'run' FOR UPDATE")
        waiting = asyncio.create_task(store.commit([more("run", 2, 3), birth("other")]))
        await until_blocked(beside, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await beside.rollback()
        assert len(await store.events("run")) == 1
        assert await store.run("other") is None
        assert await store.commit([more("run", 2, 3), birth("other")]) == [Committed(), Committed()]

    async def test_cancelling_at_any_moment_leaves_the_store_usable(self, store: PostgresStore) -> None:
        for turns in range(25):
            piece = birth(f"run-{turns}")
            calls = [asyncio.create_task(store.commit([piece])), asyncio.create_task(store.runs(RunFilter()))]
            for _ in range(turns):
                await asyncio.sleep(0)
            for each in calls:
                each.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert await store.commit([piece]) == [Committed()]
        assert await store.counts() == {RunStatus.RUNNING: 25}


class TestData:
    async def test_bodies_come_back_to_the_byte(self, store: PostgresStore) -> None:
        await store.commit([birth("run", body=STRANGE)])
        (row,) = await store.events("run")
        assert row.body == STRANGE
        found = await store.run("run")
        assert found is not None
        assert found.bytes == len(STRANGE.encode())

    async def test_texts_that_postgres_does_not_know_come_back_as_they_were(
        self, store: PostgresStore
    ) -> None:
        text = "nul \0, lone \ud800, mark \ufdd0, \U0001f9ea"
        activation = ActivationRow(
            run_id="run", step_id="step", scope="/", status="failed", attempt=1, seq=2, error=text
        )
        await store.commit([birth("run")])
        await store.commit([more("run", 2, 2, standing=standing(error=text), activations=(activation,))])
        await store.post([Message(run_id="run", kind=text, key=text, body={text: text})])
        row = await store.run("run")
        assert row is not None
        assert row.error == text
        assert await store.activations("run") == [activation]
        (message,) = await store.waiting_messages(["run"])
        assert (message.kind, message.key, message.body) == (text, text, {text: text})

    async def test_keys_and_scopes_of_any_length_are_told_apart(self, store: PostgresStore) -> None:
        # Unlike repeated characters, these cannot be compressed to what an index entry takes.
        long = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(5_000))
        dedupe = Dedupe(key=long, payload_hash="p", expires_at=await store.now() + 60_000)
        activations = tuple(
            ActivationRow(
                run_id="run", step_id="step", scope=long + end, status="running", attempt=1, seq=seq
            )
            for seq, end in ((2, "a"), (3, "b"))
        )
        await store.commit([birth("run", dedupe=dedupe)])
        assert await store.commit([more("run", 2, 3, activations=activations)]) == [Committed()]
        posted = await store.post(
            [Message(run_id="run", kind="signal", key=long + end) for end in ("a", "b", "a")]
        )
        assert [each.fresh for each in posted] == [True, True, False]
        assert await store.activations("run") == list(activations)

    async def test_a_slice_that_the_database_refuses_costs_no_other_slice(
        self, store: PostgresStore, beside: Connection
    ) -> None:
        await store.commit([birth("damaged"), birth("sound")])
        await beside.execute("UPDATE events SET seq = 2 WHERE run_id = 'damaged'")
        await beside.commit()
        pieces = [birth("new"), more("damaged", 2, 2), birth("nul \0"), more("sound", 2, 2)]
        verdicts = await store.commit(pieces)
        assert [type(each) for each in verdicts] == [Committed, Stale, Stale, Committed]
        assert len(await store.events("damaged")) == 1
        assert len(await store.events("sound")) == 2

    async def test_events_out_of_place_are_a_fault_of_the_caller(self, store: PostgresStore) -> None:
        await store.commit([birth("run")])
        piece = more("run", 2, 3)
        with pytest.raises(StoreError, match="do not follow"):
            await store.commit([Slice(**{**_fields(piece), "first": 3})])
        assert len(await store.events("run")) == 1


class TestAudit:
    async def test_the_audit_log_is_only_added_to(self, store: PostgresStore, beside: Connection) -> None:
        row = AuditRow(
            at=1, namespace="default", actor="ada", actor_id="k", role="admin", action="a", resource="r", status=200,
            request_id="q",
        )  # fmt: skip
        await store.add_audit([row])
        for change in (b"UPDATE audit SET actor = 'bob'", b"DELETE FROM audit"):
            with pytest.raises(psycopg.errors.RaiseException, match="only added to"):
                await beside.execute(change)
            await beside.rollback()
        assert [each.actor for each in await store.audit(AuditFilter())] == ["ada"]


class TestSchema:
    async def test_a_database_of_a_newer_release_is_refused(
        self, store: PostgresStore, beside: Connection
    ) -> None:
        await beside.execute("INSERT INTO openrun_schema (number, name) VALUES (9999, 'future')")
        await beside.commit()
        with pytest.raises(RefusedBySchema, match="9999"):
            await store.open()

    async def test_a_database_of_somebody_else_is_refused_and_left_alone(
        self, postgres_url: str, beside: Connection
    ) -> None:
        await beside.execute("CREATE TABLE runs (id integer)")
        await beside.commit()
        foreign = PostgresStore(postgres_url)
        with pytest.raises(RefusedBySchema, match="runs"):
            await foreign.open()
        await foreign.close()
        tables = await beside.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert await tables.fetchall() == [("runs",)]

    async def test_the_search_path_tells_where_the_tables_are(
        self, postgres_url: str, beside: Connection
    ) -> None:
        await beside.execute("CREATE SCHEMA one")
        await beside.execute("CREATE SCHEMA two")
        await beside.commit()
        urls = [f"{postgres_url}?options=-csearch_path%3D{each}" for each in ("one", "two")]
        async with opened(urls[0]) as one, opened(urls[1]) as two:
            await one.commit([birth("run", worker=None)])
            assert await one.counts() == {RunStatus.RUNNING: 1}
            assert await two.counts() == {}

    async def test_a_database_that_cannot_keep_every_character_is_refused(self, postgres_url: str) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS openrun_latin1")
            connection.execute(
                "CREATE DATABASE openrun_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
            latin = PostgresStore(postgres_url.rpartition("/")[0] + "/openrun_latin1")
            with pytest.raises(StoreError, match="UTF8"):
                await latin.open()
            await latin.close()
            connection.execute("DROP DATABASE openrun_latin1")

    async def test_backups_are_left_to_postgres(self, store: PostgresStore, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="pg_dump"):
            await store.backup(tmp_path / "copy")


class TestOpeningByUrl:
    async def test_a_url_names_a_database(self, postgres_url: str) -> None:
        store = open_store(postgres_url)
        await store.open()
        assert await store.counts() == {}
        await store.close()

    def test_without_the_driver_the_way_to_it_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [each for each in sys.modules if each.startswith("openrun.store.postgres")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(StoreError, match=r"openrun\[postgres\]"):
            open_store("postgresql://localhost/openrun")

    async def test_a_url_that_cannot_be_read_is_told_without_its_password(self) -> None:
        store = open_store("postgresql://user:secret@host:port/database")
        with pytest.raises(StoreError) as told:
            await store.open()
        assert "secret" not in str(told.value)
        await store.close()

    def test_an_unknown_scheme_is_told_without_its_password(self) -> None:
        with pytest.raises(StoreError, match="'mysql'") as told:
            open_store("mysql://user:secret@host/database")
        assert "secret" not in str(told.value)


def _fields(piece: Slice) -> dict[str, Any]:
    return {name: getattr(piece, name) for name in piece.__struct_fields__}
