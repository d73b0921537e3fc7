"""What runs wait to be told from outside."""

import sqlite3
from itertools import chain
from typing import Any

from openrun.store.narrowing import merged, parts, waits_query
from openrun.store.rows import WaitFilter, WaitRow
from openrun.store.sqlite.connection import BEYOND, as_json, ask
from openrun.store.sqlite.text import clean_or_none

_FIRST = (-1, "")


def waits(connection: sqlite3.Connection, wanted: WaitFilter) -> list[WaitRow]:
    found = [ask(connection, waits_query(each), list[WaitRow], **_given(each)) for each in parts(wanted)]
    return found[0] if len(found) == 1 else merged(chain.from_iterable(found), wanted.limit)


def find(connection: sqlite3.Connection, prefix: str, limit: int, namespace: str | None) -> list[WaitRow]:
    given = {"first": prefix, "beyond": prefix + BEYOND, "limit": limit, "namespace": namespace}
    return ask(connection, "find_waits", list[WaitRow], **given)


def _given(wanted: WaitFilter) -> dict[str, Any]:
    at, after = wanted.after or _FIRST
    return {
        "open": wanted.open,
        "namespace": wanted.namespace,
        "kinds": as_json(wanted.kind) if wanted.kind else None,
        "kind": wanted.kind[0] if wanted.kind else None,
        "run_id": wanted.run_id,
        "name": clean_or_none(wanted.name),
        "correlation": None if wanted.name is None else clean_or_none(wanted.correlation),
        "at": at,
        "after": after,
        "limit": wanted.limit,
    }
