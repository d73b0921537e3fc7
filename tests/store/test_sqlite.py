"""What only the SQLite store promises: files, backups, and that no error leaves anything half done."""

import asyncio
import re
import sqlite3
import stat
from pathlib import Path

import pytest

from openrun.store.base import RefusedBySchema, StoreError, StoreUnavailable
from openrun.store.books import AuditFilter, AuditRow
from openrun.store.memory import MemoryStore
from openrun.store.outbox import Notice, NotificationFilter, SubscriptionRow
from openrun.store.rows import Committed, DeliveryFilter, DeliveryRow, RunFilter, Slice
from openrun.store.schema import migrations, query
from openrun.store.sqlite import SqliteStore
from tests.store.given import (
    NOW,
    Told,
    accepted,
    beside,
    commit,
    due,
    enlisted,
    message,
)

CHEAP_QUERIES = (
    "runs",
    "runs_of_flow",
    "runs_of_namespace",
    "runs_of_parent",
    "runs_of_status",
    "runs_on_hold",
    "run",
    "find",
    "find_in_namespace",
    "heads_of_runs",
    "counts_of_namespace",
    "namespaces",
    "events",
    "journals",
    "activations",
    "due",
    "due_alone",
    "count_due_alone",
    "holders",
    "next_due",
    "orphans",
    "ended_before",
    "inbox_of_worker",
    "inbox_of_runs",
    "give_back_all",
    "dead_letters",
    "dead_letters_of_namespace",
    "forget_keys",
    "version",
    "versions",
    "flow",
    "deliveries",
    "deliveries_of_namespace",
    "deliveries_of_flow",
    "delivery",
    "remove_deliveries",
    "key",
    "audit_head",
    "audit",
    "audit_of_namespace",
    "kept_answer",
    "forget_answers",
    "heads",
    "recipients",
    "waits_open",
    "waits_closed",
    "waits_of_run",
    "waits_of_kind",
    "waits_of_name",
    "waits_of_correlation",
    "waits_uncorrelated",
    "find_waits",
    "effects",
    "effects_of_run",
    "effects_of_status",
    "find_effects",
    "progress",
    "compensations_of_run",
    "compensations_failed",
    "settle_compensation",
    "remove_waits",
    "remove_effects",
    "remove_progress",
    "remove_compensations",
    "remove_other_compensations",
    "ready_lanes",
    "pool_states",
    "blocked_lanes",
    "lane_states",
    "settle_lanes",
    "wake_lanes",
    "free_lanes",
    "idle_lanes",
    "tickets_of_runs",
    "prune_admissions",
    "lanes",
    "next_admission",
    "schedules",
    "schedules_paused",
    "schedule",
    "other_schedules",
    "due_schedules",
    "next_schedule",
    "fired_ticks",
    "ticks",
    "ticks_of_outcome",
    "forget_ticks",
    "bus_events",
    "bus_events_of_namespace",
    "bus_events_of_type",
    "bus_events_dead",
    "bus_event_numbers",
    "due_bus_events",
    "next_bus_event",
    "forget_bus_events",
    "forget_gathered",
    "gathered",
    "ungather",
    "add_notifications",
    "notifications",
    "notifications_of_namespace",
    "notifications_of_subscription",
    "notifications_of_run",
    "notifications_dead",
    "due_notifications",
    "next_notification",
    "forget_notifications",
    "remove_notifications",
)
SORTED_QUERIES = (
    "runs",
    "runs_of_namespace",
    "find_in_namespace",
    "dead_letters",
    "dead_letters_of_namespace",
    "deliveries",
    "deliveries_of_namespace",
    "audit",
    "audit_of_namespace",
    "waits_open",
    "waits_closed",
    "waits_of_run",
    "waits_of_kind",
    "waits_of_name",
    "waits_of_correlation",
    "waits_uncorrelated",
    "effects",
    "ready_lanes",
    "idle_lanes",
    "next_admission",
    "schedules",
    "schedules_paused",
    "due_schedules",
    "next_schedule",
    "ticks",
    "bus_events",
    "bus_events_of_namespace",
    "bus_events_of_type",
    "bus_events_dead",
    "due_bus_events",
    "notifications",
    "notifications_of_namespace",
    "notifications_of_subscription",
    "notifications_of_run",
    "notifications_dead",
    "lanes",
)
TABLES = (
    "runs|r|events|e|activations|inbox|i|dedupe|waits|w|effects|progress|compensations|wait_rows|effect_rows"
    "|compensation_rows|run_rows|flows|f|versions|v|deliveries|d|delivery_rows|dead_letters|dead_letter_rows|api_keys"
    "|key_rows|audit|audit_rows|kept_answers|p|tickets|t|lanes|l|k|pools|admissions|a|schedules|schedule_rows|ticks|q"
    "|tick_rows|bus_events|bus_event_rows|gathered|gathered_rows|notifications|notification_rows|n"
)


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


@pytest.fixture
def store(sqlite: SqliteStore) -> SqliteStore:
    return sqlite


# -- files ----------------------------------------------------------------------------------------


async def test_the_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "openrun.db"
    store = SqliteStore(str(path))
    await store.open()
    await enlisted(store, "w1")
    await due(store, "r1")
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir() if each.is_file()}
    assert modes
    assert set(modes.values()) == {0o600}
    await store.close()


async def test_what_was_committed_is_there_when_the_file_is_opened_again(path: Path) -> None:
    for number in range(3):
        store = SqliteStore(path)
        await store.open()
        await due(store, f"r{number}")
        assert len(await store.runs(RunFilter())) == number + 1
        await store.close()


async def test_a_commit_is_on_disk_before_it_is_told(store: SqliteStore) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    settings = await store._writer.run(
        lambda its: [its.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    )
    assert settings == ["wal", 2, 1, 5_000]


async def test_a_file_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SqliteStore(tmp_path / "file" / "openrun.db")
    with pytest.raises(StoreUnavailable):
        await store.open()
    with pytest.raises(StoreUnavailable):
        await store.run("r1")


async def test_a_store_that_could_not_be_opened_may_be_opened_later(tmp_path: Path) -> None:
    path = tmp_path / "openrun.db"
    path.mkdir()
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable):
        await store.open()
    path.rmdir()
    await store.open()
    assert await store.run("r1") is None
    await store.close()


async def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await SqliteStore(tmp_path).open()


async def test_a_newer_database_is_refused(path: Path, store: SqliteStore) -> None:
    await due(store, "r1")
    known = len(migrations("sqlite"))
    with beside(path) as connection:
        connection.execute("INSERT INTO openrun_schema VALUES (?, 'from the future', 0)", (known + 1,))
    with pytest.raises(RefusedBySchema, match=f"{known + 1}.*{known}"):
        await SqliteStore(path).open()


async def test_a_database_of_somebody_else_is_refused_and_left_alone(path: Path) -> None:
    with beside(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(RefusedBySchema, match="theirs"):
        await SqliteStore(path).open()
    with beside(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    text = "something else entirely, and long enough to be looked at by SQLite" * 100
    await asyncio.to_thread(path.write_text, text)
    with pytest.raises(RefusedBySchema):
        await SqliteStore(path).open()
    assert await asyncio.to_thread(path.read_text) == text


async def test_a_closed_store_is_unavailable(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable):
        await store.run("r1")
    await store.open()
    await store.close()
    await store.close()
    for call in (store.run("r1"), store.commit([]), store.open()):
        with pytest.raises(StoreUnavailable):
            await call


async def test_memory_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stores = [MemoryStore(), MemoryStore()]
    for store in stores:
        await store.open()
    await enlisted(stores[0], "w1")
    await accepted(stores[0], Told("r1").begins())
    assert await stores[1].run("r1") is None
    renewer = stores[0].renewer()
    for store in stores:
        await store.close()
    with pytest.raises(StoreUnavailable):
        renewer.renew("w1", 1)
    assert names(tmp_path) == []


# -- trouble --------------------------------------------------------------------------------------


async def test_a_locked_database_is_unavailable_until_it_is_free(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    await store._writer.run(lambda its: its.execute("PRAGMA busy_timeout = 20").fetchone())
    with beside(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.commit([Told("r1").begins()])
        with pytest.raises(StoreUnavailable):
            await store.post([message("r1", "m1")])
        assert await store.run("r1") is None
        connection.execute("ROLLBACK")
    await accepted(store, Told("r1").begins())


async def test_reading_goes_on_while_another_process_writes(path: Path, store: SqliteStore) -> None:
    await due(store, "r1")
    with beside(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM events")
        connection.execute("DELETE FROM runs")
        assert len(await store.events("r1")) == 1
        assert await store.find("r") == ["r1"]
        connection.execute("ROLLBACK")


async def test_what_fails_midway_leaves_nothing(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    with beside(path) as connection:
        connection.execute(
            "CREATE TRIGGER odd AFTER INSERT ON activations BEGIN SELECT RAISE(ABORT, 'odd'); END"
        )
        told = Told("r1")
        begins = told.begins(activations=(told.at("a"),))
        with pytest.raises(StoreError, match="odd"):
            await store.commit([Told("r0").begins(), begins])
        assert await store.find("r") == []
        connection.execute("DROP TRIGGER odd")
    await accepted(store, begins)


async def test_a_commit_that_fails_at_its_very_end_leaves_nothing(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    with beside(path) as connection:
        connection.executescript("""
            CREATE TABLE above (id INTEGER PRIMARY KEY);
            CREATE TABLE below (id INTEGER REFERENCES above (id) DEFERRABLE INITIALLY DEFERRED);
            CREATE TRIGGER odd AFTER INSERT ON events BEGIN INSERT INTO below VALUES (1); END;
        """)
        begins = Told("r1").begins()
        with pytest.raises(StoreError):
            await store.commit([begins])
        assert not await store._writer.run(lambda its: its.in_transaction)
        assert await store.find("r") == []
        connection.execute("DROP TRIGGER odd")
    await accepted(store, begins)


async def test_a_slice_whose_events_are_out_of_place_is_told_before_anything_is_written(
    store: SqliteStore,
) -> None:
    await enlisted(store, "w1")
    good, bad = Told("r1").begins(), Told("r2").begins(count=3)
    for events in (bad.events[1:], bad.events[:1] + bad.events[2:], bad.events[::-1], good.events):
        odd = type(bad)(**{name: getattr(bad, name) for name in bad.__struct_fields__} | {"events": events})
        with pytest.raises(StoreError, match="r2"):
            await store.commit([good, odd])
    assert await store.find("r") == []


async def test_a_caller_that_is_cancelled_leaves_no_transaction_open(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    with beside(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        writing = [
            asyncio.create_task(commit(store, Told(f"r{number}").begins(count=50))) for number in range(5)
        ]
        reading = asyncio.create_task(store.events("r1"))
        await asyncio.sleep(0)
        for task in (*writing, reading):
            task.cancel()
        results = await asyncio.gather(*writing, reading, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in results)
        connection.execute("ROLLBACK")
    assert not await store._writer.run(lambda its: its.in_transaction)
    assert not await store._reader.run(lambda its: its.in_transaction)
    assert [len(await store.events(f"r{number}")) for number in range(5)] == [50] * 5
    await accepted(store, Told("r9").begins())


async def test_closing_finishes_what_was_asked_for(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    writing = [
        asyncio.create_task(commit(store, Told(f"r{n}", worker=None, fence=0).begins())) for n in range(20)
    ]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*writing) == [Committed()] * 20
    with beside(path) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (20,)


# -- statements -----------------------------------------------------------------------------------


async def statements(store: SqliteStore, *slices: Slice) -> list[str]:
    """What a commit of these slices asks of SQLite, by its first words."""
    asked: list[str] = []
    await store._writer.run(lambda its: its.set_trace_callback(asked.append))
    await accepted(store, *slices)
    await store._writer.run(lambda its: its.set_trace_callback(None))
    return [" ".join(each.split()[:3]) for each in asked]


async def test_only_a_batch_with_a_delivery_pays_for_one(store: SqliteStore) -> None:
    def born(run_id: str, *, delivered: bool) -> Slice:
        its = DeliveryRow(
            run_id=run_id, namespace="default", flow_id="orders", trigger="hook", received_at=NOW, method="POST",
            path="/", digest="", size=0,
        )  # fmt: skip
        return Told(run_id, worker=None, fence=0).begins(delivery=its if delivered else None)

    plain = await statements(store, born("r1", delivered=False), born("r2", delivered=False))
    mixed = await statements(store, *(born(f"s{number}", delivered=number % 2 == 0) for number in range(5)))
    assert [each for each in mixed if each not in plain] == ["INSERT INTO deliveries"]
    assert len(mixed) == len(plain) + 1
    assert len(await store.deliveries(DeliveryFilter())) == 3


async def test_only_a_batch_with_notices_asks_for_subscribers(store: SqliteStore) -> None:
    def born(run_id: str, *, told: bool) -> Slice:
        notice = Notice(type="run.started", seq=1, at=NOW, data="{}")
        return Told(run_id, worker=None, fence=0).begins(notices=(notice,) if told else ())

    plain = await statements(store, born("r1", told=False))
    assert await statements(store, born("r2", told=True)) == [
        *plain[:-1], "SELECT CAST(EXISTS (SELECT", plain[-1]
    ]  # fmt: skip
    row = SubscriptionRow(
        subscription_id="s1", namespace="default", url="u", types=("run.*",), created_at=NOW
    )
    await store.add_subscription(row)
    assert await statements(store, born("r3", told=False)) == plain
    assert "INSERT INTO notifications" in await statements(store, born("r4", told=True))
    assert [each.run_id for each in await store.notifications(NotificationFilter())] == ["r4"]


async def test_the_audit_log_is_only_added_to(path: Path, store: SqliteStore) -> None:
    row = AuditRow(
        at=NOW, namespace="default", actor="ada", actor_id="k1", role="admin", action="a", resource="r", status=200,
        request_id="q",
    )  # fmt: skip
    await store.add_audit([row])
    with beside(path) as connection:
        for change in ("UPDATE audit SET actor = 'bob'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                connection.execute(change)
    assert [each.actor for each in await store.audit(AuditFilter())] == ["ada"]


# -- backups --------------------------------------------------------------------------------------


async def test_a_backup_is_whole_while_work_goes_on(tmp_path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())

    async def write() -> None:
        for _ in range(30):
            await accepted(store, told.goes_on(50))

    writing = asyncio.create_task(write())
    for number in range(3):
        target = tmp_path / f"copy{number}.db"
        await store.backup(target)
        with beside(target) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            events, seq = connection.execute("SELECT (SELECT count(*) FROM events), seq FROM runs").fetchone()
        assert events == seq
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    await writing
    assert [each for each in names(tmp_path) if "copy" in each] == ["copy0.db", "copy1.db", "copy2.db"]


async def test_a_backup_never_touches_what_is_there(tmp_path: Path, store: SqliteStore) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    with pytest.raises(StoreError, match="precious"):
        await store.backup(target)
    assert target.read_text() == "precious"


async def test_a_backup_into_nowhere_is_unavailable(tmp_path: Path, store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable):
        await store.backup(tmp_path / "no" / "where.db")


# -- speed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHEAP_QUERIES)
async def test_no_table_is_read_whole(store: SqliteStore, name: str) -> None:
    text = query("sqlite", name)
    given = dict.fromkeys(re.findall(r":(\w+)", text), None)

    def explain(connection: sqlite3.Connection) -> list[str]:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", given)]

    plan = await store._reader.run(explain)
    whole = [line for line in plan if re.match(rf"SCAN ({TABLES})\b", line)]
    assert [line for line in whole if "USING" not in line and "VIRTUAL TABLE" not in line] == []
    if name in SORTED_QUERIES:
        assert [line for line in plan if "TEMP B-TREE" in line] == []
