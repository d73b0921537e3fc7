"""Limits over several processes that are killed: never exceeded, never lost, and given to nobody twice."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from openrun import Flow
from openrun.app import DurableRun
from openrun.core.types import RunStatus
from openrun.store.tickets import LaneFilter

from .fleet import Fleet
from .flows import Part, a_row, call

RUNS, KEYS, KILLS = 100, 20, 4
KEY = "<<body.key>>"
SUCCEEDED, CANCELLED = RunStatus.SUCCEEDED, RunStatus.CANCELLED


def imports(receiver: str, control: Part, flow_id: str = "import") -> Flow:
    """A run tells the receiver that it begins and that it ends, with a nap between."""
    name = "<<body.key>>/<<body.number>>"
    nap: Part = {"id": "nap", "type": "delay", "config": {"seconds": 0.02}}
    steps = (call(receiver, "begin", f"begin/{name}"), nap, call(receiver, "end", f"end/{name}"))
    return a_row(flow_id, *steps, flow_control=control)


async def ask(fleet: Fleet, key: str, number: int, **more: Any) -> DurableRun:
    return await fleet.app.start("import", input={"body": {"key": key, "number": number, **more}})


def most_at_once(calls: Sequence[tuple[str, str]]) -> Counter[str]:
    """The most runs that were between their begin and their end, by key, and of all under ""."""
    busy: dict[str, set[str]] = defaultdict(set)
    most: Counter[str] = Counter()
    over: set[str] = set()
    for path, _idempotency_key in calls:
        what, key, number = path.split("/")
        run = f"{key}/{number}"
        for place in (key, ""):
            if what == "begin":
                # What a dead process had on its way may come late.
                busy[place] |= {run} - over
                most[place] = max(most[place], len(busy[place]))
            else:
                over.add(run)
                busy[place].discard(run)
    return most


async def storm(fleet: Fleet, runs: int, kills: int) -> list[RunStatus]:
    """So many runs over 20 keys on two workers, one of which is killed again and again; how they end."""
    asked = (ask(fleet, f"k{number % KEYS}", number) for number in range(runs))
    started = await asyncio.gather(*asked)
    workers = [await fleet.worker(), await fleet.worker()]
    ending = asyncio.gather(*(each.finished() for each in started))
    for number in range(kills):
        seen = fleet.receiver.paths.total()
        going = asyncio.ensure_future(fleet.receiver.reached_in_all(seen + max(1, runs // (2 * kills))))
        either: list[asyncio.Future[Any]] = [ending, going]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        going.cancel()
        await workers[number % 2].kill()
        workers[number % 2] = await fleet.worker()
    async with asyncio.timeout(300):
        return [row.status for row in await ending]


async def assert_clean(fleet: Fleet) -> None:
    """No slot is held and nothing waits; the store may still forget when the last runs started."""
    rows = await fleet.app.store.lanes(LaneFilter())
    assert [(row.key, row.running, row.queued) for row in rows if row.running or row.queued] == []
    assert await fleet.app.store.stray_tickets() == []
    await fleet.check()


async def test_no_limit_is_exceeded_and_none_leaks_though_workers_are_killed(fleet: Fleet) -> None:
    control: Part = {"key": KEY, "concurrency": 2, "total": 8}
    await fleet.app.add_flow(imports(fleet.receiver.address, control))
    assert await storm(fleet, RUNS, KILLS) == [SUCCEEDED] * RUNS
    most = most_at_once(fleet.receiver.calls)
    assert most[""] <= 8
    assert max(most[key] for key in most if key) <= 2
    await assert_clean(fleet)


@pytest.mark.parametrize("policy", ["cancel_new", "cancel_running", "keep_newest"])
async def test_a_policy_that_turns_runs_away_keeps_the_limit_though_workers_are_killed(
    fleet: Fleet, policy: str
) -> None:
    control: Part = {"key": KEY, "concurrency": 1, "at_limit": policy}
    await fleet.app.add_flow(imports(fleet.receiver.address, control))
    ends = Counter(await storm(fleet, RUNS, 2))
    assert ends.keys() == {SUCCEEDED, CANCELLED}
    assert ends[SUCCEEDED] >= KEYS
    most = most_at_once(fleet.receiver.calls)
    if policy != "cancel_running":
        # One that is cancelled tells no end; that it comes before the begin of the next is told in memory's test.
        assert max(most[key] for key in most if key) == 1
    await assert_clean(fleet)


async def test_the_slots_of_a_dead_worker_go_to_nobody_but_who_takes_its_runs_over(fleet: Fleet) -> None:
    receiver = fleet.receiver
    receiver.hold("begin/acme/0", "begin/acme/1")
    await fleet.app.add_flow(imports(receiver.address, {"key": KEY, "concurrency": 1}))
    first, second = await ask(fleet, "acme", 0), await ask(fleet, "acme", 1)
    holder = await fleet.worker()
    await receiver.reached("begin/acme/0")
    await holder.kill()
    (lane,) = await fleet.app.store.lanes(LaneFilter())
    assert (lane.running, lane.queued) == (1, 1)
    other = await fleet.worker()
    await receiver.reached("begin/acme/0", 2)
    await sentinel(fleet)
    assert receiver.paths["begin/acme/1"] == 0
    receiver.answer("begin/acme/0")
    assert (await fleet.ended(first)).status is SUCCEEDED
    await receiver.reached("begin/acme/1")
    receiver.answer("begin/acme/1")
    assert (await fleet.ended(second)).status is SUCCEEDED
    assert other.alive
    await assert_clean(fleet)


async def test_a_killed_worker_takes_no_queued_run_with_it(fleet: Fleet) -> None:
    receiver = fleet.receiver
    receiver.hold("begin/acme/0")
    await fleet.app.add_flow(imports(receiver.address, {"key": KEY, "concurrency": 1}))
    runs = [await ask(fleet, "acme", number) for number in range(5)]
    workers = [await fleet.worker() for _ in range(2)]
    await receiver.reached("begin/acme/0")
    await fleet.app.cancel(runs[4].run_id)
    assert (await fleet.ended(runs[4])).status is CANCELLED
    for each in workers:
        await each.kill()
    await fleet.worker()
    await receiver.reached("begin/acme/0", 2)
    receiver.answer("begin/acme/0")
    assert [(await fleet.ended(run)).status for run in runs[:4]] == [SUCCEEDED] * 4
    begun = [path for path, _ in receiver.calls if path.startswith("begin/")]
    assert begun == ["begin/acme/0", *(f"begin/acme/{number}" for number in range(4))]
    await assert_clean(fleet)


async def test_a_debounce_gives_one_run_with_the_newest_input_though_its_worker_is_killed(
    fleet: Fleet,
) -> None:
    receiver = fleet.receiver
    await fleet.app.add_flow(imports(receiver.address, {"key": KEY, "debounce": {"period": "1s"}}))
    worker = await fleet.worker()
    runs = [await ask(fleet, "acme", number) for number in range(20)]
    await worker.kill()
    await fleet.worker()
    ends = [(await fleet.ended(run)).status for run in runs]
    assert ends == [*[CANCELLED] * 19, SUCCEEDED]
    assert {path for path, _ in receiver.calls} == {"begin/acme/19", "end/acme/19"}
    await assert_clean(fleet)


async def test_many_that_wait_under_one_key_do_not_come_before_another_keys_single_run(fleet: Fleet) -> None:
    receiver = fleet.receiver
    receiver.hold("begin/acme/0")
    await fleet.app.add_flow(imports(receiver.address, {"key": KEY, "concurrency": 1, "total": 2}))
    many = [await ask(fleet, "acme", 0)]
    await fleet.worker()
    await receiver.reached("begin/acme/0")
    for first in range(1, 2_000, 500):
        many += await asyncio.gather(*(ask(fleet, "acme", first + number) for number in range(500)))
    single = await ask(fleet, "globex", 0)
    assert (await fleet.ended(single)).status is SUCCEEDED
    assert set(receiver.paths) == {"begin/acme/0", "begin/globex/0", "end/globex/0"}
    (lane,) = await fleet.app.store.lanes(LaneFilter())
    assert (lane.key, lane.running, lane.queued) == ("acme", 1, 2_000)


async def sentinel(fleet: Fleet) -> None:
    """A run of a lane of its own has been admitted: so has all that may be."""
    assert (await fleet.ended(await ask(fleet, "sentinel", 0))).status is SUCCEEDED
