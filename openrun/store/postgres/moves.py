"""What was decided about schedules: kept whole in one transaction, by those who knew how the schedules stood."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from openrun.store.base import StoreError
from openrun.store.postgres.again import until_alone
from openrun.store.postgres.commit import check
from openrun.store.postgres.faults import REFUSALS
from openrun.store.postgres.gather import columns, gather
from openrun.store.postgres.ledger import Ledger
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.record import record
from openrun.store.postgres.text import kept, kept_or_none
from openrun.store.rows import Duplicate, Slice, Stale
from openrun.store.timetable import Move, TickOutcome, TickRow

_KEY = ("namespace", "flow_id", "trigger")
_MOVED = (*_KEY, "cursor", "due_at", "revision")
_TICK = (*_KEY, "tick", "outcome", "run_id", "decided_at", "reason", "backfilled")
Key = tuple[str, str, str]
Place = tuple[str, str, str, int]


async def move(connection: Connection, moves: Sequence[Move]) -> list[bool]:
    """Keep moves; one that Postgres does not take is refused, and costs no other."""
    for each in moves:
        for birth in each.births:
            check(birth)
    try:
        return await until_alone(connection, partial(_try, moves=moves))
    except REFUSALS:
        return [await _alone(connection, each) for each in moves]


async def _alone(connection: Connection, its: Move) -> bool:
    try:
        return (await until_alone(connection, partial(_try, moves=[its])))[0]
    except REFUSALS:
        return False


async def _try(connection: Connection, *, moves: Sequence[Move]) -> list[bool]:
    async with connection.transaction(), connection.pipeline():
        keys = sorted({_key(each) for each in moves})
        found = await connection.execute(sql("lock_schedules"), columns(_KEY, keys))
        revisions: dict[Key, int] = {(ns, flow, its): at for ns, flow, its, at in await found.fetchall()}
        verdicts = [_moves_on(each, revisions) for each in moves]
        kept_moves = [each for each, is_kept in zip(moves, verdicts, strict=True) if is_kept]
        if kept_moves:
            await _keep(connection, kept_moves)
    return verdicts


def _moves_on(its: Move, revisions: dict[Key, int]) -> bool:
    """Whether the schedule is where it was, which it is no longer after this."""
    key = _key(its)
    if revisions.get(key) != its.revision:
        return False
    revisions[key] += 1
    return True


async def _keep(connection: Connection, moves: Sequence[Move]) -> None:
    births = [*_fresh(moves, await _fired(connection, moves))]
    messages = [message for each in moves for message in each.messages]
    elsewhere: dict[str, str] = {}
    if births or messages:
        ledger = Ledger(await gather(connection, births, messages))
        for birth in births:
            verdict = ledger.commit(birth)
            if isinstance(verdict, Duplicate):
                elsewhere[birth.run_id] = verdict.run_id
            elif isinstance(verdict, Stale):
                raise StoreError(f"a schedule cannot start run {birth.run_id!r}: {verdict.reason}")
        for message in messages:
            ledger.post(message)
        await record(connection, ledger)
    await connection.execute(sql("move_schedules"), columns(_MOVED, _moved(moves)))
    ticks = _newest(moves)
    if ticks:
        await connection.execute(
            sql("keep_ticks"), columns(_TICK, (_tick(each, elsewhere) for each in ticks))
        )


async def _fired(connection: Connection, moves: Sequence[Move]) -> set[Place]:
    """Those of their ticks that have fired before."""
    asked = sorted({_place(tick) for each in moves for tick in each.ticks if each.births})
    if not asked:
        return set()
    found = await connection.execute(sql("fired_ticks"), columns((*_KEY, "tick"), asked))
    return {(ns, flow, trigger, tick) for ns, flow, trigger, tick in await found.fetchall()}


def _fresh(moves: Sequence[Move], fired: set[Place]) -> Iterator[Slice]:
    """The runs of ticks that have not fired yet: no tick starts two."""
    for each in moves:
        again = set()
        for tick in each.ticks:
            if tick.outcome is TickOutcome.FIRED:
                (again.add(tick.run_id) if _place(tick) in fired else fired.add(_place(tick)))
        yield from (birth for birth in each.births if birth.run_id not in again)


def _newest(moves: Sequence[Move]) -> list[TickRow]:
    """One statement cannot write the same row twice: of several about the same tick the last, or the one that fired."""
    ticks: dict[Place, TickRow] = {}
    for tick in (tick for each in moves for tick in each.ticks):
        known = ticks.get(_place(tick))
        if known is None or known.outcome is not TickOutcome.FIRED:
            ticks[_place(tick)] = tick
    return [ticks[each] for each in sorted(ticks)]


def _key(its: Move) -> Key:
    return its.namespace, its.flow_id, kept(its.trigger)


def _place(its: TickRow) -> Place:
    return its.namespace, its.flow_id, kept(its.trigger), its.tick


def _moved(moves: Sequence[Move]) -> list[tuple[Any, ...]]:
    """Of several moves of one schedule the last one."""
    return [
        *{_key(each): (*_key(each), each.cursor, each.due_at, each.revision + 1) for each in moves}.values()
    ]


def _tick(row: TickRow, elsewhere: Mapping[str, str]) -> tuple[Any, ...]:
    run_id = row.run_id and elsewhere.get(row.run_id, row.run_id)
    reason = kept_or_none(row.reason)
    return (*_place(row), row.outcome.value, run_id, row.decided_at, reason, row.backfilled)
