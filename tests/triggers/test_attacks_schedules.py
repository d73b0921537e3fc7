"""Schedules that are there to hurt others."""

from collections import Counter
from collections.abc import Mapping, Sequence

from openrun.app import App
from openrun.core.types import Json
from openrun.flow import Flow
from openrun.steps.execution.set_state import StepSetState, StepSetStateConfig
from openrun.store.memory import MemoryStore
from openrun.store.rows import Slice
from openrun.store.timetable import Move, ScheduleRow, TickFilter, TickOutcome
from tests.triggers.test_scheduler import HOUR, Others, Time, a_schedule, scheduled

SWARM = 110
"""More schedules than are looked at in one go."""


class Watched(MemoryStore):
    """Remembers how often each flow's schedules had moved when that of `report` first did."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Counter[str] | None = None
        self._moved: Counter[str] = Counter()

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        if self.before is None and any(each.flow_id == "report" for each in moves):
            self.before = self._moved.copy()
        self._moved.update(each.flow_id for each in moves)
        return await super().move(moves)


async def test_many_backlogs_keep_no_other_schedule_waiting() -> None:
    store = Watched()
    time = Time(store)
    async with App(store, work=False) as app:
        for number in range(SWARM):
            done = StepSetState(id="done", config=StepSetStateConfig(values={"done": True}))
            swarm = Flow(name=f"swarm {number}")
            swarm.add_edge(a_schedule(interval=1, catch_up="none"), done)
            await app.space("evil").add_flow(swarm)
        await app.add_flow(scheduled(interval="1h"))
        time.now += HOUR
        await app.listening.scheduler.look()
    assert store.before is not None
    assert max(store.before.values()) <= 2


async def test_a_schedule_that_breaks_the_scheduler_stops_no_other() -> None:
    store = Watched()
    time = Time(store)
    async with App(store, work=False) as app:

        async def bear(row: ScheduleRow, payload: Mapping[str, Json]) -> Slice:
            if row.namespace == "evil":
                raise RecursionError("too deep")
            return await app.listening.scheduler.bear(row, payload)

        await app.space("evil").add_flow(scheduled())
        await app.add_flow(scheduled())
        time.now += HOUR
        await Others(app, bear).scheduler.look()
        (tick,) = await store.ticks(TickFilter(flow_id="report", trigger="night"))
        assert tick.outcome is TickOutcome.FIRED
