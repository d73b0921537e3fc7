"""What a server has acknowledged is kept, and one delivery starts one run, whatever dies and how often it comes.

OPENRUN_TEST_KILLS says how often each store's server is killed (300 is the bar; 15 keep the suite short).
"""

import asyncio
import os
import random
import signal
from typing import Literal

import pytest

from .courier import Address, Answer, Courier, bring
from .fleet import Fleet, Member
from .process import DIED
from .server_process import hooked, pure
from .serving import a_server, all_deliveries, all_ended

KILLS = int(os.environ.get("OPENRUN_TEST_KILLS", "15"))
TIMES = 50
AT_ONCE = 8


@pytest.mark.parametrize("mode", ["accepted", "respond"])
async def test_a_delivery_that_comes_fifty_times_at_once_to_two_servers_starts_one_run(
    fleet: Fleet, mode: str
) -> None:
    await fleet.app.add_flow(hooked("work", *pure(), mode=mode))
    servers = [await a_server(fleet) for _ in range(2)]
    asked = [bring(servers[number % 2][1], "/work", "same", {"n": 7}) for number in range(TIMES)]
    answers = await asyncio.gather(*asked)
    assert {each.status for each in answers} == {202 if mode == "accepted" else 200}
    (run_id,) = {each.run_id for each in answers}
    assert len({each.body for each in answers}) == 1
    assert sum(not each.replayed for each in answers) == 1
    assert await all_ended(fleet) == 1
    (kept,) = await all_deliveries(fleet)
    assert (kept.run_id, kept.delivery_id) == (run_id, "same")
    for member, _ in servers:
        await member.retire()
    await fleet.check()


@pytest.mark.parametrize("dies", ["before", "after"])
async def test_a_delivery_whose_server_died_as_it_was_kept_starts_one_run_when_it_comes_again(
    fleet: Fleet, dies: Literal["before", "after"]
) -> None:
    await fleet.app.add_flow(hooked("work", *pure(), mode="respond"))
    member, address = await a_server(fleet, dies=dies)
    assert await Courier(address).bring("/work", "once", {"n": 7}) is None
    assert await member.ended() == DIED
    kept = [each.run_id for each in await all_deliveries(fleet)]
    assert len(kept) == (dies == "after")
    member, address = await a_server(fleet)
    answer = await bring(address, "/work", "once", {"n": 7})
    assert (answer.status, answer.json, answer.replayed) == (200, {"n": 7}, dies == "after")
    assert kept in ([], [answer.run_id])
    assert await all_ended(fleet) == 1
    await fleet.check()


class Sender:
    """Whoever sends each delivery again and again, under its own id, until it is acknowledged."""

    def __init__(self) -> None:
        self.unanswered: list[str] = []
        self.acknowledged: dict[str, str] = {}
        """The run of each delivery."""
        self.sent = 0

    def due(self, count: int) -> list[str]:
        """What had no answer, and something new."""
        while len(self.unanswered) < count:
            self.unanswered.append(f"d{self.sent}")
            self.sent += 1
        return self.unanswered[:count]

    async def send(self, address: Address, count: int, *, killed: tuple[Member, int] | None = None) -> None:
        """Send so many at once; the server is killed the moment that so many of them were acknowledged."""
        heard = 0

        def hear(delivery_id: str, answer: Answer) -> None:
            nonlocal heard
            heard += 1
            if killed is not None and heard == killed[1]:
                killed[0].signal(signal.SIGKILL)
            assert answer.status == 202
            self.acknowledged[delivery_id] = answer.run_id

        async def one(delivery_id: str) -> None:
            await Courier(address).bring("/work", delivery_id, hear=lambda answer: hear(delivery_id, answer))

        await asyncio.gather(*map(one, self.due(count)))
        self.unanswered = [each for each in self.unanswered if each not in self.acknowledged]


async def test_kills_right_after_an_acknowledgement_lose_nothing_and_start_nothing_twice(
    fleet: Fleet,
) -> None:
    await fleet.app.add_flow(hooked("work", *pure(delay=0.05)))
    rng, sender = random.Random(5), Sender()  # noqa: S311
    for _ in range(KILLS):
        member, address = await a_server(fleet)
        # Also those of the lives before.
        await all_ended(fleet)
        await sender.send(address, AT_ONCE, killed=(member, rng.randint(1, AT_ONCE)))
        assert await member.ended() == -signal.SIGKILL
    member, address = await a_server(fleet)
    await sender.send(address, len(sender.unanswered))
    assert sender.unanswered == []
    assert await all_ended(fleet) == sender.sent == len(sender.acknowledged)
    kept = await all_deliveries(fleet)
    assert len(kept) == sender.sent
    assert {each.delivery_id: each.run_id for each in kept} == sender.acknowledged
    await member.retire()
    await fleet.check()
