"""Forks and retries of durable runs: what is kept, what runs again, and what is never done twice in silence."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from openrun import Flow, StepContext
from openrun.app import App, DurableRun
from openrun.core.errors import OpenRunError, PermanentError
from openrun.core.events import FlowForked
from openrun.core.fork import ForkPlan, NoSuchActivation, Wish
from openrun.core.patch import PatchTestFailed
from openrun.core.types import RunStatus
from openrun.runtime.errors import CompensationOpen, KeyConflict, UnknownRun, UnknownVersion
from openrun.runtime.forking import (
    Forked,
    Forking,
    NotRetryable,
    WouldRepeat,
)
from openrun.steps.execution.foreach import StepForeach, StepForeachConfig
from openrun.steps.execution.subflow import StepSubflow, StepSubflowConfig
from openrun.steps.function import step
from openrun.store.memory import MemoryStore
from openrun.store.rows import EffectFilter

from .test_app import QUICK, chain, sets, until, waits


class World:
    """What the steps of a test do, how often, and which of them fail."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.broken: set[str] = set()

    def call(self, name: str) -> int:
        self.calls[name] += 1
        if name in self.broken:
            raise PermanentError(f"{name} is broken")
        return self.calls[name]


WORLD = World()
"""Steps are known by their module, and have no other way to a test."""


@step
async def work(who: str = "work", given: Any = None) -> dict[str, Any]:
    return {"n": WORLD.call(who), "given": given}


@step(effect="pure")
async def think(who: str = "think", given: Any = None) -> dict[str, Any]:
    return {"n": WORLD.call(who), "given": given}


@step
async def charge(context: StepContext, who: str = "charge") -> Any:
    paid = await context.effect("pay", pay)
    WORLD.call(who)
    return paid


async def pay() -> int:
    return WORLD.call("pay")


@pytest.fixture
async def app() -> AsyncIterator[App]:
    WORLD.calls.clear()
    WORLD.broken = set()
    async with App(MemoryStore(), options=QUICK) as app:
        for key, each in (("work", work), ("think", think), ("charge", charge)):
            app.catalog.add(key, each)
        yield app


class Forks:
    """Forks as a test writes them."""

    def __init__(self, made: Forking) -> None:
        self._made = made

    async def plan(self, run_id: str, *, version: str | None = None, **wish: Any) -> ForkPlan:
        return await self._made.plan(run_id, Wish(**wish), version)

    async def fork(
        self,
        run_id: str,
        *,
        version: str | None = None,
        repeat_effects: bool = False,
        key: str | None = None,
        **wish: Any,
    ) -> Forked:
        return await self._made.fork(run_id, Wish(**wish), version, repeat_effects=repeat_effects, key=key)


def forking(app: App) -> Forks:
    return Forks(Forking(app.store, app.library, app.clock, app.around.new_run_id, app.journal.write))


async def ended(app: App, flow: Flow, **how: Any) -> str:
    run = await app.start(flow, **how)
    await run.finished()
    return run.run_id


async def end_of(app: App, made: Forked) -> RunStatus:
    assert app.worker is not None
    app.worker.hint()
    return (await app.ended(made.run_id)).status


async def test_a_retry_keeps_outputs_and_runs_the_failed_step_alone(app: App) -> None:
    WORLD.broken = {"b"}
    flow = chain("order", work(id="a", who="a"), work(id="b", who="b"), sets("c", seen="<<steps.a.n>>"))
    old = await ended(app, flow, input={"body": 7})
    WORLD.broken = set()
    made = await forking(app).fork(old, by="ada")
    assert await end_of(app, made) is RunStatus.SUCCEEDED
    assert WORLD.calls == {"a": 1, "b": 2}
    assert [(each.step_id, each.kept, each.reason) for each in made.plan.steps] == [
        ("begin", True, "kept"),
        ("a", True, "kept"),
        ("b", False, "it failed"),
    ]
    past = await app.past(made.run_id)
    assert past.state(len(await app.facts(made.run_id)))["seen"] == 1
    assert [each.status for each in await app.store.activations(made.run_id)] == ["succeeded"] * 4


async def test_a_retried_dead_letter_is_none_once_the_retry_succeeds(app: App) -> None:
    WORLD.broken = {"work"}
    old = await ended(app, chain("dead", work(id="a")))
    await end_of(app, await forking(app).fork(old))
    assert {letter.run_id for letter in await app.store.dead_letters()} >= {old}
    WORLD.broken = set()
    made = await forking(app).fork(old)
    assert await end_of(app, made) is RunStatus.SUCCEEDED
    assert old not in [letter.run_id for letter in await app.store.dead_letters()]
    assert (await app.row(made.run_id)).replay_of == old


async def test_of_a_foreach_only_the_item_that_failed_runs_again(app: App) -> None:
    WORLD.broken = {"b"}
    body = {"steps": [{"id": "do", "type": "work", "config": {"who": "<<item>>"}}]}
    config = StepForeachConfig(items=["a", "b", "c"], body=body, on_item_error="collect", concurrency=1)
    old = await ended(
        app, chain("items", StepForeach(id="each", config=config), sets("z", all="<<steps.each>>"))
    )
    WORLD.broken = set()
    made = await forking(app).fork(old)
    assert await end_of(app, made) is RunStatus.SUCCEEDED
    assert WORLD.calls == {"a": 1, "b": 2, "c": 1}
    past = await app.past(made.run_id)
    state = past.state(len(await app.facts(made.run_id)))
    assert [each["n"] for each in state["all"]] == [1, 2, 1]


async def test_what_a_failed_step_had_done_outside_is_not_done_again(app: App) -> None:
    WORLD.broken = {"charge"}
    old = await ended(app, chain("payment", charge(id="charge")))
    WORLD.broken = set()
    made = await forking(app).fork(old)
    assert await end_of(app, made) is RunStatus.SUCCEEDED
    assert WORLD.calls == {"pay": 1, "charge": 2}
    (row,) = await app.store.effects(EffectFilter(run_id=made.run_id))
    (first,) = await app.store.effects(EffectFilter(run_id=old))
    assert (row.status, row.value) == ("committed", "1")
    assert row.key != first.key


async def test_a_fork_that_would_repeat_what_was_done_is_refused_unless_told(app: App) -> None:
    old = await ended(app, chain("paid", charge(id="charge"), work(id="mail", who="mail")))
    with pytest.raises(WouldRepeat, match="mail") as refused:
        await forking(app).fork(old, step="charge")
    assert [(each.step_id, each.effect) for each in refused.value.repeats] == [
        ("charge", "pay"),
        ("mail", None),
    ]
    assert WORLD.calls["pay"] == 1
    made = await forking(app).fork(old, step="charge", repeat_effects=True)
    assert await end_of(app, made) is RunStatus.SUCCEEDED
    assert WORLD.calls["pay"] == 2


async def test_what_a_child_run_has_done_counts_as_done_by_its_step(app: App) -> None:
    await app.add_flow(chain("inner", charge(id="charge")))
    await app.add_flow(chain("middle", StepSubflow(id="down", config=StepSubflowConfig(flow="inner"))))
    outer = chain("outer", StepSubflow(id="sub", config=StepSubflowConfig(flow="middle")), think(id="t"))
    old = await ended(app, outer)
    assert (await forking(app).fork(old, step="t")).plan.repeats == ()
    with pytest.raises(WouldRepeat) as refused:
        await forking(app).fork(old, step="sub")
    assert [(each.step_id, each.effect) for each in refused.value.repeats] == [("sub", "pay")]


async def test_what_a_child_run_did_that_was_removed_is_not_known(app: App) -> None:
    await app.add_flow(chain("inner", charge(id="charge")))
    old = await ended(app, chain("outer", StepSubflow(id="sub", config=StepSubflowConfig(flow="inner"))))
    (child,) = await app.children(old)
    await app.store.remove([child.run_id])
    plan = await forking(app).plan(old, step="sub")
    assert [(each.step_id, each.effect, each.status) for each in plan.repeats] == [("sub", None, "unknown")]


async def test_a_child_run_that_never_was_has_done_nothing(app: App) -> None:
    failing = StepSubflow(id="sub", config=StepSubflowConfig(flow="nowhere"))
    old = await ended(app, chain("outer", failing))
    assert (await forking(app).plan(old)).repeats == ()


async def test_a_fork_under_the_id_of_another_run_is_refused(app: App) -> None:
    old = await ended(app, chain("taken", think(id="a")))
    same = Forks(Forking(app.store, app.library, app.clock, lambda: old, app.journal.write))
    with pytest.raises(OpenRunError, match="could not be forked"):
        await same.fork(old, step="a")


async def test_a_patch_is_what_the_steps_behind_the_point_read(app: App) -> None:
    flow = chain(
        "patched", sets("a", x=1, y=1), think(id="b", given="<<x>>"), sets("c", z="<<steps.b.given>>")
    )
    old = await ended(app, flow)
    patch = [{"op": "test", "path": "/x", "value": 1}, {"op": "replace", "path": "/x", "value": 5}]
    made = await forking(app).fork(old, step="b", patch=patch, by="ada", comment="x was wrong")
    assert await end_of(app, made) is RunStatus.SUCCEEDED
    facts = await app.facts(made.run_id)
    (fork,) = [fact for fact in facts if isinstance(fact, FlowForked)]
    assert (fork.origin, fork.values, fork.by, fork.comment) == (old, {"x": 5}, "ada", "x was wrong")
    assert (await app.past(made.run_id)).state(len(facts))["z"] == 5
    with pytest.raises(PatchTestFailed):
        await forking(app).fork(old, step="b", patch=[{"op": "test", "path": "/x", "value": 2}])


async def test_a_restart_on_a_new_revision_keeps_outputs(app: App) -> None:
    WORLD.broken = {"old"}
    first = chain("revised", work(id="a", who="a"), work(id="b", who="old"))
    old = await ended(app, first)
    version = (await app.row(old)).version
    newer = await app.add_flow(
        chain("revised", work(id="a", who="a"), work(id="b", who="new"), sets("c", n="<<steps.a.n>>"))
    )
    for wanted in ("latest", newer.version, newer.version[:8]):
        made = await forking(app).fork(old, version=wanted)
        assert await end_of(app, made) is RunStatus.SUCCEEDED
        assert (await app.row(made.run_id)).version == newer.version
    assert WORLD.calls == {"a": 1, "old": 1, "new": 3}
    reasons = {each.step_id: each.reason for each in made.plan.steps}
    assert reasons["b"] == "its definition has changed in the new version"
    assert (await forking(app).plan(old, version=version)).version == version
    for unknown in ("abc", version[:7], "0" * 12):
        with pytest.raises(UnknownVersion, match="no one version"):
            await forking(app).plan(old, version=unknown)


async def test_what_a_fork_has_kept_is_undone_when_the_fork_fails(app: App) -> None:
    refund = work(config={"who": "refund"})
    flow = chain("saga", work(id="a", who="book", compensate=refund), think(id="b", who="b"))
    old = await ended(app, flow)
    WORLD.broken = {"b"}
    made = await forking(app).fork(old, step="b")
    assert await end_of(app, made) is RunStatus.FAILED
    assert WORLD.calls == {"book": 1, "b": 2, "refund": 1}
    WORLD.broken = set()
    anew = await forking(app).fork(made.run_id)
    assert await end_of(app, anew) is RunStatus.SUCCEEDED
    assert anew.plan.steps[1].reason == "it was undone"
    assert WORLD.calls == {"book": 2, "b": 3, "refund": 1}


async def test_the_same_key_gives_the_same_fork(app: App) -> None:
    old = await ended(app, chain("once", think(id="a"), think(id="b", who="b")))
    first = await forking(app).fork(old, step="a", key="k")
    again = await forking(app).fork(old, step="a", key="k")
    assert (again.run_id, first.replayed, again.replayed) == (first.run_id, False, True)
    with pytest.raises(KeyConflict, match=first.run_id):
        await forking(app).fork(old, step="b", key="k")


async def test_a_run_that_goes_on_can_be_forked_but_not_retried(app: App) -> None:
    run: DurableRun = await app.start(chain("wait", think(id="a"), waits("wait", "1h")))
    await until(lambda: _waits(app, run.run_id))
    with pytest.raises(NotRetryable, match="has not ended"):
        await forking(app).fork(run.run_id)
    assert (await forking(app).fork(run.run_id, step="a")).run_id != run.run_id
    done = await ended(app, chain("done", think(id="a")))
    with pytest.raises(NotRetryable, match="has succeeded"):
        await forking(app).fork(done)


async def _waits(app: App, run_id: str) -> bool:
    return (await app.row(run_id)).status is RunStatus.WAITING


async def test_an_unknown_run_or_step_is_named(app: App) -> None:
    with pytest.raises(UnknownRun, match="nobody"):
        await forking(app).plan("nobody")
    old = await ended(app, chain("short", think(id="first")))
    with pytest.raises(NoSuchActivation, match="did you mean 'first'"):
        await forking(app).plan(old, step="fisrt")


async def test_a_fork_of_a_fork_keeps_what_was_patched(app: App) -> None:
    WORLD.broken = {"b"}
    flow = chain("twice", sets("a", x=1), think(id="b", who="b", given="<<x>>"))
    old = await ended(app, flow)
    second = await forking(app).fork(old, patch=[{"op": "replace", "path": "/x", "value": 2}])
    assert await end_of(app, second) is RunStatus.FAILED
    WORLD.broken = set()
    third = await forking(app).fork(second.run_id)
    assert await end_of(app, third) is RunStatus.SUCCEEDED
    machine = third.plan.machine
    assert machine.state()["x"] == 2


async def test_what_a_person_says_of_an_undoing_that_failed_counts_in_a_retry(app: App) -> None:
    booked: list[str] = []

    @step
    async def book(context: StepContext) -> str:
        booked.append(context.run_id)
        return "room 7"

    @book.compensation
    async def release() -> None:
        raise PermanentError("the hotel does not answer")

    @step
    async def pay() -> None:
        if len(booked) == 1:
            raise PermanentError("declined")

    old = await ended(app, chain("trip", book(id="hotel"), pay(id="pay")))
    with pytest.raises(CompensationOpen, match="'hotel'"):
        await app.retry(old)
    await app.ledger.settle(old, "hotel", resolution="resolved", note="by phone")
    made = await app.retry(old)
    await end_of(app, made)
    assert booked == [old, made.run_id]
