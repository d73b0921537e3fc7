"""What a server keeps beside runs: API keys, the audit log, answers it gave."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import asdict

from openrun.store.audit import linked
from openrun.store.base import StoreError
from openrun.store.books import AnswerRow, AuditFilter, AuditRow, KeyRow
from openrun.store.chain import GENESIS
from openrun.store.postgres.gather import columns
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.text import given, kept, place

_SCOPES = KeyRow.__struct_fields__.index("scopes")


async def add_key(connection: Connection, row: KeyRow) -> None:
    scopes = None if row.scopes is None else [kept(each) for each in row.scopes]
    added = await connection.execute(sql("insert_key"), {**_kept(row), "scopes": scopes})
    if added.rowcount:
        return
    known = await (await connection.execute(sql("key"), {"hash": row.hash})).fetchone()
    # One that was added by a call whose outcome was not known is there already.
    if known is None or known[0] != row.key_id:
        raise StoreError(f"there is a key {row.key_id!r} already, or one with the same hash: make a new one")


def as_keys(rows: Iterable[tuple[Any, ...]]) -> list[KeyRow]:
    return as_rows(KeyRow, (_with_scopes(list(row)) for row in rows))


async def add_audit(connection: Connection, rows: Sequence[AuditRow]) -> None:
    """The last row is read under the lock under which those that follow are written."""
    async with connection.transaction():
        await connection.execute(sql("lock_audit"))
        head = await (await connection.execute(sql("audit_head"))).fetchone()
        last, digest = head or (0, GENESIS)
        fresh = [tuple(_kept(each).values()) for each in linked(rows, last=last, head=digest)]
        await connection.execute(sql("insert_audit"), columns(AuditRow.__struct_fields__, fresh))


async def audit(connection: Connection, wanted: AuditFilter) -> list[AuditRow]:
    name = "audit" if wanted.namespace is None else "audit_of_namespace"
    cursor = await connection.execute(sql(name), _kept(wanted), prepare=False)
    return as_rows(AuditRow, await cursor.fetchall())


async def keep_answer(connection: Connection, row: AnswerRow, now: int) -> AnswerRow:
    where = {"place": place(row.scope, row.key), "now": now}
    async with connection.transaction():
        await connection.execute(sql("keep_answer"), {**_kept(row), **where})
        known = await (await connection.execute(sql("kept_answer"), where)).fetchall()
        await connection.execute(sql("forget_answers"), where)
    return next(iter(as_rows(AnswerRow, known)), row)


def _kept(row: KeyRow | AuditRow | AuditFilter | AnswerRow) -> dict[str, Any]:
    return {name: kept(its) if isinstance(its, str) else its for name, its in asdict(row).items()}


def _with_scopes(row: list[Any]) -> tuple[Any, ...]:
    if row[_SCOPES] is not None:
        row[_SCOPES] = [given(each) for each in row[_SCOPES]]
    return tuple(row)
