"""The promise, checked over a whole store once the chaos is over."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openrun.core.events import ChildCompleted, FlowStarted, decode_fact
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.types import FINAL, RunStatus
from openrun.runtime.clock import SystemClock
from openrun.runtime.library import Library
from openrun.steps.catalog import StepCatalog
from openrun.store.base import Store
from openrun.store.opening import open_store
from openrun.store.rows import EventRow, RunFilter, RunRow
from tests.chaos.journals import Effects, Journal, Tally
from tests.chaos.receiver import calls
from tests.chaos.starts import Account, Ack
from tests.chaos.witness import claims, seen

_PAGE = 200


@dataclass
class Findings:
    """What came out of it."""

    runs: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    events: int = 0
    steps: int = 0
    acknowledged: int = 0
    calls: int = 0
    repeats: int = 0
    """Calls beyond one for each attempt."""
    takeovers: int = 0
    """How often a run changed hands while an attempt was under way."""
    violations: list[str] = field(default_factory=list)


async def check(store_url: str, room: Path) -> Findings:
    """Look at everything there is."""
    store = open_store(store_url)
    await store.open()
    try:
        return await _check(store, room)
    finally:
        await store.close()


async def _check(store: Store, room: Path) -> Findings:
    findings, tally = Findings(), Tally()
    library = Library(store, StepCatalog.builtin(), DEFAULT_LIMITS, SystemClock())
    rows: dict[str, RunRow] = {}
    journals: dict[str, Sequence[EventRow]] = {}
    async for page, events in _pages(store):
        for row in page:
            rows[row.run_id], journals[row.run_id] = row, events.get(row.run_id, [])
            activations = await store.activations(row.run_id, limit=10_000)
            journal = Journal(row, journals[row.run_id], activations)
            journal.count(tally)
            program = await library.program(row.flow_id, row.version)
            findings.violations += journal.violations(program.graph)
    acks = Account(room / "account").acks()
    told = calls(room / "calls")
    findings.violations += [
        *_kept(acks, rows, journals),
        *_unchanged(room, journals),
        *_guarded(room, journals),
        *_families(rows, journals),
        *_effects(told, tally.effects),
        *[f"run {run_id} is an orphan" for run_id in await store.orphans()],
        *[f"run {each.run_id} has ended, and a message waits for it" for each in await _waiting(store, rows)],
        *await _dead(store, rows),
    ]
    findings.runs, findings.by_status = len(rows), Counter(str(row.status) for row in rows.values())
    findings.events, findings.steps = tally.events, tally.steps
    findings.acknowledged, findings.calls = len(acks), sum(map(len, told.values()))
    findings.repeats = sum(
        max(0, len(told.get(key, ())) - its.attempts) for key, its in tally.effects.items()
    )
    findings.takeovers = sum(its.takeovers for its in tally.effects.values())
    return findings


async def _pages(store: Store) -> AsyncIterator[tuple[list[RunRow], Mapping[str, list[EventRow]]]]:
    before = None
    while page := await store.runs(RunFilter(before=before, limit=_PAGE)):
        yield page, await store.journals([row.run_id for row in page])
        before = page[-1].run_id


def _kept(
    acks: Iterable[Ack], rows: Mapping[str, RunRow], journals: Mapping[str, Sequence[EventRow]]
) -> Iterator[str]:
    """Every acknowledged start is a run, and every key is one run."""
    promised: dict[str, set[str]] = defaultdict(set)
    for ack in acks:
        promised[ack.key].add(ack.run_id)
        if ack.run_id not in rows:
            yield f"acknowledged run {ack.run_id} of {ack.key} is lost"
    made: dict[str, set[str]] = defaultdict(set)
    for run_id, row in rows.items():
        begun = decode_fact(journals[run_id][0].body)
        if row.parent_run_id is None and isinstance(begun, FlowStarted):
            made[begun.input["body"]["n"]].add(run_id)
    for key, run_ids in promised.items():
        if len(run_ids) > 1:
            yield f"{key} was acknowledged as several runs: {sorted(run_ids)}"
    for key, run_ids in made.items():
        if len(run_ids) > 1:
            yield f"{key} was started as several runs: {sorted(run_ids)}"


def _unchanged(room: Path, journals: Mapping[str, Sequence[EventRow]]) -> Iterator[str]:
    """Everything the witness ever saw is there still, as it was."""
    for run_id, seq, digest in seen(room):
        events = journals.get(run_id, ())
        if len(events) < seq or events[seq - 1].hash != digest:
            yield f"event {seq} of run {run_id} was seen, and is gone or changed"


def _guarded(room: Path, journals: Mapping[str, Sequence[EventRow]]) -> Iterator[str]:
    """Nothing is written under a fence once the run has been claimed under a later one."""
    for run_id, seq, fence in claims(room):
        for event in journals.get(run_id, ())[seq:]:
            if event.fence < fence:
                yield (
                    f"event {event.seq} of run {run_id} was written under fence {event.fence}, "
                    f"after the run had been claimed under fence {fence}"
                )


def _families(rows: Mapping[str, RunRow], journals: Mapping[str, Sequence[EventRow]]) -> Iterator[str]:
    """Children have a parent, and their parent has heard how they ended, once."""
    heard: Counter[str] = Counter()
    for events in journals.values():
        for fact in (decode_fact(each.body) for each in events):
            if isinstance(fact, ChildCompleted):
                heard[fact.child_run_id] += 1
                child = rows.get(fact.child_run_id)
                if child is not None and child.status is not fact.status:
                    yield f"child {child.run_id} has {child.status}; its parent heard {fact.status}"
    for row in rows.values():
        if row.parent_run_id is not None and row.parent_run_id not in rows:
            yield f"child {row.run_id} has no parent"
        if row.parent_run_id is not None and heard[row.run_id] != 1:
            yield f"the parent of child {row.run_id} heard of its end {heard[row.run_id]} times"


def _effects(told: Mapping[str, list[int]], effects: Mapping[str, Effects]) -> Iterator[str]:
    """What completed was seen; what was seen more often changed hands meanwhile."""
    for key in told.keys() - effects.keys():
        yield f"the receiver was called for effect {key}, which no journal knows"
    for key, its in effects.items():
        seen_calls = told.get(key, [])
        if len(seen_calls) > its.attempts + its.takeovers:
            yield (
                f"effect {key} was called {len(seen_calls)} times, with {its.attempts} attempts and "
                f"{its.takeovers} changes of hands"
            )
        for number in its.answered:
            if number not in seen_calls:
                yield f"effect {key} recorded the answer to call {number}, which was not its own"


async def _waiting(store: Store, rows: Mapping[str, RunRow]) -> Sequence[RunRow]:
    over = [row.run_id for row in rows.values() if row.status in FINAL]
    return [rows[each.run_id] for each in await store.waiting_messages(over)]


async def _dead(store: Store, rows: Mapping[str, RunRow]) -> list[str]:
    """Failed runs that have no parent are dead letters, and no others are."""
    failed = {
        row.run_id for row in rows.values() if row.status is RunStatus.FAILED and row.parent_run_id is None
    }
    letters = {each.run_id for each in await store.dead_letters(limit=len(rows) + 1)}
    return [f"run {run_id} is a dead letter, or should be one" for run_id in failed ^ letters]
