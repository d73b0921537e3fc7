"""Runs that ended long ago go, and nothing of them is lost on the way."""

import errno
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openrun.app import App
from openrun.core.events import FlowStarted
from openrun.house.archive import Archive
from openrun.house.rebuild import rows_of
from openrun.house.retention import Retention
from openrun.store.base import Store
from openrun.store.chain import broken
from openrun.store.rows import EffectFilter, EventRow, WaitFilter
from tests.house.given import DAMAGES, ended, of_all_kinds, of_people_and_money, waiting
from tests.store.given import NOW, Told, accepted, beside, enlisted, until

FAR = 2**53


class Line(msgspec.Struct):
    """One event as the archive has it."""

    run_id: str
    seq: int
    fence: int
    hash: str
    event: msgspec.Raw


def read(path: Path) -> dict[str, tuple[dict[str, Any], list[EventRow]]]:
    """The runs of an archive, each with its line and its events."""
    found: dict[str, tuple[dict[str, Any], list[EventRow]]] = {}
    for text in path.read_bytes().splitlines():
        if text.startswith(b'{"run":'):
            head = msgspec.json.decode(text)["run"]
            found[head["run_id"]] = head, []
        else:
            line = msgspec.json.decode(text, type=Line)
            body = bytes(line.event).decode()
            found[line.run_id][1].append(EventRow(line.run_id, line.seq, line.fence, line.hash, body))
    return found


async def test_what_has_ended_is_archived_and_removed_and_the_rest_stays(app: App, tmp_path: Path) -> None:
    await of_all_kinds(app)
    rows = await app.store.ended_before(FAR, 100)
    journals = await app.store.journals([row.run_id for row in rows])
    path = tmp_path / "deep" / "gone.ndjson"
    swept = await Retention(app.store, FAR, Archive(path), batch=2).sweep()
    assert (swept.runs, swept.events) == (len(rows), sum(row.seq for row in rows))
    assert swept.archived == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    kept = read(path)
    assert {run_id: events for run_id, (_head, events) in kept.items()} == journals
    for row in rows:
        head, events = kept[row.run_id]
        assert (head["flow_id"], head["version"], head["status"]) == (row.flow_id, row.version, row.status)
        assert broken(events, last=head["events"], head=head["hash"]) is None
        tombstone = await app.store.tombstone(row.run_id)
        assert tombstone is not None
        assert (await app.store.run(row.run_id), tombstone.hash) == (None, row.hash)
    assert sum((await app.store.counts()).values()) == 2


async def test_what_a_run_asked_did_told_and_undid_goes_with_it(app: App) -> None:
    undoes, _, pays = await of_people_and_money(app)
    cancelled = await app.start("pays")
    await until(partial(app.store.waits, WaitFilter(run_id=cancelled.run_id)))
    await app.cancel(cancelled.run_id)
    await app.ended(cancelled.run_id)
    gone = [undoes, cancelled.run_id]
    assert all([await rows_of(app.store, run_id) for run_id in gone])
    assert await app.store.progress(cancelled.run_id)
    first = await Retention(app.store, FAR, None).sweep()
    assert (first.runs, first.owing) == (1, [undoes])
    for row in await app.store.compensations():
        await app.ledger.settle(row.run_id, row.step_id, row.scope, resolution="ignored", note="long ago")
    assert (await Retention(app.store, FAR, None).sweep()).runs == 1
    assert [await rows_of(app.store, run_id) for run_id in gone] == [[], []]
    assert await app.store.progress(cancelled.run_id) == []
    assert await app.store.compensations() == []
    assert len(await app.store.waits(WaitFilter(open=None))) == 2
    assert [row.run_id for row in await app.store.effects(EffectFilter())] == [pays]
    assert await app.store.progress(pays)


async def test_what_ended_since_stays(app: App) -> None:
    await ended(app, "plain")
    before = await app.store.now() - 3_600_000
    assert (await Retention(app.store, before, None).sweep()).runs == 0


async def test_a_crash_between_the_archive_and_the_removal_loses_nothing(app: App, tmp_path: Path) -> None:
    run_ids = [await ended(app, "plain") for _ in range(3)]
    first = Retention(app.store, FAR, Archive(tmp_path / "1.ndjson"))
    assert [row.run_id for row in await first.archive(await first.next())] == run_ids
    assert [(await app.row(run_id)).run_id for run_id in run_ids] == run_ids
    again = await Retention(app.store, FAR, Archive(tmp_path / "2.ndjson")).sweep()
    assert again.runs == 3
    assert read(tmp_path / "1.ndjson") == read(tmp_path / "2.ndjson")


async def test_what_cannot_be_archived_is_not_removed(app: App, tmp_path: Path) -> None:
    run_id = await ended(app, "plain")
    (tmp_path / "taken").touch()
    with pytest.raises(FileExistsError):
        await Retention(app.store, FAR, Archive(tmp_path / "taken")).sweep()
    assert (await app.row(run_id)).run_id == run_id


@pytest.mark.parametrize("failing", [1, 2])
async def test_what_did_not_reach_the_disk_is_not_removed(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The first of the two is the file, the second its name."""
    run_id = await ended(app, "plain")
    retention = Retention(app.store, FAR, Archive(tmp_path / "a.ndjson"))
    batch = await retention.next()
    calls = count(1)

    def fsync(handle: int) -> None:
        if next(calls) == failing:
            raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("openrun.house.archive.os.fsync", fsync)
        with pytest.raises(OSError, match="no space left"):
            await retention.archive(batch)
    assert (retention.swept.runs, (await app.row(run_id)).run_id) == (0, run_id)


async def test_without_an_archive_runs_are_removed_all_the_same(app: App) -> None:
    await ended(app, "plain")
    swept = await Retention(app.store, FAR, None).sweep()
    assert (swept.runs, swept.archived) == (1, 0)


async def test_a_run_whose_replay_goes_on_stays(app: App) -> None:
    failed = await ended(app, "retries")
    begun = (await app.facts(failed))[0]
    assert isinstance(begun, FlowStarted)
    await enlisted(app.store, "other")
    replay = Told("replay", worker="other")
    await accepted(app.store, replay.begins(flow_id="retries", version=begun.version, replay_of=failed))
    assert await Retention(app.store, FAR, None).candidates() == []
    assert (await Retention(app.store, FAR, None, batch=1).sweep()).runs == 0
    await accepted(app.store, replay.ends(at=NOW))
    assert (await Retention(app.store, FAR, None).sweep()).runs == 2


async def test_a_child_stays_as_long_as_its_parent_goes_on(app: App) -> None:
    store: Store = app.store
    await enlisted(store, "other")
    parent, child = Told("p", worker="other"), Told("q", worker="other")
    await accepted(store, parent.begins(), child.begins(parent="p"), child.ends())
    assert (await Retention(store, FAR, None).sweep()).runs == 0
    await accepted(store, parent.ends())
    assert (await Retention(store, FAR, None).sweep()).runs == 2


async def test_candidates_are_told_and_nothing_is_done(app: App) -> None:
    run_id, _other = await ended(app, "plain"), await waiting(app)
    assert [row.run_id for row in await Retention(app.store, FAR, None).candidates()] == [run_id]
    assert (await app.row(run_id)).run_id == run_id


@pytest.mark.parametrize("change", DAMAGES)
async def test_a_run_with_a_damaged_journal_stays_and_is_named(
    on_disk: App, path: Path, tmp_path: Path, change: str
) -> None:
    whole, damaged = await ended(on_disk, "plain"), await ended(on_disk, "plain")
    with beside(path) as connection:
        connection.execute(change, (damaged,))
    swept = await Retention(on_disk.store, FAR, Archive(tmp_path / "a.ndjson"), batch=1).sweep()
    assert [(each.run_id, each.seq) for each in swept.kept] == [(damaged, 3)]
    assert (swept.runs, list(read(tmp_path / "a.ndjson"))) == (1, [whole])
    assert (await on_disk.row(damaged)).run_id == damaged
