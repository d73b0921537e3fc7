"""A journal in which anything was changed is found, and the first event that is wrong is named."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection

import msgspec
import pytest

from openrun.app import App
from openrun.house.verify import Fault, Head, verify, verify_newest, verify_run
from openrun.store.chain import GENESIS, link
from openrun.store.rows import EventRow
from tests.house.given import ended, of_all_kinds
from tests.store.given import beside

CHANGES = {
    "changed": (
        "UPDATE events SET body = replace(body, 'timestamp', 'timestanp') WHERE run_id = :run AND seq = :seq"
    ),
    "changed by a space": "UPDATE events SET body = body || ' ' WHERE run_id = :run AND seq = :seq",
    "no text": "UPDATE events SET body = CAST(x'ff' AS TEXT) WHERE run_id = :run AND seq = :seq",
    "removed": "DELETE FROM events WHERE run_id = :run AND seq = :seq",
    "of another fence": "UPDATE events SET fence = fence + 1 WHERE run_id = :run AND seq = :seq",
    "of another hash": "UPDATE events SET hash = upper(hash) WHERE run_id = :run AND seq = :seq",
    "cut off with all after it": "DELETE FROM events WHERE run_id = :run AND seq >= :seq",
    "of another run": (
        "UPDATE events SET body = (SELECT e.body FROM events AS e WHERE e.run_id <> :run AND e.seq = 1) "
        "WHERE run_id = :run AND seq = :seq"
    ),
}
SWAP = (
    "UPDATE events SET seq = -1 WHERE run_id = :run AND seq = :seq",
    "UPDATE events SET seq = :seq WHERE run_id = :run AND seq = :seq + 1",
    "UPDATE events SET seq = :seq + 1 WHERE run_id = :run AND seq = -1",
)


async def test_runs_of_all_kinds_are_whole(app: App) -> None:
    run_ids = await of_all_kinds(app)
    found = await verify(app.store)
    assert (found.runs, found.faults) == (len(run_ids) + 1, ())
    assert found.events == sum([len(await app.facts(row)) for row in run_ids]) + 10
    newest = await app.row(run_ids[-1])
    assert await verify_run(app.store, newest.run_id) == Head(
        run_id=newest.run_id, events=newest.seq, hash=newest.hash
    )
    assert (await verify_newest(app.store, 2)).runs == 2
    assert await verify_run(app.store, "nobody") is None


async def found_after(app: App, path: Path, tamper: Callable[[Connection], object]) -> list[Fault]:
    """What is found, by reading journals together and one by one, once the file was tampered with."""
    with beside(path) as connection:
        connection.execute("BEGIN")
        tamper(connection)
        connection.execute("COMMIT")
    together = (await verify(app.store)).faults
    run_ids = [row.run_id for row in await app.store.ended_before(2**53, 100)]
    assert (await verify(app.store, run_ids)).faults == together
    return list(together)


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_is_done_to_any_event_is_found_and_named(
    on_disk: App, path: Path, change: str
) -> None:
    other, run_id = await ended(on_disk, "plain"), await ended(on_disk, "naps")
    assert other != run_id
    rows = await on_disk.store.events(run_id)
    for seq in range(1, len(rows) + 1):
        tamper = partial(_execute, [CHANGES[change]], {"run": run_id, "seq": seq})
        faults = await found_after(on_disk, path, tamper)
        assert [(each.run_id, each.seq) for each in faults] == [(run_id, seq)], change
        _restore(path, run_id, rows)
    assert await found_after(on_disk, path, lambda _its: None) == []


async def test_two_events_that_changed_places_are_found_and_named(on_disk: App, path: Path) -> None:
    run_id = await ended(on_disk, "naps")
    rows = await on_disk.store.events(run_id)
    for seq in range(1, len(rows)):
        faults = await found_after(on_disk, path, partial(_execute, SWAP, {"run": run_id, "seq": seq}))
        assert [(each.run_id, each.seq) for each in faults] == [(run_id, seq)]
        _restore(path, run_id, rows)


async def test_runs_that_go_on_while_they_are_checked_are_no_faults(app: App) -> None:
    async with asyncio.TaskGroup() as group:
        at_work = [group.create_task(ended(app, flow)) for flow in ("naps", "plain", "retries") * 20]
        while not all(task.done() for task in at_work):
            assert (await verify(app.store)).faults == ()
    assert (await verify(app.store)).runs == 60


async def test_an_event_that_was_added_is_found_and_named(on_disk: App, path: Path) -> None:
    run_id = await ended(on_disk, "plain")
    row = await on_disk.row(run_id)
    digest = link(row.hash, run_id, row.seq + 1, row.fence, "{}")
    faults = await found_after(
        on_disk,
        path,
        lambda its: its.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, '{}')", (run_id, row.seq + 1, row.fence, digest)
        ),
    )
    assert [(each.run_id, each.seq) for each in faults] == [(run_id, row.seq + 1)]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (lambda bodies: [*bodies[:2], "{}", *bodies[3:]], 3),
        (lambda bodies: [*bodies[:2], *bodies[3:]], 3),
        (lambda bodies: bodies[1:], 1),
        (lambda bodies: bodies[:-1], -1),
        (lambda bodies: [body.replace('"flow_id":"plain"', '"flow_id":"other"') for body in bodies], 1),
        (lambda bodies: [body.replace('"version":"', '"version":"0') for body in bodies], 1),
        (lambda bodies: [body.replace('"succeeded"', '"cancelled"') for body in bodies], 0),
        (lambda bodies: [*bodies, bodies[-1]], 0),
    ],
)
async def test_a_journal_written_anew_with_fitting_hashes_must_still_make_sense(
    on_disk: App, path: Path, change: Callable[[list[str]], list[str]], at: int
) -> None:
    run_id = await ended(on_disk, "plain")
    rows = await on_disk.store.events(run_id)
    bodies = change([row.body for row in rows])

    def write(its: Connection) -> None:
        its.execute("DELETE FROM events WHERE run_id = ?", (run_id,))
        digest = GENESIS
        for seq, body in enumerate(bodies, start=1):
            digest = link(digest, run_id, seq, 1, body)
            its.execute("INSERT INTO events VALUES (?, ?, 1, ?, ?)", (run_id, seq, digest, body))
        its.execute("UPDATE runs SET seq = ?, hash = ? WHERE run_id = ?", (len(bodies), digest, run_id))

    (fault,) = await found_after(on_disk, path, write)
    assert (fault.run_id, fault.seq) == (run_id, at if at > 0 else len(rows) + at)


async def test_a_run_whose_row_says_it_goes_on_has_not_ended_in_its_journal(on_disk: App, path: Path) -> None:
    run_id = await ended(on_disk, "plain")
    with beside(path) as connection:
        connection.execute("UPDATE runs SET status = 'running'")
    (fault,) = (await verify(on_disk.store)).faults
    assert fault.reason == f"event {fault.seq} says that the run has succeeded, and its row says running"
    assert fault.run_id == run_id


async def test_large_journals_are_read_in_pages(on_disk: App, path: Path) -> None:
    run_id = await ended(on_disk, "each", input={"body": {"items": list(range(600))}})
    row = await on_disk.row(run_id)
    assert row.seq > 1_000
    with beside(path) as connection:
        connection.execute("UPDATE runs SET bytes = 2000000")
    found = await verify(on_disk.store, [run_id])
    assert (found.events, found.heads[0].hash) == (row.seq, row.hash)
    assert (await verify(on_disk.store)).events == row.seq
    faults = await found_after(on_disk, path, lambda its: its.execute("DELETE FROM events WHERE seq = 1001"))
    assert [each.seq for each in faults] == [1_001]


def test_a_fault_is_plain_data() -> None:
    fault = Fault(run_id="r", seq=2, reason="why")
    assert msgspec.json.decode(msgspec.json.encode(fault), type=Fault) == fault


def _execute(statements: Sequence[str], given: dict[str, object], its: Connection) -> None:
    for statement in statements:
        its.execute(statement, given)


def _restore(path: Path, run_id: str, rows: list[EventRow]) -> None:
    with beside(path) as connection:
        connection.execute("DELETE FROM events WHERE run_id = ?", (run_id,))
        for row in rows:
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", msgspec.structs.astuple(row))
