"""Commits rows to `power.db` and acknowledges each after its commit: `python writer.py synchronous commits threads`.

Ends without closing anything, as a process does whose power fails.
"""

import os
import sqlite3
import sys
import threading

PAGES_BETWEEN_CHECKPOINTS = 10


def connect(synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect("power.db", isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BETWEEN_CHECKPOINTS}")
    return connection


def work(synchronous: str, acks: int, numbers: range) -> None:
    connection = connect(synchronous)
    for number in numbers:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO kept VALUES (?, ?)", (number, f"{number} " * 200))
        # Pages are freed and taken again, so that old content lies under new.
        connection.execute("DELETE FROM passing")
        connection.execute("INSERT INTO passing VALUES (?)", (bytes([number % 256]) * 6_000,))
        connection.execute("COMMIT")
        os.write(acks, f"{number}\n".encode())
        if number % 17 == 0:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def main(synchronous: str, commits: int, threads: int) -> None:
    acks = os.open("acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    connection = connect(synchronous)
    connection.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    connection.execute("CREATE TABLE passing (bytes BLOB NOT NULL)")
    workers = [
        threading.Thread(target=work, args=(synchronous, acks, range(first, commits, threads)))
        for first in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
