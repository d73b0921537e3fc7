"""What requests were answered, for those that come again."""

import sqlite3

from msgspec.structs import asdict

from openrun.store.books import AnswerRow
from openrun.store.sqlite.connection import look_up, tell, writing
from openrun.store.sqlite.text import clean


def kept_answer(connection: sqlite3.Connection, scope: str, key: str, now: int) -> AnswerRow | None:
    return look_up(connection, "kept_answer", AnswerRow, scope=clean(scope), key=clean(key), now=now)


def keep_answer(connection: sqlite3.Connection, row: AnswerRow, now: int) -> AnswerRow:
    texts = {name: clean(its) for name, its in asdict(row).items() if isinstance(its, str)}
    with writing(connection):
        tell(connection, "keep_answer", **asdict(row) | texts, now=now)
        known = kept_answer(connection, row.scope, row.key, now)
        tell(connection, "forget_answers", now=now)
    return known or row
