"""Dead letters: failed runs that nobody above takes care of."""

import sqlite3

from openrun.store.rows import DeadLetter
from openrun.store.sqlite.connection import ask, look_up, tell, writing


def dead_letters(connection: sqlite3.Connection, limit: int, namespace: str | None) -> list[DeadLetter]:
    name = "dead_letters" if namespace is None else "dead_letters_of_namespace"
    return ask(connection, name, list[DeadLetter], limit=limit, namespace=namespace)


def dead_letter(connection: sqlite3.Connection, run_id: str) -> DeadLetter | None:
    return look_up(connection, "dead_letter", DeadLetter, run_id=run_id)


def discard(connection: sqlite3.Connection, run_id: str) -> bool:
    with writing(connection):
        return tell(connection, "discard", run_id=run_id) > 0
