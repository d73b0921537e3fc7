"""What slices tell of their runs, as notifications to those who subscribed."""

import sqlite3
from collections.abc import Iterable

from openrun.store.sqlite.connection import as_json, ask, tell
from openrun.store.sqlite.judge import Accepted
from openrun.store.sqlite.text import clean


def notify(connection: sqlite3.Connection, accepted: Iterable[Accepted], now: int) -> None:
    """Within a transaction, once the runs are written; where nobody has subscribed that is one question."""
    told = [(each.part.run_id, each.part.notices) for each in accepted if each.part.notices]
    if not told or not ask(connection, "subscribed", int):
        return
    rows = [
        (run_id, each.seq, clean(each.type), each.at, clean(each.data))
        for run_id, notices in told
        for each in notices
    ]
    tell(connection, "add_notifications", rows=as_json(rows), now=now)
