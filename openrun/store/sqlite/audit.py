"""The audit log."""

import sqlite3
from collections.abc import Sequence

from openrun.store.audit import linked
from openrun.store.books import AuditFilter, AuditRow
from openrun.store.chain import GENESIS
from openrun.store.sqlite.connection import as_json, ask, look_up, tell, writing

_NEWEST = 2**62


def add(connection: sqlite3.Connection, rows: Sequence[AuditRow]) -> None:
    """The last row is read under the lock under which those that follow are written."""
    with writing(connection):
        last, head = look_up(connection, "audit_head", tuple[int, str]) or (0, GENESIS)
        tell(connection, "add_audit", rows=as_json(linked(rows, last=last, head=head)))


def audit(connection: sqlite3.Connection, wanted: AuditFilter) -> list[AuditRow]:
    return ask(
        connection,
        "audit" if wanted.namespace is None else "audit_of_namespace",
        list[AuditRow],
        namespace=wanted.namespace,
        actor=wanted.actor,
        action=wanted.action,
        before=_NEWEST if wanted.before is None else wanted.before,
        limit=wanted.limit,
    )
