"""Taking runs that are due: what nobody holds, and what is held under an expired lease."""

import sqlite3
from collections.abc import Sequence

import msgspec

from openrun.store.base import StoreError
from openrun.store.rows import Claim
from openrun.store.sqlite.admit import admit
from openrun.store.sqlite.alive import Alive
from openrun.store.sqlite.clock import Clocks
from openrun.store.sqlite.connection import as_json, ask, tell, writing


class Holder(msgspec.Struct, frozen=True, array_like=True):
    """A worker, what is left of its lease in ms (None: nobody knows), and whether it holds runs."""

    worker: str
    left: int | None
    holds: int

    @property
    def expired(self) -> bool:
        return self.left is None or self.left <= 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker asks for."""

    worker: str
    most: int
    without: tuple[str, ...] = ()
    alone: bool


def claim(connection: sqlite3.Connection, wanted: Wanted, clocks: Clocks, alive: Alive) -> list[Claim]:
    with writing(connection):
        now = clocks.now()
        holders = _holders(connection, clocks)
        if not any(each.worker == wanted.worker and not each.expired for each in holders):
            raise StoreError(f"worker {wanted.worker!r} has no valid lease")
        dead = [each.worker for each in holders if _died(each, wanted.worker, alive)]
        if dead:
            tell(connection, "end_leases", workers=as_json(dead), boot=clocks.boot())
            holders = _holders(connection, clocks)
        admit(connection, now, wanted.most)
        claims = _take(connection, wanted, _expired(holders, now), now)
        idle = [each.worker for each in holders if each.expired and not each.holds]
        if idle:
            tell(connection, "remove_idle_workers", boot=clocks.boot(), boot_id=clocks.boot_id)
    for worker in (*dead, *(each for each in idle if alive.is_dead(each))):
        alive.bury(worker)
    return claims


def waiting_alone(connection: sqlite3.Connection, without: tuple[str, ...], clocks: Clocks) -> int:
    now = clocks.now()
    expired = as_json(_expired(_holders(connection, clocks), now))
    return ask(connection, "count_due_alone", int, now=now, expired=expired, without=as_json(without))


def _holders(connection: sqlite3.Connection, clocks: Clocks) -> list[Holder]:
    return ask(connection, "holders", list[Holder], boot=clocks.boot(), boot_id=clocks.boot_id)


def _died(holder: Holder, asking: str, alive: Alive) -> bool:
    return (
        bool(holder.holds) and holder.worker != asking and not holder.expired and alive.is_dead(holder.worker)
    )


def _expired(holders: Sequence[Holder], now: int) -> list[tuple[str, int | None]]:
    """Workers whose runs are due, and since when (None: for longer than anybody knows)."""
    return [
        (each.worker, None if each.left is None else now + each.left)
        for each in holders
        if each.expired and each.holds
    ]


def _take(
    connection: sqlite3.Connection, wanted: Wanted, expired: list[tuple[str, int | None]], now: int
) -> list[Claim]:
    found = ask(
        connection,
        "due_alone" if wanted.alone else "due",
        list[tuple[str, int]],
        now=now,
        expired=as_json(expired),
        without=as_json(wanted.without),
        most=min(wanted.most, 1) if wanted.alone else wanted.most,
    )
    if not found:
        return []
    rows = as_json(found)
    tell(connection, "take", rows=rows, worker=wanted.worker)
    return ask(connection, "taken", list[Claim], rows=rows)
