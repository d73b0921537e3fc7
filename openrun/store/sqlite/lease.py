"""Workers and their leases."""

import math
import sqlite3

import msgspec

from openrun.store.rows import WorkerRow
from openrun.store.sqlite.clock import Clocks
from openrun.store.sqlite.connection import ask, look_up, tell, writing

_LONG_AGO = -math.inf


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker runs."""

    host: str
    pid: int


def give_lease(
    connection: sqlite3.Connection, worker: str, seconds: float, place: Place, clocks: Clocks
) -> float:
    """Let the lease last that long from now; returns what was left of it in seconds."""
    with writing(connection):
        now = clocks.boot()
        lease = {"boot": now, "boot_id": clocks.boot_id}
        left = look_up(connection, "lease_left", int, worker=worker, **lease)
        until = now + round(seconds * 1000)
        tell(
            connection,
            "give_lease",
            worker=worker,
            until=until,
            boot_id=clocks.boot_id,
            host=place.host,
            pid=place.pid,
        )
    return _LONG_AGO if left is None else left / 1000


def retire(connection: sqlite3.Connection, worker: str, now: int) -> None:
    with writing(connection):
        tell(connection, "give_back_all", worker=worker, now=now)
        tell(connection, "remove_worker", worker=worker)


def workers(connection: sqlite3.Connection, clocks: Clocks) -> list[WorkerRow]:
    return ask(connection, "workers", list[WorkerRow], boot=clocks.boot(), boot_id=clocks.boot_id)
