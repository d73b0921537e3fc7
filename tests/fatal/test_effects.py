"""Calls to the outside that must not be repeated, and those that may be, under the same key."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import pytest

from openrun.app import DurableRun
from openrun.core.effects import EffectStatus
from openrun.core.events import FlowPaused, ReviewRequested, ReviewResolved, StepStarted
from openrun.core.types import Json, RunStatus
from openrun.runtime.errors import EffectSettled
from openrun.store.rows import EffectRow, RunRow

from .fleet import Fleet, a_fleet, until
from .flows import Part, a_row, call, errand
from .process import Death
from .test_restarts import proof_of_work, working_on

ONCE: Part = {"kind": "at_most_once"}
PROCESSES, RUNS = 20, 60
AT_ONCE = 6
OPEN = (EffectStatus.STARTED, EffectStatus.UNKNOWN)


def whole(receiver: str, **more: Any) -> Part:
    """A step that may run once, and whose call the ledger knows nothing of."""
    config: Json = {"receiver": receiver, "path": "charge"}
    return {"id": "pay", "type": "bare", "effect": "at_most_once", "config": config, **more}


async def rows_of(fleet: Fleet, run: DurableRun) -> dict[str, EffectRow]:
    """The effects of a run, by name."""
    return {row.name: row for row in await fleet.app.ledger.effects(run_id=run.run_id)}


async def values_of(fleet: Fleet, run: DurableRun) -> list[Json]:
    """What the effects of the run's only errand brought."""
    row = await fleet.ended(run)
    assert row.status is RunStatus.SUCCEEDED
    state: Any = (await fleet.app.past(run.run_id)).state(row.seq)
    values: list[Json] = state["steps"]["pay"]
    return values


async def killed_in(fleet: Fleet, path: str, *parts: Part) -> DurableRun:
    """A run whose worker was killed while the receiver had its request to this path."""
    fleet.receiver.hold(path)
    run = await fleet.start(a_row("pay", *parts))
    worker = await working_on(fleet, path)
    await worker.kill()
    return run


async def in_doubt(fleet: Fleet, run: DurableRun, path: str = "charge") -> EffectRow:
    """Wait until a person has to look at an effect; workers repeat nothing meanwhile."""
    await fleet.stands(run, RunStatus.NEEDS_REVIEW)
    calls = fleet.receiver.paths[path]
    await proof_of_work(fleet)
    assert fleet.receiver.paths[path] == calls
    (row,) = (each for each in (await rows_of(fleet, run)).values() if each.name == path)
    asked = await fleet.has(run, ReviewRequested)
    assert (asked.key, asked.reason) == (row.key, "unknown_outcome")
    return row


async def test_twenty_processes_execute_each_effect_once(fleet: Fleet) -> None:
    flow = a_row("pay", errand(fleet.receiver.address, "pay", "charge", config=ONCE))
    await asyncio.gather(*(fleet.worker(lease=30.0) for _ in range(PROCESSES)))
    runs = await asyncio.gather(*(fleet.start(flow) for _ in range(RUNS)))
    rows = await asyncio.gather(*(fleet.ended(run) for run in runs))
    assert {row.status for row in rows} == {RunStatus.SUCCEEDED}
    assert fleet.receiver.paths == {"charge": RUNS}
    assert set(fleet.receiver.keys.values()) == {1}
    effects = await fleet.app.ledger.effects(limit=10 * RUNS)
    assert {row.key for row in effects} == set(fleet.receiver.keys)
    assert Counter(row.run_id for row in effects) == {run.run_id: 1 for run in runs}
    assert {(row.status, row.attempt) for row in effects} == {("committed", 1)}
    await fleet.check()


@pytest.mark.parametrize("happened", [True, False])
async def test_a_charge_whose_worker_died_is_never_repeated_and_a_person_says_what_became_of_it(
    fleet: Fleet, happened: bool
) -> None:
    here = fleet.receiver.address
    parts = [errand(here, "pay", "reserve", "charge", "ship", config=ONCE), call(here, "mail")]
    run = await killed_in(fleet, "charge", *parts)
    await fleet.worker()
    row = await in_doubt(fleet, run)
    for _ in range(2):
        await fleet.worker()
    await proof_of_work(fleet)
    assert fleet.receiver.paths == {"reserve": 1, "charge": 1}

    await fleet.app.ledger.resolve(row.key[:12], committed=happened, value={"receipt": 7}, by="ada")
    if not happened:
        await fleet.receiver.reached("charge", 2)
        fleet.receiver.answer("charge", {"receipt": 8})
    values = await values_of(fleet, run)
    assert values == ["done", {"receipt": 7 if happened else 8}, "done"]
    assert fleet.receiver.paths == {"reserve": 1, "charge": 1 if happened else 2, "ship": 1, "mail": 1}
    assert set(fleet.receiver.keys_of("charge")) == {row.key}
    settled = (await rows_of(fleet, run))["charge"]
    assert (settled.status, settled.attempt) == ("committed", 1 if happened else 2)
    with pytest.raises(EffectSettled):
        await fleet.app.ledger.resolve(row.key, committed=False)
    await fleet.check()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_wherever_a_worker_dies_nobody_is_charged_twice(
    fresh: Callable[[], str], when: Literal["before", "after"]
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(commit: int) -> bool:
        async with places, a_fleet(fresh()) as fleet:
            flow = a_row("pay", errand(fleet.receiver.address, "pay", "charge", "ship", config=ONCE))
            run = await fleet.start(flow)
            worker = await fleet.worker(death=Death(when=when, commit=commit))
            died = await fleet.ends_or_dies(run, worker)
            await fleet.worker()
            await _settled_by_the_receiver(fleet, run)
            assert fleet.receiver.paths == {"charge": 1, "ship": 1}, f"{when} commit {commit}"
            await fleet.check()
            return died

    deaths = await asyncio.gather(*(one(number) for number in range(1, 8)))
    assert sum(deaths) >= 3


async def _settled_by_the_receiver(fleet: Fleet, run: DurableRun) -> None:
    """Let the run end; what is in doubt took place if the receiver had it."""

    async def over() -> RunRow | None:
        row = await fleet.app.row(run.run_id)
        if row.status is RunStatus.NEEDS_REVIEW:
            for effect in await fleet.app.ledger.effects(run_id=run.run_id, status=OPEN):
                happened = effect.key in fleet.receiver.keys
                # What was said the last time may have been heard since.
                with contextlib.suppress(EffectSettled):
                    await fleet.app.ledger.resolve(effect.key, committed=happened, value="done")
        return row if row.status is RunStatus.SUCCEEDED else None

    await until(over)


@pytest.mark.parametrize("kind", ["external", "idempotent"])
async def test_an_effect_that_may_be_repeated_is_repeated_under_its_key(fleet: Fleet, kind: str) -> None:
    run = await killed_in(
        fleet, "mail", errand(fleet.receiver.address, "pay", "first", "mail", config={"kind": kind})
    )
    await fleet.worker()
    await fleet.receiver.reached("mail", 2)
    fleet.receiver.answer("mail", "sent")
    assert await values_of(fleet, run) == ["done", "sent"]
    assert fleet.receiver.paths == {"first": 1, "mail": 2}
    row = (await rows_of(fleet, run))["mail"]
    assert fleet.receiver.keys_of("mail") == [row.key, row.key]
    assert row.status == "committed"
    await fleet.check()


async def test_a_request_is_repeated_under_the_key_that_the_ledger_has(fleet: Fleet) -> None:
    run = await killed_in(fleet, "order", call(fleet.receiver.address, "order"))
    await fleet.worker()
    await fleet.receiver.reached("order", 2)
    fleet.receiver.answer("order")
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
    (row,) = await fleet.app.ledger.effects(run_id=run.run_id)
    assert fleet.receiver.keys_of("order") == [row.key, row.key]
    assert (row.name, row.effect, row.status) == ("request", "external", "committed")
    await fleet.check()


@pytest.mark.parametrize("happened", [True, False])
async def test_a_request_that_may_be_sent_once_waits_for_a_person(fleet: Fleet, happened: bool) -> None:
    run = await killed_in(fleet, "order", call(fleet.receiver.address, "order", effect="at_most_once"))
    await fleet.worker()
    await fleet.stands(run, RunStatus.NEEDS_REVIEW)
    (row,) = await fleet.app.ledger.effects(run_id=run.run_id)
    await fleet.app.ledger.resolve(row.key, committed=happened, value={"data": "paid"})
    if not happened:
        await fleet.receiver.reached("order", 2)
        fleet.receiver.answer("order", "paid")
    end = await fleet.ended(run)
    state: Any = (await fleet.app.past(run.run_id)).state(end.seq)
    assert state["steps"]["order"]["data"] == "paid"
    assert fleet.receiver.keys_of("order") == [row.key] * (1 if happened else 2)
    await fleet.check()


async def test_an_empty_result_is_a_result(fleet: Fleet) -> None:
    empty: dict[str, Json] = {"none": None, "text": "", "object": {}, "zero": 0, "no": False, "list": []}
    fleet.receiver.says.update(empty)
    run = await killed_in(fleet, "last", errand(fleet.receiver.address, "pay", *empty, "last", config=ONCE))
    await fleet.worker()
    row = await in_doubt(fleet, run, "last")
    await fleet.app.ledger.resolve(row.key, committed=True, value=None)
    assert await values_of(fleet, run) == [*empty.values(), None]
    assert fleet.receiver.paths == dict.fromkeys([*empty, "last"], 1)
    await fleet.check()


async def test_effects_before_a_kill_are_not_repeated_between_them_nor_behind_them(fleet: Fleet) -> None:
    fleet.receiver.hold("two", "behind")
    parts = errand(fleet.receiver.address, "pay", "one", "two", "behind")
    run = await fleet.start(a_row("pay", parts))
    for path in ("two", "behind"):
        worker = await working_on(fleet, path)
        await worker.kill()
        worker = await working_on(fleet, path, 2)
        fleet.receiver.answer(path, path)
        if path == "two":
            await fleet.receiver.reached("behind")
            await worker.kill()
    assert await values_of(fleet, run) == ["done", "two", "behind"]
    assert fleet.receiver.paths["one"] == 1
    assert fleet.receiver.paths["two"] == 2
    assert len(set(fleet.receiver.keys)) == 3
    await fleet.check()


@pytest.mark.parametrize("step", ["effect", "whole step"])
async def test_a_time_out_of_what_may_happen_once_is_unknown_and_not_retried(fleet: Fleet, step: str) -> None:
    fleet.receiver.hold("charge")
    here = fleet.receiver.address
    soon: Json = {"max_attempts": 3, "base_ms": 10, "jitter": 0}
    part = whole(here) if step == "whole step" else errand(here, "pay", "charge", config=ONCE)
    run = await fleet.start(a_row("pay", {**part, "timeout": 0.5, "retry": soon}))
    await fleet.worker()
    await fleet.stands(run, RunStatus.NEEDS_REVIEW)
    await proof_of_work(fleet)
    facts = await fleet.app.facts(run.run_id)
    assert sum(isinstance(each, StepStarted) and each.step_id == "pay" for each in facts) == 1
    assert fleet.receiver.paths == {"charge": 1}
    if step == "effect":
        row = await in_doubt(fleet, run)
        assert row.status == "unknown"
        await fleet.app.ledger.resolve(row.key, committed=True, value="paid")
        assert await values_of(fleet, run) == ["paid"]
    else:
        await fleet.app.resolve(run.run_id, "pay", committed=True, output=["paid"])
        assert await values_of(fleet, run) == ["paid"]
    assert fleet.receiver.paths == {"charge": 1}
    await fleet.check()


@pytest.mark.parametrize("said", ["committed", "absent", "unknown"])
async def test_what_looking_it_up_says_of_a_charge_counts_after_a_kill(fleet: Fleet, said: str) -> None:
    fleet.receiver.says["verify/charge"] = {"status": said, "value": "looked up"}
    run = await killed_in(
        fleet, "charge", errand(fleet.receiver.address, "pay", "charge", config={**ONCE, "looks": True})
    )
    await fleet.worker()
    if said == "absent":
        await fleet.receiver.reached("charge", 2)
        fleet.receiver.answer("charge", "charged")
    if said == "unknown":
        row = await in_doubt(fleet, run)
        await fleet.app.ledger.resolve(row.key, committed=True, value="found")
    brought = {"committed": "looked up", "absent": "charged", "unknown": "found"}[said]
    assert await values_of(fleet, run) == [brought]
    assert fleet.receiver.paths == {"charge": 2 if said == "absent" else 1, "verify/charge": 1}
    assert len(set(fleet.receiver.keys_of("charge"))) == 1
    assert (await rows_of(fleet, run))["charge"].status == "committed"
    await fleet.check()


async def test_other_arguments_under_the_same_key_are_an_error(fleet: Fleet) -> None:
    config: Part = {"kind": "external", "fickle": True}
    run = await killed_in(
        fleet, "second", errand(fleet.receiver.address, "pay", "first", "second", config=config)
    )
    await fleet.worker()
    row = await fleet.ended(run)
    assert row.status is RunStatus.FAILED
    assert row.error is not None
    assert row.error.startswith("EFFECT_ARGS_CHANGED: effect 'first'")
    assert {path: fleet.receiver.paths[path] for path in ("first", "second")} == {"first": 1, "second": 1}
    await fleet.check()


async def test_a_resolve_that_comes_before_anybody_asked_for_it_counts(fleet: Fleet) -> None:
    run = await killed_in(fleet, "charge", errand(fleet.receiver.address, "pay", "charge", config=ONCE))
    (row,) = await fleet.app.ledger.effects(run_id=run.run_id)
    await fleet.app.ledger.resolve(row.key, committed=True, value="paid")
    await fleet.worker()
    assert await values_of(fleet, run) == ["paid"]
    assert fleet.receiver.paths == {"charge": 1}
    await fleet.check()


async def test_a_charge_that_did_not_take_place_is_not_made_while_its_run_is_paused(fleet: Fleet) -> None:
    run = await killed_in(fleet, "charge", errand(fleet.receiver.address, "pay", "charge", config=ONCE))
    await fleet.worker()
    row = await in_doubt(fleet, run)
    await fleet.app.pause(run.run_id)
    await fleet.has(run, FlowPaused)
    await fleet.app.ledger.resolve(row.key, committed=False)
    await fleet.has(run, ReviewResolved)
    for _ in range(2):
        await fleet.kill_all()
        await fleet.worker()
        await proof_of_work(fleet)
    assert fleet.receiver.paths == {"charge": 1}
    await fleet.app.resume(run.run_id)
    await fleet.receiver.reached("charge", 2)
    fleet.receiver.answer("charge", "at last")
    assert await values_of(fleet, run) == ["at last"]
    await fleet.check()


@pytest.mark.parametrize("step", ["effect", "whole step"])
async def test_a_worker_that_leaves_in_the_middle_of_a_charge_does_not_have_it_repeated(
    fleet: Fleet, step: str
) -> None:
    fleet.receiver.hold("charge")
    here = fleet.receiver.address
    part = whole(here) if step == "whole step" else errand(here, "pay", "charge", config=ONCE)
    run = await fleet.start(a_row("pay", part))
    leaver = await fleet.worker(grace=0.1)
    await fleet.receiver.reached("charge")
    await leaver.retire()
    await fleet.worker()
    await fleet.stands(run, RunStatus.NEEDS_REVIEW)
    await proof_of_work(fleet)
    assert fleet.receiver.paths == {"charge": 1}
    await fleet.app.resolve(run.run_id, "pay", committed=True, output=["paid"])
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
    assert fleet.receiver.paths == {"charge": 1}
    await fleet.check()


async def test_a_zombie_cannot_commit_a_charge_that_a_person_looks_into(fleet: Fleet) -> None:
    fleet.receiver.hold("charge")
    run = await fleet.start(a_row("pay", errand(fleet.receiver.address, "pay", "charge", config=ONCE)))
    zombie = await working_on(fleet, "charge")
    zombie.signal(signal.SIGSTOP)
    await fleet.worker()
    row = await in_doubt(fleet, run)
    fleet.receiver.answer("charge", "by the zombie")
    zombie.signal(signal.SIGCONT)
    assert await zombie.heard() == ("lost", run.run_id)
    assert (await rows_of(fleet, run))["charge"].status == "unknown"
    await fleet.app.ledger.resolve(row.key, committed=True, value="by the person")
    assert await values_of(fleet, run) == ["by the person"]
    assert fleet.receiver.paths == {"charge": 1}
    await fleet.check()


@pytest.mark.parametrize("heard", ["before the restart", "after the restart"])
async def test_a_cancel_does_not_hide_a_charge_that_nobody_knows_about(fleet: Fleet, heard: str) -> None:
    run = await killed_in(fleet, "charge", errand(fleet.receiver.address, "pay", "charge", config=ONCE))
    if heard == "before the restart":
        await fleet.app.cancel(run.run_id, compensate=True)
        await fleet.worker()
    else:
        await fleet.worker()
        await fleet.stands(run, RunStatus.NEEDS_REVIEW)
        await fleet.app.cancel(run.run_id, compensate=True)
    row = await in_doubt(fleet, run)
    await fleet.app.ledger.resolve(row.key, committed=True, value="paid")
    assert (await fleet.ended(run)).status is RunStatus.CANCELLED
    assert (await rows_of(fleet, run))["charge"].status == "committed"
    assert fleet.receiver.paths == {"charge": 1}
    await fleet.check()


async def test_a_charge_that_cannot_be_looked_up_in_time_waits_for_a_person(fleet: Fleet) -> None:
    fleet.receiver.hold("verify/charge")
    part = errand(fleet.receiver.address, "pay", "charge", config={**ONCE, "looks": True}, timeout=1)
    run = await killed_in(fleet, "charge", part)
    await fleet.worker()
    row = await in_doubt(fleet, run)
    assert row.status in ("started", "unknown")
    await fleet.app.ledger.resolve(row.key, committed=True, value="paid")
    assert await values_of(fleet, run) == ["paid"]
    assert fleet.receiver.paths["charge"] == 1
    await fleet.check()
