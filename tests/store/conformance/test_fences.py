"""Whatever holders, zombies and thieves do, and in whatever order: a run has one history."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrun.store import chain
from openrun.store.base import Store
from openrun.store.rows import Committed, Slice
from tests.store.given import Told, accepted, claimed, enlisted, lets_expire, renewed

WORKERS = ("w1", "w2", "w3")
ACTS = ("writes", "writes a lot", "repeats", "gives back", "dies", "comes back", "claims", "retires")
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(WORKERS), st.booleans()), max_size=25)
LAWS = settings(
    max_examples=25, suppress_health_check=list(HealthCheck), print_blob=True, derandomize=True, deadline=None
)


class Play:
    """Workers and the run they are after, each with what it believes; `fences` are those under which it was held."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.workers = {each: f"{run_id}-{each}" for each in WORKERS}
        self.beliefs: dict[str, Told] = {}
        self.offered: dict[str, Slice] = {}
        self.fences: list[int] = []
        self.written = 0

    async def begin(self) -> None:
        await enlisted(self.store, *self.workers.values())
        await accepted(self.store, told := Told(self.run_id, worker=None, fence=0).begins())
        self.written = len(told.events)

    async def act(self, act: str, worker: str, *, twice: bool) -> None:
        match act:
            case "claims":
                await self.claim(worker)
            case "dies":
                await lets_expire(self.store, self.workers[worker])
            case "comes back":
                await renewed(self.store, self.workers[worker], 600)
            case "retires":
                await self.store.retire(self.workers[worker])
                await enlisted(self.store, self.workers[worker])
            case _:
                await self.write(act, worker, twice=twice)

    async def claim(self, worker: str) -> None:
        await renewed(self.store, self.workers[worker], 600)
        for alone in (False, True):
            for claim in await claimed(self.store, self.workers[worker], alone=alone):
                if claim.run_id == self.run_id:
                    self.fences.append(claim.fence)
                    self.beliefs[worker] = Told.of(claim, self.workers[worker])

    async def write(self, act: str, worker: str, *, twice: bool) -> None:
        """In the belief that it holds the run."""
        if worker not in self.beliefs:
            return
        told = self.beliefs[worker].copy()
        offered = {
            "writes": lambda: told.goes_on(1, note=worker),
            "writes a lot": lambda: told.goes_on(3, note=worker),
            "gives back": lambda: told.waits(due_at=0),
            "repeats": lambda: self.offered.get(worker) or told.goes_on(1),
        }[act]()
        known = offered is self.offered.get(worker)
        rightful = await self.holds(offered)
        for _ in range(1 + twice):
            (verdict,) = await self.store.commit([offered])
        if known:
            assert isinstance(verdict, Committed)
            return
        assert isinstance(verdict, Committed) == rightful
        if rightful:
            self.written += len(offered.events)
            self.beliefs[worker] = told
            self.offered[worker] = offered

    async def holds(self, offered: Slice) -> bool:
        """Whether what is offered comes from the run's holder, in time and in its place."""
        row = await self.store.run(self.run_id)
        assert row is not None
        leased = any(
            each.worker == offered.worker and each.lease_ms > 0 for each in await self.store.workers()
        )
        place = (row.worker, row.fence, row.seq)
        return leased and place == (offered.worker, offered.fence, offered.first - 1)


async def check(play: Play) -> None:
    row = await play.store.run(play.run_id)
    events = await play.store.events(play.run_id)
    assert row is not None
    assert [each.seq for each in events] == list(range(1, play.written + 1))
    assert chain.broken(events, last=row.seq, head=row.hash) is None
    assert row.bytes == sum(len(each.body) for each in events)
    assert play.fences == sorted(set(play.fences))
    fences = [each.fence for each in events]
    assert fences == sorted(fences)
    assert set(fences) <= {0, *play.fences}


@pytest.fixture
def number() -> Callable[[], int]:
    """Examples share the store, so each has a run of its own."""
    numbers = iter(range(1_000_000))
    return lambda: next(numbers)


@LAWS
@given(steps=STEPS)
async def test_a_run_has_one_history_whatever_its_holders_do(
    store: Store, number: Callable[[], int], steps: list[tuple[str, str, bool]]
) -> None:
    play = Play(store, f"r{number():04}")
    await play.begin()
    for act, worker, twice in steps:
        await play.act(act, worker, twice=twice)
    await check(play)
