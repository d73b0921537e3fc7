"""A copy is checked before it is trusted."""

from pathlib import Path

import pytest

from openrun.app import App
from openrun.house.copy import back_up
from openrun.house.verify import verify
from openrun.store.base import StoreError
from openrun.store.sqlite import SqliteStore
from tests.house.given import ended
from tests.store.given import beside


async def test_a_copy_is_whole_and_can_be_opened(on_disk: App, tmp_path: Path) -> None:
    run_id = await ended(on_disk, "plain")
    target = tmp_path / "copy.db"
    found = await back_up(on_disk.store, target)
    assert (found.runs, found.faults) == (1, ())
    copy = SqliteStore(target)
    await copy.open()
    assert await copy.run(run_id) == await on_disk.row(run_id)
    assert (await verify(copy)).faults == ()
    await copy.close()
    assert not (tmp_path / "copy.db-wal").exists()


async def test_damage_is_found_in_the_copy(on_disk: App, path: Path, tmp_path: Path) -> None:
    run_id = await ended(on_disk, "plain")
    with beside(path) as connection:
        connection.execute("DELETE FROM events WHERE seq = 4")
    found = await back_up(on_disk.store, tmp_path / "copy.db")
    assert [(each.run_id, each.seq) for each in found.faults] == [(run_id, 4)]


async def test_a_file_that_is_there_is_never_written_over(on_disk: App, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(StoreError, match="exists already"):
        await back_up(on_disk.store, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"
