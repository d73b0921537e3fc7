"""Renewing leases from a thread of its own."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from openrun.store.sqlite.clock import Clocks
from openrun.store.sqlite.faults import in_our_words
from openrun.store.sqlite.lane import Lane
from openrun.store.sqlite.lease import Place, give_lease

_NOWHERE = Place(host="", pid=0)


class SqliteRenewer:
    """Has a connection of its own, so that a long queue of writes cannot let a lease expire."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        path: Path,
        places: Mapping[str, Place],
        clocks: Clocks,
    ) -> None:
        self._connect = connect
        self._path = path
        self._places = places
        self._clocks = clocks
        self._connection: sqlite3.Connection | None = None

    def renew(self, worker: str, seconds: float) -> float:
        try:
            if self._connection is None:
                self._connection = self._connect()
            place = self._places.get(worker, _NOWHERE)
            return give_lease(self._connection, worker, seconds, place, self._clocks)
        except sqlite3.Error as error:
            raise in_our_words(error, self._path) from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class LaneRenewer:
    """Where there is one connection only, the lane that has it renews."""

    def __init__(self, lane: Lane, places: Mapping[str, Place], clocks: Clocks) -> None:
        self._lane = lane
        self._places = places
        self._clocks = clocks

    def renew(self, worker: str, seconds: float) -> float:
        place = self._places.get(worker, _NOWHERE)
        return self._lane.submit(
            lambda connection: give_lease(connection, worker, seconds, place, self._clocks)
        ).result()

    def close(self) -> None:
        """The lane is not ours to close."""
