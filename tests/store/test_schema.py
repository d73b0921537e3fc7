"""Migrations are numbered without a gap, and every query tells what it is for."""

from importlib.resources import files

import pytest

from openrun.store.base import RefusedBySchema
from openrun.store.schema import check, migrations, query

KINDS = ["sqlite", "postgres"]


@pytest.mark.parametrize("kind", KINDS)
def test_migrations_are_numbered_from_one_on(kind: str) -> None:
    found = migrations(kind)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    assert all(each.name and each.sql for each in found)


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
