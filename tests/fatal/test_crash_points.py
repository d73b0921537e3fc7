"""Wherever a process dies, the run ends as if nothing had happened."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from openrun.core.events import StepCompleted
from openrun.core.types import RunStatus
from openrun.store.rows import RunFilter

from . import process
from .fleet import Fleet, a_fleet, until
from .flows import ten
from .process import Death

AT_ONCE = 3
CALLS = {"first": 1, "flaky": 2, "item/a": 1, "item/b": 1, "item/c": 1, "in_child": 1, "last": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What can be said of a run when it is over, times left out."""

    status: RunStatus
    state: dict[str, Any]
    output: Any
    below: "tuple[Course, ...]"


async def course(fleet: Fleet, run_id: str) -> Course:
    past, facts = await fleet.app.past(run_id), await fleet.app.facts(run_id)
    children = await fleet.app.store.runs(RunFilter(parent_run_id=run_id))
    return Course(
        status=(await fleet.app.row(run_id)).status,
        state=past.state(len(facts)),
        output=facts[-1].output,  # type: ignore[union-attr]
        below=tuple([await course(fleet, each.run_id) for each in children]),
    )


async def undisturbed(store: str) -> tuple[Course, int]:
    """The course of a run that nothing happens to, and how many commits its worker made."""
    async with a_fleet(store) as fleet:
        fleet.receiver.fail("flaky")
        worker = await fleet.worker()
        run = await fleet.start(*ten(fleet.receiver.address))
        assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
        commits = await worker.retire()
        assert fleet.receiver.paths == CALLS
        await fleet.check()
        return await course(fleet, run.run_id), commits


async def completed(fleet: Fleet) -> set[str]:
    """The activations that have a result on disk."""
    journals = (await fleet.journals()).values()
    return {each.activation_id for facts in journals for each in facts if isinstance(each, StepCompleted)}


async def gone_on(fleet: Fleet, run: Any) -> Course:
    """The course of a run that goes on after its worker died; what was completed then was not done again."""
    done = await completed(fleet)
    calls = Counter(fleet.receiver.keys)
    await fleet.worker()
    await fleet.ended(run)
    await fleet.check()
    assert {key: fleet.receiver.keys[key] for key in done} == {key: calls[key] for key in done}
    more = {path: count - CALLS[path] for path, count in fleet.receiver.paths.items()}
    assert set(more) == set(CALLS)
    assert set(more.values()) <= {0, 1}
    return await course(fleet, run.run_id)


async def struck(store: str, death: Death) -> tuple[Course, bool]:
    """The course of a run whose worker died so, and whether it did die."""
    async with a_fleet(store) as fleet:
        fleet.receiver.fail("flaky")
        run = await fleet.start(*ten(fleet.receiver.address))
        worker = await fleet.worker(death=death)
        died = await fleet.ends_or_dies(run, worker)
        return await gone_on(fleet, run), died


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_commit_changes_nothing(
    fresh: Callable[[], str], when: Literal["before", "after"]
) -> None:
    expected, commits = await undisturbed(fresh())
    places = asyncio.Semaphore(AT_ONCE)

    async def one(commit: int) -> bool:
        async with places:
            found, died = await struck(fresh(), Death(when=when, commit=commit))
            assert found == expected, f"{when} commit {commit}"
            return died

    assert commits >= 10
    deaths = await asyncio.gather(*(one(number) for number in range(1, commits + 1)))
    # How commits are shared depends on the moment: the last few may not come to be.
    assert sum(deaths) >= commits - 3


async def test_kills_at_any_moment_change_nothing(fresh: Callable[[], str]) -> None:
    expected, _ = await undisturbed(fresh())
    rng = random.Random(3)  # noqa: S311
    for _ in range(4):
        async with a_fleet(fresh()) as fleet:
            fleet.receiver.fail("flaky")
            run = await fleet.start(*ten(fleet.receiver.address))
            worker = await fleet.worker()
            await fleet.receiver.reached_in_all(rng.randint(1, sum(CALLS.values())))
            await asyncio.sleep(rng.random() * 0.1)
            await worker.kill()
            assert await gone_on(fleet, run) == expected


async def test_a_replay_calls_nothing_and_comes_to_the_same(fleet: Fleet) -> None:
    fleet.receiver.fail("flaky")
    run = await fleet.start(*ten(fleet.receiver.address))
    worker = await fleet.worker()
    await fleet.receiver.reached("item/b")
    await worker.kill()
    await fleet.worker()
    await fleet.ended(run)
    calls = fleet.receiver.paths.total()
    state, final = await fleet.member(process.replay, {}, run.run_id).heard()
    assert (state, final) == ((await course(fleet, run.run_id)).state, RunStatus.SUCCEEDED)
    assert fleet.receiver.paths.total() == calls


async def test_a_step_that_died_between_its_effect_and_its_record_sends_the_same_key_again(
    fleet: Fleet,
) -> None:
    fleet.receiver.hold("first")
    run = await fleet.start(*ten(fleet.receiver.address))
    worker = await fleet.worker()
    await fleet.receiver.reached("first")
    await worker.kill()
    await fleet.worker()
    await fleet.receiver.reached("first", 2)
    assert list(fleet.receiver.keys.values()) == [2]
    fleet.receiver.answer("first")
    await fleet.ended(run)
    assert fleet.receiver.paths["first"] == 2
    assert len(await until(lambda: completed(fleet))) > 0


@pytest.mark.parametrize("when", ["before", "after"])
async def test_workers_that_die_one_after_the_other_bring_the_run_to_the_same_end(
    fleet: Fleet, fresh: Callable[[], str], when: Literal["before", "after"]
) -> None:
    expected, _ = await undisturbed(fresh())
    fleet.receiver.fail("flaky")
    run = await fleet.start(*ten(fleet.receiver.address))
    end = asyncio.ensure_future(fleet.ended(run))
    deaths = 0
    while not end.done():
        worker = await fleet.worker(death=Death(when=when, commit=2))
        done, calls = await completed(fleet), Counter(fleet.receiver.keys)
        gone = asyncio.ensure_future(worker.ended())
        await asyncio.wait([end, gone], return_when=asyncio.FIRST_COMPLETED)
        deaths += gone.done()
        gone.cancel()
        assert {key: fleet.receiver.keys[key] for key in done} == {key: calls[key] for key in done}
    assert deaths >= 4
    assert await course(fleet, run.run_id) == expected
    await fleet.check()
