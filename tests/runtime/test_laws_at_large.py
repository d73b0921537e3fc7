"""The same laws over a flow of items, a race, a loop, and two questions at once in one step."""

import asyncio
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrun import (
    Flow,
    JoinMode,
    Losers,
    RetryPolicy,
    Step,
    StepAbort,
    StepApproval,
    StepConditional,
    StepContext,
    StepForeach,
    StepWait,
    TriggerManual,
    step,
)
from openrun.core.asks import Ask, AskKind, Decision
from openrun.core.events import Fact
from openrun.core.replay import replay
from openrun.steps.catalog import StepCatalog
from openrun.steps.execution.approval import StepApprovalConfig
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.wait import StepWaitConfig
from tests.runtime.desk import Desk, answered, cancels, told
from tests.runtime.steps import body_of, catalog_of
from tests.runtime.test_laws import (
    HOUR,
    World,
    check_effects,
    check_end,
    check_order,
    check_undoing,
    each_owned,
    owned,
    picture,
    review,
)


class Large:
    """A flow of nearly everything there is, put together by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.world = World([chance.choice(["ok"] * 6 + ["slow", "lost", "refused"]) for _ in range(40)])
        self.act, self.pair = self._steps()
        self.catalog: StepCatalog = catalog_of(act=self.act, pair=self.pair)
        self.flow = self._flow()

    def _steps(self) -> tuple[Any, Any]:
        world, expires = self.world, self.chance.choice([None, HOUR / 2])

        @step
        async def act(context: StepContext, label: str) -> str:
            return str(await context.effect("act", world.call, label, effect="at_most_once"))

        @act.compensation
        async def unact(context: StepContext, label: str) -> None:
            await context.effect("unact", world.call, label)

        @step
        async def pair(context: StepContext) -> list[Any]:
            async def branch(key: str) -> list[Any]:
                said = await context.interrupt(key=key, expires=expires)
                return [said, await context.effect(key, world.call, key, effect="at_most_once")]

            return list(await asyncio.gather(branch("a"), branch("b")))

        @pair.compensation
        async def unpair(context: StepContext) -> None:
            await context.interrupt(key="really")
            await context.effect("unpair", world.call, "unpair")

        return act, pair

    def _flow(self) -> Flow:
        chance = self.chance
        flow = Flow(name="large", on_failure=chance.choice(["drain", "fail_fast"]), timeout=1_000 * HOUR)
        begin = flow.add_step(TriggerManual(id="start"))
        last = self.pair(id="pair", join_mode=JoinMode.ALL_DONE)
        for end in (self._items(flow, begin), self._race(flow, begin)):
            flow.add_edge(end, last)
        self._loop(flow, begin)
        flow.add_edge(last, self.act(id="tidy", label="tidy", always=True))
        return flow

    def _items(self, flow: Flow, begin: Step) -> Step:
        chance = self.chance
        agreed = StepApproval(id="agreed", config=StepApprovalConfig(title="<<item>>", expires="3h"))
        steps = [self.act(id="act", label="<<item>>"), agreed]
        if chance.random() < 0.2:
            steps.append(StepAbort(id="abort"))
        config = StepForeachConfig(
            items=["x", "y", "z"],
            concurrency=chance.choice([1, 2, 50]),
            body=body_of(*steps),
            on_item_error=chance.choice(["fail", "collect", "tolerate"]),
        )
        each = StepForeach(id="each", config=config, allow_failure=chance.random() < 0.3)
        flow.add_edge(begin, each)
        return each

    def _race(self, flow: Flow, begin: Step) -> Step:
        retry = RetryPolicy(max_attempts=3, base_ms=60_000)
        join: Step = self.act(
            id="join",
            label="join",
            join_mode=JoinMode.FIRST_SUCCESS,
            losers=self.chance.choice(list(Losers)),
        )
        runners: list[Step] = [
            StepWait(id="either", config=StepWaitConfig(signal=["s", "t"], timeout="5h")),
            StepWait(id="late", config=StepWaitConfig(signal="t", timeout="2h")),
            self.act(id="raced", label="raced", retry=retry),
        ]
        for each in runners:
            flow.add_edge(begin, each)
            flow.add_edge(each, join, each.ports[0])
        return join

    def _loop(self, flow: Flow, begin: Step) -> None:
        head = StepWait(id="head", config=StepWaitConfig(signal="next", timeout="1h"))
        more = StepConditional(
            id="more", config=StepConditionalConfig(left="<<steps.head.value>>", operator="equals", right=1)
        )
        flow.add_edge(begin, head)
        flow.add_edge(head, self.act(id="inside", label="inside"), "received")
        flow.add_edge("inside", more)
        flow.add_edge(more, head, "true")

    # -- what is done to it -----------------------------------------------------------------------

    async def disturb(self, desk: Desk) -> None:
        """One thing out of all that can be done to a run."""
        chance = self.chance
        match chance.randrange(24):
            case 0:
                await desk.cancel(compensate=chance.random() < 0.7, hard=chance.random() < 0.2)
            case 1:
                await desk.pause()
            case 2 | 3:
                await desk.resume()
            case 4:
                await desk.restart()
            case 5 | 6:
                await desk.crash()
            case 7 | 8:
                await review(desk, committed=chance.random() < 0.5)
            case 9 | 10 | 11:
                await desk.advance(chance.choice([1, 60, 60, HOUR]))
            case 12 | 13 | 14:
                await desk.signal(*chance.sample(["s", "t", "next"], 2), value=chance.randrange(2))
            case _:
                await self.answer_some(desk)

    async def answer_some(self, desk: Desk) -> None:
        asks = desk.asks
        some = self.chance.sample(asks, min(len(asks), self.chance.randrange(1, 4)))
        acts = [self.answer(ask) for ask in some]
        if self.chance.random() < 0.05:
            acts.append(cancels(compensate=True))
        await desk.say(*acts)

    def answer(self, ask: Ask) -> Any:
        refused = ask.kind in (AskKind.APPROVAL, AskKind.INPUT) and self.chance.random() < 0.1
        agreed = Decision.APPROVED if ask.kind is AskKind.APPROVAL else Decision.ANSWERED
        return answered(ask, "said", by="ada", decision=Decision.REJECTED if refused else agreed)

    async def bring_to_an_end(self, desk: Desk) -> None:
        for _ in range(200):
            if desk.over:
                return
            await desk.resume()
            await review(desk, committed=self.chance.random() < 0.5)
            if not desk.over:
                await desk.say(*(self.answer(ask) for ask in desk.asks), told("next", 0))
            if not desk.over:
                await desk.advance(HOUR)
        raise AssertionError(f"it never ends: {desk.facts[-5:]}")


async def live(chance: random.Random) -> None:
    large = Large(chance)

    def check(desk: Desk, _fact: Fact) -> None:
        folded = replay(desk.program.graph, desk.facts)
        assert picture(folded, desk.facts) == picture(desk.driver.machine, desk.facts)
        assert owned(folded, desk.facts)
        assert each_owned(folded, desk.facts)

    # Folding anew after each fact is dear, so only some of these runs are watched so closely.
    closely = check if chance.random() < 0.2 else None
    async with Desk(large.flow, catalog=large.catalog, on_fact=closely) as desk:
        for _ in range(chance.randrange(5, 40)):
            if not desk.over:
                await large.disturb(desk)
        await large.bring_to_an_end(desk)
        check_order(desk.facts)
        check_undoing(desk.facts)
        check_effects(large.world, desk.facts)
        check_end(desk.facts)
        assert desk.asks == []
        assert (desk.around.guards.running, desk.around.guards.waiting) == (0, 0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(chance=st.randoms(use_true_random=False))
def test_whatever_happens_to_a_large_run_it_keeps_the_laws_and_comes_to_its_end(
    chance: random.Random,
) -> None:
    asyncio.run(live(chance))
