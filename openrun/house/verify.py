"""Are journals what was written? The first event that is not is named.

The hash chain of a run covers every event of it, and the run's row has the last hash; beyond that each event must
decode, stand in its place, and agree with the row about what the run is and whether it has ended. A journal is
read before its row, so that a run that goes on meanwhile is no fault.
"""

from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from openrun.core.events import Fact, FlowCompleted, FlowStarted, decode_fact
from openrun.core.types import FINAL
from openrun.house.roll import every_run
from openrun.store.base import Store, StoreError, StoreUnavailable
from openrun.store.chain import broken
from openrun.store.rows import EventRow, RunFilter, RunRow

_PAGE = 1_000
_GROUP = 100
_LARGE = 1_000_000
UNREADABLE = (StoreError, msgspec.MsgspecError, UnicodeError)
"""What a store raises over rows that nobody but a stranger can have written; `StoreUnavailable` is none of it."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of a run that is not as it was written."""

    run_id: str
    seq: int
    reason: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A whole journal; whoever keeps its last hash elsewhere notices when all of it is written anew."""

    run_id: str
    events: int
    hash: str


Checked = Fault | Head
"""What came of checking one run."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What came of checking many."""

    runs: int
    events: int
    faults: tuple[Fault, ...]
    heads: tuple[Head, ...] = ()
    """Of runs that were named."""


async def verify(store: Store, run_ids: Sequence[str] | None = None) -> Verified:
    """Check the journals of these runs, or of all; a run that is not there is not counted."""
    runs = events = 0
    faults: list[Fault] = []
    heads: list[Head] = []
    checked = _all(store) if run_ids is None else _some(store, run_ids)
    async for each in checked:
        runs += 1
        if isinstance(each, Fault):
            faults.append(each)
        else:
            events += each.events
            if run_ids is not None:
                heads.append(each)
    return Verified(runs=runs, events=events, faults=tuple(faults), heads=tuple(heads))


async def verify_newest(store: Store, most: int) -> Verified:
    """Check the journals of the newest runs."""
    return await verify(store, [row.run_id for row in await store.runs(RunFilter(limit=most))])


async def verify_run(store: Store, run_id: str) -> Checked | None:
    """Check one journal; None when the store has no such run."""
    rows: list[EventRow] = []
    while True:
        try:
            page = await store.events(run_id, len(rows) and rows[-1].seq, _PAGE)
        except StoreUnavailable:
            raise
        except UNREADABLE:
            return await _unreadable(store, run_id, rows)
        rows += page
        row = await store.run(run_id)
        if row is None:
            return None
        if not page or row.seq <= rows[-1].seq:
            return checked(row, rows)


def checked(row: RunRow, rows: Sequence[EventRow]) -> Checked:
    """What is to be said of a run, given its journal as it was no later than the row."""
    fault = journal_fault(row, rows) or _contradiction(row, rows)
    return fault or Head(run_id=row.run_id, events=row.seq, hash=row.hash)


def journal_fault(row: RunRow, rows: Sequence[EventRow]) -> Fault | None:
    """What is wrong with the journal itself, wherever the row says that the run stands."""
    damage = broken(rows[: row.seq], last=row.seq, head=row.hash)
    if damage is not None:
        return Fault(run_id=row.run_id, seq=damage.seq, reason=damage.reason)
    if len(rows) > row.seq:
        reason = f"event {row.seq + 1} is there, and the run counts {row.seq}"
        return Fault(run_id=row.run_id, seq=row.seq + 1, reason=reason)
    fence = 0
    for each in rows:
        wrong = _wrong(row, each) if each.fence >= fence else "its fence is older than the one before"
        if wrong is not None:
            return Fault(run_id=row.run_id, seq=each.seq, reason=f"event {each.seq}: {wrong}")
        fence = each.fence
    return None


def _contradiction(row: RunRow, rows: Sequence[EventRow]) -> Fault | None:
    """A run has ended exactly if its last event says so."""
    last = decode_fact(rows[-1].body)
    told = last.status if isinstance(last, FlowCompleted) else None
    if told is (row.status if row.status in FINAL else None):
        return None
    ended = f"says that the run has {told.value}" if told else "does not end the run"
    reason = f"event {row.seq} {ended}, and its row says {row.status.value}"
    return Fault(run_id=row.run_id, seq=row.seq, reason=reason)


async def _all(store: Store) -> AsyncIterator[Checked]:
    async for page in every_run(store):
        large = [row.run_id for row in page if row.bytes > _LARGE]
        small = [row for row in page if row.bytes <= _LARGE]
        for first in range(0, len(small), _GROUP):
            async for each in _together(store, small[first : first + _GROUP]):
                yield each
        async for each in _some(store, large):
            yield each


async def _together(store: Store, group: Sequence[RunRow]) -> AsyncIterator[Checked]:
    """Read small journals at once; one that looks wrong may only have grown, and is read again by itself."""
    run_ids = [row.run_id for row in group]
    try:
        journals = await store.journals(run_ids)
    except StoreUnavailable:
        raise
    except UNREADABLE:
        journals = {}
    again = []
    for row in group:
        found = checked(row, journals.get(row.run_id, ()))
        if isinstance(found, Fault):
            again.append(row.run_id)
        else:
            yield found
    async for each in _some(store, again):
        yield each


async def _some(store: Store, run_ids: Iterable[str]) -> AsyncIterator[Checked]:
    for run_id in run_ids:
        found = await verify_run(store, run_id)
        if found is not None:
            yield found


async def _unreadable(store: Store, run_id: str, before: Sequence[EventRow]) -> Fault:
    """Find the event at which the store gives up; those before it may be wrong themselves."""
    rows = list(before)
    try:
        while page := await store.events(run_id, len(rows) and rows[-1].seq, 1):
            rows += page
    except StoreUnavailable:
        raise
    except UNREADABLE:
        pass
    seq = len(rows) + 1
    damage = broken(rows, last=len(rows), head=rows[-1].hash if rows else "")
    if damage is not None:
        return Fault(run_id=run_id, seq=damage.seq, reason=damage.reason)
    return Fault(run_id=run_id, seq=seq, reason=f"event {seq} cannot be read")


def _wrong(row: RunRow, event: EventRow) -> str | None:
    try:
        fact = decode_fact(event.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return f"it is no event: {error}"
    if (fact.run_id, fact.seq, fact.flow_id) != (row.run_id, event.seq, row.flow_id):
        return f"it is event {fact.seq} of run {fact.run_id} of flow {fact.flow_id!r}"
    return _misplaced(row, fact)


def _misplaced(row: RunRow, fact: Fact) -> str | None:
    """Only the first begins the run, as its row says, and only the last may end it."""
    if (fact.seq == 1) is not isinstance(fact, FlowStarted):
        return "it is not what a journal begins with" if fact.seq == 1 else "the run starts a second time"
    if isinstance(fact, FlowStarted):
        said = (fact.version, fact.trigger, fact.parent_run_id)
        if said != (row.version, row.trigger, row.parent_run_id):
            return "the run's version, trigger or parent are not those it began with"
    if isinstance(fact, FlowCompleted) and fact.seq < row.seq:
        return "it ends the run, and more follows"
    return None
