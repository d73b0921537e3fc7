"""Whatever comes in whatever order: no limit is exceeded, and every run that waits starts in the end."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from openrun.store.memory import MemoryStore
from openrun.store.rows import Claim, Message
from openrun.store.tickets import AtLimit, LaneFilter, LaneRules, Ticket
from tests.store.given import NOW, Clock, Told, accepted, enlisted

KEYS = "abcd"
RULES = st.builds(
    LaneRules,
    limit=st.none() | st.integers(1, 2),
    total=st.none() | st.integers(1, 4),
    at_limit=st.sampled_from([AtLimit.QUEUE, AtLimit.QUEUE, *AtLimit]),
    rate=st.none() | st.integers(1, 3),
    period_ms=st.integers(1, 50),
    quiet_ms=st.sampled_from([0, 0, 0, 20]),
)
ACTS = st.tuples(
    st.sampled_from(["born", "born", "born", "claim", "claim", "end", "cancel"]),
    st.sampled_from(KEYS),
    st.integers(0, 20),
)


class Shop:
    """A store, and what one who watches it knows."""

    def __init__(self, rules: LaneRules) -> None:
        self.rules = rules
        self.clock = Clock(NOW)
        self.store = MemoryStore(now=self.clock)
        self.born: list[str] = []
        self.held: dict[str, Claim] = {}

    async def give_birth(self, key: str, priority: int) -> None:
        run_id = f"{key}{len(self.born):04}"
        ticket = Ticket(lane=key, pool="pool", key=key, rules=self.rules, priority=priority)
        self.born.append(run_id)
        await accepted(self.store, Told(run_id, worker=None, fence=0).begins(ticket=ticket))

    async def claim(self, most: int) -> None:
        claims = await self.store.claim("w1", most, alone=False)
        self.held |= {each.run_id: each for each in claims}

    async def end(self, number: int) -> bool:
        if not self.held:
            return False
        run_id = sorted(self.held)[number % len(self.held)]
        await accepted(self.store, Told.of(self.held.pop(run_id), "w1").ends())
        return True

    async def cancel(self, number: int) -> None:
        if self.born:
            run_id = self.born[number % len(self.born)]
            await self.store.post([Message(run_id=run_id, kind="cancel", key="c", body={"reason": "no"})])

    async def check(self) -> None:
        lanes = await self.store.lanes(LaneFilter())
        running = Counter({each.key: each.running for each in lanes})
        assert self.rules.limit is None or max(running.values(), default=0) <= self.rules.limit
        assert self.rules.total is None or running.total() <= self.rules.total
        assert await self.store.stray_tickets() == []
        assert await self.store.orphans() == []

    async def finish(self) -> None:
        """Time passes, and runs end, until nobody is left."""
        for _ in range(50 * len(self.born) + 10):
            await self.claim(3)
            await self.check()
            if not await self.end(0):
                at = await self.store.next_admission()
                if at is None:
                    break
                self.clock.at = max(self.clock.at, at)
        assert await self.store.lanes(LaneFilter()) == []
        assert {str(status) for status in await self.store.counts()} <= {"succeeded"}


async def act(rules: LaneRules, acts: list[tuple[str, str, int]]) -> None:
    shop = Shop(rules)
    await shop.store.open()
    await enlisted(shop.store, "w1")
    for what, key, number in acts:
        shop.clock.at += number
        match what:
            case "born":
                await shop.give_birth(key, number % 3)
            case "claim":
                await shop.claim(number % 4)
            case "end":
                await shop.end(number)
            case _:
                await shop.cancel(number)
        await shop.check()
    await shop.finish()
    await shop.store.close()


@settings(max_examples=60, deadline=None)
@given(RULES, st.lists(ACTS, min_size=1, max_size=40))
def test_no_limit_is_exceeded_and_nobody_waits_for_ever(
    rules: LaneRules, acts: list[tuple[str, str, int]]
) -> None:
    asyncio.run(act(rules, acts))
