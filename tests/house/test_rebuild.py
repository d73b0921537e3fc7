"""What a store keeps beside the journals follows from them, to the byte."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from openrun.app import App
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.types import RunStatus
from openrun.house.rebuild import Rebuilder, Rebuilt, activations_of, rows_of
from openrun.runtime.library import Library
from openrun.steps.catalog import StepCatalog
from openrun.store.rows import (
    CompensationRow,
    Derived,
    EffectFilter,
    EffectRow,
    Standing,
    WaitFilter,
    WaitRow,
)
from tests.house.given import DAMAGES, ended, of_all_kinds, of_people_and_money, waiting
from tests.store.given import Told, beside

WRONG = Standing(status=RunStatus.FAILED, updated_at=1, ended_at=2, error="untrue")


def wrong(run_id: str, **rows: Any) -> Derived:
    """What does not follow from the run's events."""
    return Derived(run_id=run_id, standing=WRONG, **rows)


async def rebuilt(app: App, *, fix: bool = False) -> Rebuilt:
    return await Rebuilder(app.store, app.library, fix=fix).all()


async def test_runs_of_all_kinds_are_stored_as_their_journals_say(app: App) -> None:
    run_ids = await of_all_kinds(app)
    found = await rebuilt(app)
    assert (found.differences, found.faults, found.left_out) == ([], [], [])
    assert found.runs == len(run_ids) + 1
    assert found.is_sound


async def test_waits_effects_and_compensations_are_stored_as_their_journals_say(app: App) -> None:
    run_ids = await of_people_and_money(app)
    stored = [each for run_id in run_ids for each in await rows_of(app.store, run_id)]
    kinds = [type(each) for each in stored]
    assert (kinds.count(WaitRow), kinds.count(EffectRow), kinds.count(CompensationRow)) == (2, 1, 2)
    found = await rebuilt(app)
    assert (found.runs, found.differences, found.faults, found.left_out) == (3, [], [], [])


async def test_a_wait_an_effect_or_a_compensation_that_differs_is_told(app: App) -> None:
    undoes, asks, pays = await of_people_and_money(app)
    (wait,) = await app.store.waits(WaitFilter(run_id=asks))
    (effect,) = await app.store.effects(EffectFilter(run_id=pays))
    first, second = await app.store.compensations(undoes)
    await app.store.rewrite(wrong(asks, waits=(replace(wait, title="Yes"), replace(wait, wait_id="ghost"))))
    await app.store.rewrite(wrong(pays, effects=(replace(effect, value="8"),)))
    await app.store.rewrite(wrong(undoes, compensations=(replace(second, status="failed"),)))
    found = {each.place: each for each in (await rebuilt(app)).differences}
    title = found[f"wait {wait.wait_id}"]
    assert (title.stored, title.derived) == (
        {**asdict(wait), "title": "Yes"},
        {**asdict(wait), "title": "May\N{SYMBOL FOR NULL} I?"},
    )
    assert found["wait ghost"].derived is None
    assert f"effect {effect.key}" in found
    assert found[f"compensation of {first.step_id} in /"].stored is None
    assert f"compensation of {second.step_id} in /" in found


async def test_waits_effects_and_compensations_are_mended_when_asked(app: App) -> None:
    run_id, *_ = await of_people_and_money(app)
    failed, _ = before = await app.store.compensations(run_id)
    said = replace(failed, resolution="resolved", note="by hand", by="user:ada")
    assert await app.store.settle_compensation(said)
    assert (await rebuilt(app)).differences == []
    rows = tuple(replace(each, error="untrue", seq=1, started_at=1) for each in before)
    await app.store.rewrite(wrong(run_id, compensations=rows, waits=(Told(run_id).asks("ghost"),)))
    found = await rebuilt(app, fix=True)
    assert found.fixed == [run_id]
    assert await app.store.compensations(run_id) == [said, before[1]]
    assert await app.store.waits(WaitFilter(open=None, run_id=run_id)) == []
    assert (await rebuilt(app)).differences == []


async def test_runs_that_go_on_while_they_are_compared_do_not_differ(app: App) -> None:
    async with asyncio.TaskGroup() as group:
        at_work = [group.create_task(ended(app, flow)) for flow in ("naps", "plain", "retries") * 10]
        while not all(task.done() for task in at_work):
            found = await rebuilt(app, fix=True)
            assert (found.differences, found.faults, found.fixed) == ([], [], [])
    assert (await rebuilt(app)).runs == 30


async def test_what_differs_is_told_and_left_as_it_is(app: App) -> None:
    run_id = await ended(app, "plain")
    rows = await activations_of(app.store, run_id)
    ghost = replace(rows[0], step_id="ghost")
    await app.store.rewrite(wrong(run_id, activations=(*rows[1:], ghost)))
    found = await rebuilt(app)
    assert {each.place for each in found.differences} == {
        "status",
        "updated_at",
        "ended_at",
        "error",
        f"{rows[0].step_id} in /",
        "ghost in /",
    }
    assert not found.is_sound
    assert await rebuilt(app) == found


async def test_what_differs_is_mended_when_asked(app: App) -> None:
    run_id = await ended(app, "retries")
    before = (await app.row(run_id), await activations_of(app.store, run_id))
    await app.store.rewrite(wrong(run_id))
    found = await rebuilt(app, fix=True)
    assert found.fixed == [run_id]
    assert found.is_sound
    assert (await app.row(run_id), await activations_of(app.store, run_id)) == before
    assert (await rebuilt(app)).differences == []


async def test_a_run_that_is_held_is_not_mended_under_its_holder(app: App) -> None:
    run_id = await waiting(app)
    await app.store.rewrite(wrong(run_id))
    found = await rebuilt(app, fix=True)
    assert found.fixed == []
    assert "holds it" in found.left_out[0].reason
    assert not found.is_sound


async def test_a_flow_that_cannot_be_compiled_here_is_named_and_left_out(app: App) -> None:
    run_id = await ended(app, "plain")
    library = Library(app.store, StepCatalog(), DEFAULT_LIMITS, app.clock)
    found = await Rebuilder(app.store, library).all()
    assert [each.run_id for each in found.left_out] == [run_id]
    assert "'plain' cannot be run here" in found.left_out[0].reason
    assert found.is_sound


@pytest.mark.parametrize("change", DAMAGES)
async def test_a_damaged_journal_is_told_and_never_taken_for_the_truth(
    on_disk: App, path: Path, change: str
) -> None:
    run_id = await ended(on_disk, "plain")
    with beside(path) as connection:
        connection.execute(change, (run_id,))
    found = await rebuilt(on_disk, fix=True)
    assert [(each.run_id, each.seq) for each in found.faults] == [(run_id, 3)]
    assert (found.differences, found.fixed) == ([], [])
