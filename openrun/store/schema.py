"""What a database is made with and asked with: numbered migrations and queries, each a `.sql` file of the package."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from openrun.store.base import RefusedBySchema, StoreError

_HERE = files("openrun.store")


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a schema, never changed once released."""

    number: int
    name: str
    sql: str


def migrations(kind: str) -> list[Migration]:
    """All migrations of this kind of database, from the first to the last."""
    found = sorted(
        (_migration(each) for each in (_HERE / "migrations" / kind).iterdir() if each.name.endswith(".sql")),
        key=lambda each: each.number,
    )
    numbers = [each.number for each in found]
    if numbers != list(range(1, len(found) + 1)):
        raise StoreError(f"the migrations of {kind!r} are not numbered 1, 2, 3 and so on, but {numbers}")
    return found


def _migration(file: Traversable) -> Migration:
    number, _, name = file.name.removesuffix(".sql").partition("_")
    return Migration(number=int(number), name=name, sql=file.read_text(encoding="utf-8"))


@cache
def query(kind: str, name: str) -> str:
    """A query without the sentence above it."""
    text = (_HERE / "sql" / kind / f"{name}.sql").read_text(encoding="utf-8")
    lines = text.splitlines()
    while lines and lines[0].startswith("--"):
        lines.pop(0)
    return "\n".join(lines).strip().rstrip(";")


def check(applied: int, known: int) -> None:
    """Refuse a database with more migrations than this OpenRun knows."""
    if applied > known:
        raise RefusedBySchema(
            f"the database was made by a newer OpenRun: its schema is at {applied}, this OpenRun knows {known}; "
            "use that OpenRun again, or a copy made before the upgrade"
        )
