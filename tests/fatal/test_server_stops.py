"""A server that is asked to stop under load: who is answered is answered whole, and nothing is lost."""

import asyncio

from openrun.core.types import FINAL
from openrun.store.rows import RunFilter

from .courier import Address, Answer, Courier, bring
from .fleet import Fleet
from .flows import call
from .server_process import hooked, pure
from .serving import a_server, all_deliveries, all_ended

COURIERS = 50
ROUNDS = 3
"""Deliveries that each has had answered when the server is asked to stop."""


class Load:
    """Couriers that bring one delivery after the other, half of them over connections that they keep."""

    def __init__(self, address: Address, *paths: str) -> None:
        self.answers: dict[str, Answer] = {}
        self.unanswered: dict[str, str] = {}
        """The path of each."""
        self._warm = asyncio.Semaphore(0)
        self._tasks = [
            asyncio.ensure_future(self._bring(number, Courier(address, keeps=number % 2 == 0), paths))
            for number in range(COURIERS)
        ]

    @property
    def acknowledged(self) -> dict[str, str]:
        """The runs, by delivery."""
        return {name: each.run_id for name, each in self.answers.items() if each.acknowledges}

    async def warm(self) -> None:
        """Wait until every courier has been answered some times."""
        for _ in range(COURIERS):
            await self._warm.acquire()

    async def over(self) -> None:
        """Wait until all have found the server gone; raises for answers that were cut short."""
        await asyncio.gather(*self._tasks)

    async def _bring(self, number: int, courier: Courier, paths: tuple[str, ...]) -> None:
        count = 0
        try:
            while True:
                delivery_id, path = f"{number}-{count}", paths[count % len(paths)]
                answer = await courier.bring(path, delivery_id)
                if answer is None:
                    self.unanswered[delivery_id] = path
                    return
                self.answers[delivery_id] = answer
                count += 1
                if count == ROUNDS:
                    self._warm.release()
                if not answer.acknowledges:
                    return
        finally:
            courier.close()


async def test_a_server_that_is_asked_to_stop_under_load_loses_nothing(fleet: Fleet) -> None:
    fleet.receiver.hold("slow")
    await fleet.app.add_flow(hooked("slow", call(fleet.receiver.address, "slow")))
    await fleet.app.add_flow(hooked("later", *pure(delay=1.0)))
    await fleet.app.add_flow(hooked("now", *pure(), mode="respond"))
    member, address = await a_server(fleet, orders={"grace": 0.2})
    assert (await bring(address, "/slow", "slow")).acknowledges
    load = Load(address, "/later", "/now")
    await load.warm()
    await member.retire()
    # Idle connections and those not yet accepted may go without a word; every other request has its whole answer.
    await load.over()
    assert {each.status for each in load.answers.values()} <= {200, 202, 503}
    rows = {row.run_id: row for row in await fleet.app.store.runs(RunFilter(limit=100_000))}
    assert set(load.acknowledged.values()) <= set(rows)
    assert len(load.acknowledged) >= COURIERS * ROUNDS
    left = [row for row in rows.values() if row.status not in FINAL]
    assert len(left) > 1
    assert {row.worker for row in left} == {None}
    await gone_on(fleet, load)


async def gone_on(fleet: Fleet, load: Load) -> None:
    """The next process ends all that there is, and what had no answer is sent again and starts one run each."""
    member, address = await a_server(fleet)
    await fleet.receiver.reached("slow", 2)
    fleet.receiver.answer("slow")
    again = [await bring(address, path, delivery_id) for delivery_id, path in load.unanswered.items()]
    assert all(each.acknowledges for each in again)
    refused = sum(not each.acknowledges for each in load.answers.values())
    assert await all_ended(fleet) == 1 + len(load.answers) - refused + len(again)
    kept = {each.delivery_id: each.run_id for each in await all_deliveries(fleet)}
    assert load.acknowledged.items() <= kept.items()
    await member.retire()
    await fleet.check()
