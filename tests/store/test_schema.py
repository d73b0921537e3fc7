"""Migrations are numbered without a gap, and every query tells what it is for."""

from collections.abc import Callable
from importlib.resources import files

import pytest

from openrun.store.base import RefusedBySchema, Store
from openrun.store.rows import WaitFilter
from openrun.store.schema import check, migrations, query
from tests.store.given import NOTHING, Told, accepted, enlisted, everything, message

KINDS = ["sqlite", "postgres"]


@pytest.mark.parametrize("kind", KINDS)
def test_migrations_are_numbered_from_one_on(kind: str) -> None:
    found = migrations(kind)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    assert all(each.name and each.sql for each in found)


@pytest.mark.parametrize("opened", KINDS, indirect=True)
async def test_a_database_of_the_first_schema_is_upgraded_with_the_runs_in_it(
    opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = opened(), opened()
    place = {"EmbeddedStore": "sqlite.migrate"}.get(type(old).__mro__[1].__name__, "postgres.upgrade")
    with monkeypatch.context() as patch:
        patch.setattr(f"openrun.store.{place}.migrations", lambda kind: migrations(kind)[:1])
        await old.open()
        await enlisted(old, "w1")
        told, child = Told("r1"), Told("c1", worker=None, fence=0)
        # What says nothing of waits, effects, progress or compensations needs none of their tables.
        begins = told.begins(activations=(told.at("a"),), children=(child.begins(parent="r1"),))
        await accepted(old, begins, told.goes_on(3, messages=(message("c1", "m1"),)))
        await accepted(old, Told("r2").begins(), told.waits())
        before = (await old.run("r1"), await old.events("r1"), await old.activations("r1"))
        await old.close()
    await new.open()
    assert (await new.run("r1"), await new.events("r1"), await new.activations("r1")) == before
    assert await everything(new, "r3") == NOTHING
    told = Told("r2", seq=1, head=(await new.events("r2"))[0].hash)
    await accepted(new, told.goes_on(waits=(told.asks("w"),), effects=(told.calls("k"),)))
    assert [row.run_id for row in await new.waits(WaitFilter())] == ["r2"]
    await new.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_query_begins_with_a_sentence(kind: str) -> None:
    for file in (files("openrun.store") / "sql" / kind).iterdir():
        sentence, *rest = file.read_text(encoding="utf-8").splitlines()
        assert sentence.startswith("-- "), file.name
        assert rest, file.name
        text = query(kind, file.name.removesuffix(".sql"))
        assert text, file.name
        assert not text.startswith("--"), file.name
        assert not text.endswith(";"), file.name


def test_a_newer_database_is_refused() -> None:
    check(0, 3)
    check(3, 3)
    with pytest.raises(RefusedBySchema, match="newer"):
        check(4, 3)
