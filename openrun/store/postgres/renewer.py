"""Renews a worker's lease from a thread of its own, over a connection of its own."""

import math
import threading
from collections.abc import Mapping

import psycopg
from psycopg.rows import TupleRow

from openrun.store.postgres.faults import translated
from openrun.store.postgres.link import SESSION, settings, sever
from openrun.store.postgres.queries import sql
from openrun.store.postgres.text import kept

_SECONDS = 8.0
"""The longest a renewal may take; a lease that is not renewed soon is lost anyway."""


class PostgresRenewer:
    """For one thread; connects when it first renews, and again after any fault."""

    def __init__(self, url: str, places: Mapping[str, tuple[str, int]]) -> None:
        self._url = url
        self._places = places
        self._connection: psycopg.Connection[TupleRow] | None = None

    def renew(self, worker: str, seconds: float) -> float:
        """Let the lease last from now on; returns what was left of it in seconds."""
        try:
            row = self._renewed(worker, seconds)
        except psycopg.Error as error:
            self.close()
            raise translated(error) from error
        left: float | None = None if row is None else row[0]
        return -math.inf if left is None else left

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _renewed(self, worker: str, seconds: float) -> TupleRow | None:
        host, pid = self._places.get(worker, ("", 0))
        if self._connection is None:
            self._connection = psycopg.connect(**{**settings(self._url), "connect_timeout": int(_SECONDS)})
            self._connection.execute(SESSION)
        alarm = threading.Timer(_SECONDS, sever, [self._connection])
        alarm.daemon = True
        alarm.start()
        try:
            return self._connection.execute(
                sql("renew"), {"worker": worker, "seconds": seconds, "host": kept(host), "pid": pid}
            ).fetchone()
        finally:
            alarm.cancel()
