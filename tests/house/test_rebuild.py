"""What a store keeps beside the journals follows from them, to the byte."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from openrun.app import App
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.types import RunStatus
from openrun.house.rebuild import Rebuilder, Rebuilt, activations_of
from openrun.runtime.library import Library
from openrun.steps.catalog import StepCatalog
from openrun.store.rows import Standing
from tests.house.given import DAMAGES, ended, of_all_kinds, waiting
from tests.store.given import beside

WRONG = Standing(status=RunStatus.FAILED, updated_at=1, ended_at=2, error="untrue")


async def rebuilt(app: App, *, fix: bool = False) -> Rebuilt:
    return await Rebuilder(app.store, app.library, fix=fix).all()


async def test_runs_of_all_kinds_are_stored_as_their_journals_say(app: App) -> None:
    run_ids = await of_all_kinds(app)
    found = await rebuilt(app)
    assert (found.differences, found.faults, found.left_out) == ([], [], [])
    assert found.runs == len(run_ids) + 1
    assert found.is_sound


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
    await app.store.rewrite(run_id, WRONG, [*rows[1:], replace(rows[0], step_id="ghost")])
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
    await app.store.rewrite(run_id, WRONG, [])
    found = await rebuilt(app, fix=True)
    assert found.fixed == [run_id]
    assert found.is_sound
    assert (await app.row(run_id), await activations_of(app.store, run_id)) == before
    assert (await rebuilt(app)).differences == []


async def test_a_run_that_is_held_is_not_mended_under_its_holder(app: App) -> None:
    run_id = await waiting(app)
    await app.store.rewrite(run_id, WRONG, [])
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
