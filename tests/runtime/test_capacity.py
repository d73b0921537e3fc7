"""Places for calls: bounded, given in the order of asking, and never lost."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.errors import RateLimited
from openrun.runtime.capacity import Capacity
from openrun.testing import VirtualClock


class Visit:
    """Somebody who asks for a place, stays until told, and leaves the way it is told."""

    def __init__(self, capacity: Capacity, clock: VirtualClock, came: list["Visit"]) -> None:
        self._told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.inside = False
        self.refused = False
        self.task = asyncio.create_task(self._visit(capacity, clock, came))

    async def _visit(self, capacity: Capacity, clock: VirtualClock, came: list["Visit"]) -> None:
        clock.hold()
        try:
            async with capacity:
                came.append(self)
                self.inside = True
                try:
                    if not await self._told:
                        raise ValueError("the call failed")
                finally:
                    self.inside = False
        except RateLimited:
            self.refused = True
        finally:
            clock.release()

    def leave(self) -> None:
        if not self._told.done():
            self._told.set_result(True)

    def fail(self) -> None:
        if not self._told.done():
            self._told.set_result(False)

    def cancel(self) -> None:
        self.task.cancel()


class House:
    """Visits to one capacity."""

    def __init__(self, most: int, queue: int) -> None:
        self.clock = VirtualClock()
        self.capacity = Capacity(self.clock, most, queue, target="bank")
        self.came: list[Visit] = []
        self.visits: list[Visit] = []

    def ask(self) -> Visit:
        visit = Visit(self.capacity, self.clock, self.came)
        self.visits.append(visit)
        return visit

    @property
    def inside(self) -> int:
        return sum(visit.inside for visit in self.visits)

    async def empty(self) -> None:
        """Everybody leaves, in turns, until nobody is there."""
        for visit in self.visits:
            visit.leave()
        await asyncio.gather(*(visit.task for visit in self.visits), return_exceptions=True)


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_than_its_places_are_taken_at_once() -> None:
    house = House(most=2, queue=10)
    for _ in range(5):
        house.ask()
    await settle()

    assert (house.inside, house.capacity.running, house.capacity.waiting) == (2, 2, 3)

    await house.empty()
    assert len(house.came) == 5
    assert (house.capacity.running, house.capacity.waiting) == (0, 0)


async def test_places_are_given_in_the_order_of_asking() -> None:
    house = House(most=1, queue=10)
    visits = [house.ask() for _ in range(4)]
    await settle()
    visits[2].cancel()
    await settle()

    await house.empty()
    assert house.came == [visits[0], visits[1], visits[3]]


async def test_a_newcomer_does_not_overtake_one_whose_place_has_just_become_free() -> None:
    house = House(most=1, queue=10)
    first, second = house.ask(), house.ask()
    await settle()
    first.leave()
    third = house.ask()
    await settle()
    assert (second.inside, third.inside) == (True, False)

    await house.empty()
    assert house.came == [first, second, third]


async def test_who_comes_when_too_many_wait_is_turned_away_at_once() -> None:
    house = House(most=1, queue=2)
    for _ in range(3):
        house.ask()
    await settle()

    with pytest.raises(RateLimited, match="'bank'") as refusal:
        async with house.capacity:
            pass

    error = refusal.value.error
    assert (error.code, error.retryable, error.retry_after) == ("BACKPRESSURE", True, 1.0)
    assert error.details == {"depth": 2, "capacity": 1}
    assert (house.capacity.running, house.capacity.waiting) == (1, 2)
    await house.empty()


async def test_one_who_gives_up_waiting_makes_room_in_the_queue() -> None:
    house = House(most=1, queue=1)
    house.ask()
    waits = house.ask()
    await settle()
    waits.cancel()
    await settle()
    later = house.ask()
    await settle()

    assert not later.refused
    assert house.capacity.waiting == 1
    await house.empty()


async def test_a_place_handed_to_one_who_is_cancelled_in_that_moment_is_given_on() -> None:
    house = House(most=1, queue=10)
    async with house.capacity:
        second, third = house.ask(), house.ask()
        await settle()
    # The place is the second's by now, who has not woken up yet.
    second.cancel()
    await settle()

    assert second not in house.came
    assert third.inside
    await house.empty()
    assert house.capacity.running == 0


async def test_a_place_is_not_handed_to_one_who_was_cancelled_a_moment_before() -> None:
    house = House(most=1, queue=10)
    async with house.capacity:
        second, third = house.ask(), house.ask()
        await settle()
        second.cancel()
    await settle()

    assert third.inside
    await house.empty()
    assert house.capacity.running == 0


async def test_time_goes_on_for_those_who_wait_for_a_place() -> None:
    """Else nobody would get a place on a virtual clock whose holder waits for an instant."""
    house = House(most=1, queue=10)
    house.clock.hold()
    async with house.capacity:
        waits = house.ask()
        await settle()
        rung: list[float] = []
        house.clock.call_at(60.0, lambda: rung.append(house.clock.monotonic()))
        house.clock.release()
        await settle()
        assert rung == [60.0]
        house.clock.hold()
    # Held for the one who has the place now, before it has woken up.
    house.clock.call_at(90.0, lambda: rung.append(house.clock.monotonic()))
    house.clock.release()
    await settle()
    assert waits.inside
    assert rung == [60.0]
    await house.empty()


ACTS = st.lists(
    st.tuples(st.sampled_from(["ask", "leave", "fail", "cancel", "turn"]), st.integers(0, 30)), max_size=60
)


@given(most=st.integers(1, 3), queue=st.integers(0, 4), acts=ACTS)
def test_slots_return_to_zero_after_errors_and_cancellations(
    most: int, queue: int, acts: Sequence[tuple[str, int]]
) -> None:
    asyncio.run(visited(most, queue, acts))


async def visited(most: int, queue: int, acts: Sequence[tuple[str, int]]) -> None:
    house = House(most, queue)
    for act, whom in acts:
        if act == "turn":
            await asyncio.sleep(0)
        elif act == "ask" or not house.visits:
            house.ask()
        else:
            getattr(house.visits[whom % len(house.visits)], act)()
        assert house.inside <= house.capacity.running <= most
        assert house.capacity.waiting <= queue
    await settle()
    present = {visit for visit in house.visits if not visit.task.done()}
    assert house.inside == house.capacity.running == min(most, len(present))
    assert house.capacity.waiting == len(present) - house.inside

    await house.empty()
    assert (house.capacity.running, house.capacity.waiting) == (0, 0)
    if most == 1:
        # With more, one who finds a free place is inside before another has woken up to the place it was given.
        assert house.came == [visit for visit in house.visits if visit in house.came]
    assert house.clock._holds == 0
