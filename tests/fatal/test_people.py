"""People answer after restarts, out of order, early, twice and too late; nothing before the question is repeated."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Literal

import pytest

from openrun.app import DurableRun, KeyConflict, RunEnded
from openrun.core.asks import AskKind
from openrun.core.events import StepInterrupted, StepStarted, StepWaiting
from openrun.core.types import FINAL, Json, RunStatus
from openrun.runtime.errors import NotAllowed, WaitOver
from openrun.store.rows import WaitFilter, WaitRow

from .fleet import Fleet, Member, a_fleet, until
from .flows import Part, a_flow, a_row, call, errand
from .process import Death
from .test_restarts import proof_of_work, working_on

FOR_ALL = "ALL_SUCCESS"
AT_ONCE = 6
SIGNALS = 30


def approval(step_id: str, **config: Json) -> Part:
    return {"id": step_id, "type": "approval", "config": {"title": f"{step_id}?", **config}}


def wait(step_id: str, **config: Json) -> Part:
    return {"id": step_id, "type": "wait", "config": config}


async def asked(
    fleet: Fleet, run: DurableRun, count: int = 1, known: Collection[str] = ()
) -> dict[str, WaitRow]:
    """Wait until the run asks so many things, those known left out, and rests; by step."""

    async def there() -> list[WaitRow] | None:
        row = await fleet.app.row(run.run_id)
        waits = await fleet.app.waits.open(run_id=run.run_id)
        found = [each for each in waits if each.wait_id not in known]
        return found if len(found) == count and row.worker is None else None

    return {row.step_id: row for row in await until(there)}


async def told_of(fleet: Fleet, run: DurableRun) -> dict[str, Any]:
    """The outputs of the steps of a run, once it has succeeded."""
    row = await fleet.ended(run)
    assert row.status is RunStatus.SUCCEEDED, row.error
    state: Any = (await fleet.app.past(run.run_id)).state(row.seq)
    outputs: dict[str, Any] = state["steps"]
    return outputs


async def all_waits(fleet: Fleet, run: DurableRun) -> list[WaitRow]:
    return await fleet.app.store.waits(WaitFilter(open=None, run_id=run.run_id))


async def restarted(fleet: Fleet, worker: Member) -> Member:
    """Another worker in place of this one, that has looked for what there is to do."""
    await worker.kill()
    worker = await fleet.worker()
    await proof_of_work(fleet)
    return worker


async def expired(fleet: Fleet, row: WaitRow) -> None:
    """Wait until its time is up."""
    assert row.expires_at is not None
    until_then: int = row.expires_at

    async def past() -> bool:
        return await fleet.app.store.now() > until_then

    await until(past)


async def test_interrupts_in_two_branches_are_answered_in_the_other_order_after_five_restarts(
    fleet: Fleet,
) -> None:
    receiver = fleet.receiver
    here = receiver.address
    receiver.hold("left_last", "right_last")
    parts = [
        call(here, "first"),
        *(errand(here, side, f"{side}_first", "?sure", f"{side}_last") for side in ("left", "right")),
        call(here, "end", join_mode=FOR_ALL),
    ]
    edges = [("start", "first"), *(("first", side) for side in ("left", "right"))]
    run = await fleet.start(a_flow("two", parts, [*edges, ("left", "end"), ("right", "end")]))
    worker = await fleet.worker()
    open_ = await asked(fleet, run, 2)
    worker = await restarted(fleet, worker)
    worker = await restarted(fleet, worker)
    for side in ("right", "left"):
        await fleet.app.waits.answer(open_[side].wait_id, f"{side} it is", by="ada")
        await receiver.reached(f"{side}_last")
        worker = await restarted(fleet, worker)
        await receiver.reached(f"{side}_last", 2)
        receiver.answer(f"{side}_last")
        if side == "right":
            await asked(fleet, run)
            worker = await restarted(fleet, worker)
    outputs = await told_of(fleet, run)
    assert outputs["left"] == ["done", "left it is", "done"]
    assert outputs["right"] == ["done", "right it is", "done"]
    once = dict.fromkeys(("first", "left_first", "right_first", "end"), 1)
    assert receiver.paths == {**once, "left_last": 2, "right_last": 2}
    assert len(await all_waits(fleet, run)) == 2
    await fleet.check()


async def test_an_approval_in_a_loop_asks_anew_each_time_and_is_answered_by_its_own_id(fleet: Fleet) -> None:
    here = fleet.receiver.address
    parts = [call(here, "draft"), approval("check"), call(here, "publish")]
    edges = [
        ("start", "draft"),
        ("draft", "check"),
        ("check", "draft", "rejected"),
        ("check", "publish", "approved"),
    ]
    run = await fleet.start(a_flow("loop", parts, edges))
    worker = await fleet.worker()
    seen: list[str] = []
    for round_ in range(3):
        row = (await asked(fleet, run, known=seen))["check"]
        seen.append(row.wait_id)
        worker = await restarted(fleet, worker)
        await fleet.app.waits.reject(row.wait_id, f"no {round_}", by="ada")
    row = (await asked(fleet, run, known=seen))["check"]
    assert (await fleet.app.waits.reject(seen[0], "no 0", by="ada")).repeated
    with pytest.raises(WaitOver, match="rejected"):
        await fleet.app.waits.approve(seen[0], by="ada")
    await worker.kill()
    await fleet.app.waits.approve(row.wait_id, by="ada")
    await fleet.worker()
    await told_of(fleet, run)
    assert fleet.receiver.paths == {"draft": 4, "publish": 1}
    closed = [each.outcome for each in await all_waits(fleet, run)]
    assert closed == ["rejected", "rejected", "rejected", "approved"]
    await fleet.check()


async def test_approvals_in_two_branches_are_answered_each_by_its_own_id(fleet: Fleet) -> None:
    here = fleet.receiver.address
    parts = [
        approval("boss", approvers=["ada"], payload={"sum": 1}),
        approval("board", approvers=["role:board"], quorum=2),
        call(here, "paid", join_mode=FOR_ALL),
    ]
    edges = [("start", "boss"), ("start", "board")]
    run = await fleet.start(
        a_flow("both", parts, [*edges, ("boss", "paid", "approved"), ("board", "paid", "approved")])
    )
    worker = await fleet.worker()
    rows = await asked(fleet, run, 2)
    waits = fleet.app.waits
    await worker.kill()
    await waits.approve(rows["board"].wait_id, by="eve", roles=["board"])
    assert (await waits.approve(rows["board"].wait_id, by="eve", roles=["board"])).repeated
    worker = await fleet.worker()
    await proof_of_work(fleet)
    assert set(await asked(fleet, run, 2)) == {"boss", "board"}
    with pytest.raises(NotAllowed):
        await waits.approve(rows["boss"].wait_id, by="eve", roles=["board"])
    worker = await restarted(fleet, worker)
    await waits.approve(rows["board"].wait_id, by="bob", roles=["board"])
    assert set(await asked(fleet, run)) == {"boss"}
    await worker.kill()
    await waits.approve(rows["boss"].wait_id, {"sum": 2}, by="ada")
    await fleet.worker()
    outputs = await told_of(fleet, run)
    assert (outputs["boss"]["value"], outputs["board"]["by"]) == ({"sum": 2}, ["eve", "bob"])
    assert fleet.receiver.paths == {"paid": 1}
    await fleet.check()


async def test_a_signal_that_comes_before_its_wait_is_kept_over_restarts(fleet: Fleet) -> None:
    fleet.receiver.hold("slow")
    run = await fleet.start(
        a_row("early", call(fleet.receiver.address, "slow"), wait("gate", signal="paid", timeout="1h"))
    )
    worker = await working_on(fleet, "slow")
    await fleet.app.waits.signal(run.run_id, "paid", {"sum": 7}, by="bank", key="p1")
    await worker.kill()
    worker = await working_on(fleet, "slow", 2)
    await restarted(fleet, worker)
    await fleet.receiver.reached("slow", 3)
    fleet.receiver.answer("slow")
    outputs = await told_of(fleet, run)
    assert outputs["gate"] == {"signal": "paid", "value": {"sum": 7}, "by": "bank"}
    await fleet.check()


async def test_a_signal_is_heard_once_though_it_is_sent_twice_and_one_that_contradicts_it_is_refused(
    fleet: Fleet,
) -> None:
    parts = [wait(each, signal="paid") for each in ("one", "two")]
    run = await fleet.start(a_flow("twice", parts, [("start", "one"), ("one", "two", "received")]))
    worker = await fleet.worker()
    first = (await asked(fleet, run))["one"]
    await worker.kill()
    signal = fleet.app.waits.signal
    assert not (await signal(run.run_id, "paid", 1, key="p1")).repeated
    assert (await signal(run.run_id, "paid", 1, key="p1")).repeated
    with pytest.raises(KeyConflict):
        await signal(run.run_id, "paid", 2, key="p1")
    worker = await fleet.worker()
    assert set(await asked(fleet, run, known=[first.wait_id])) == {"two"}
    assert (await signal(run.run_id, "paid", 1, key="p1")).repeated
    with pytest.raises(KeyConflict):
        await signal(run.run_id, "paid", 2, key="p1")
    await restarted(fleet, worker)
    assert set(await asked(fleet, run)) == {"two"}
    await signal(run.run_id, "paid", 2, key="p2")
    outputs = await told_of(fleet, run)
    assert [outputs[step]["value"] for step in ("one", "two")] == [1, 2]
    await fleet.check()


async def test_a_signal_that_comes_too_late_changes_nothing(fleet: Fleet) -> None:
    parts = [wait("gate", signal="paid", timeout=0.3), wait("last", signal="end")]
    run = await fleet.start(
        a_flow("late", parts, [("start", "gate"), ("gate", "last", "expired")]),
    )
    worker = await fleet.worker()

    async def at_last() -> WaitRow | None:
        rows = await fleet.app.waits.open(run_id=run.run_id)
        return next((row for row in rows if row.step_id == "last"), None)

    await until(at_last)
    (gate,) = (row for row in await all_waits(fleet, run) if row.step_id == "gate")
    assert gate.outcome == "expired"
    with pytest.raises(WaitOver, match="expired"):
        await fleet.app.waits.answer(gate.wait_id, 1)
    await fleet.app.waits.signal(run.run_id, "paid", 1)
    await asked(fleet, run)
    await restarted(fleet, worker)
    last = (await asked(fleet, run))["last"]
    await fleet.app.waits.answer(last.wait_id, "over")
    assert (await told_of(fleet, run))["last"]["value"] == "over"
    with pytest.raises(RunEnded):
        await fleet.app.waits.signal(run.run_id, "end", "again")
    assert (await fleet.app.waits.answer(last.wait_id, "over")).repeated
    with pytest.raises(WaitOver):
        await fleet.app.waits.answer(last.wait_id, "otherwise")
    await fleet.check()


async def test_a_person_is_asked_once_though_the_worker_died_and_answers_while_nobody_works(
    fleet: Fleet,
) -> None:
    run = await fleet.start(a_row("ask", errand(fleet.receiver.address, "pay", "one", "?sure", "two")))
    worker = await fleet.worker()
    await fleet.has(run, StepInterrupted)
    await worker.kill()
    worker = await fleet.worker()
    row = (await asked(fleet, run))["pay"]
    worker = await restarted(fleet, worker)
    await worker.kill()
    told = await fleet.app.waits.answer(row.wait_id[:10], {"sure": True}, by="ada")
    assert (await fleet.app.waits.answer(row.wait_id, {"sure": True}, by="ada")).repeated
    with pytest.raises(WaitOver, match="otherwise"):
        await fleet.app.waits.answer(row.wait_id, {"sure": False}, by="eve")
    assert not told.repeated
    await fleet.worker()
    assert (await told_of(fleet, run))["pay"] == ["done", {"sure": True}, "done"]
    assert fleet.receiver.paths == {"one": 1, "two": 1}
    assert [each.outcome for each in await all_waits(fleet, run)] == ["answered"]
    await fleet.check()


@pytest.mark.parametrize("kind", [AskKind.SIGNAL, AskKind.APPROVAL, AskKind.INPUT])
async def test_a_wait_that_expires_while_nobody_works_takes_its_way_after_the_restart(
    fleet: Fleet, kind: AskKind
) -> None:
    here = fleet.receiver.address
    gate = {
        AskKind.SIGNAL: wait("gate", signal="paid", timeout=0.6),
        AskKind.APPROVAL: approval("gate", expires=0.6),
        AskKind.INPUT: errand(here, "gate", "first", "?sure", config={"expires": 0.6}),
    }[kind]
    port = "error" if kind is AskKind.INPUT else "expired"
    parts = [gate, call(here, "in_time"), call(here, "too_late")]
    edges: list[tuple[str, ...]] = [("start", "gate"), ("gate", "too_late", port)]
    other = {AskKind.SIGNAL: "received", AskKind.APPROVAL: "approved", AskKind.INPUT: "default"}[kind]
    run = await fleet.start(a_flow("gate", parts, [*edges, ("gate", "in_time", other)]))
    worker = await fleet.worker()
    if kind is AskKind.INPUT:
        await fleet.has(run, StepInterrupted)
    else:
        await fleet.has(run, StepWaiting)
    await worker.kill()
    (row,) = await all_waits(fleet, run)
    assert row.kind == kind
    await expired(fleet, row)
    await fleet.worker()
    outputs = await told_of(fleet, run)
    if kind is AskKind.INPUT:
        assert outputs["gate"]["code"] == "INTERRUPT_EXPIRED"
    assert fleet.receiver.paths.pop("first", 1) == 1
    assert fleet.receiver.paths == {"too_late": 1}
    assert [each.outcome for each in await all_waits(fleet, run)] == ["expired"]
    with pytest.raises(WaitOver):
        await (fleet.app.waits.approve if kind is AskKind.APPROVAL else fleet.app.waits.answer)(row.wait_id)
    await fleet.check()


async def test_a_cancel_ends_every_wait_also_when_nobody_works(fleet: Fleet) -> None:
    here = fleet.receiver.address
    parts = [wait("one", signal="paid"), approval("two"), errand(here, "three", "first", "?sure")]
    run = await fleet.start(a_flow("three", parts, [("start", each) for each in ("one", "two", "three")]))
    worker = await fleet.worker()
    rows = await asked(fleet, run, 3)
    await worker.kill()
    await fleet.app.cancel(run.run_id, "no need")
    await fleet.worker()
    assert (await fleet.ended(run)).status is RunStatus.CANCELLED
    assert {each.outcome for each in await all_waits(fleet, run)} == {"cancelled"}
    with pytest.raises(WaitOver, match="cancelled"):
        await fleet.app.waits.approve(rows["two"].wait_id)
    assert fleet.receiver.paths == {"first": 1}
    await fleet.check()


async def test_a_paused_run_takes_answers_and_goes_on_with_them_when_it_is_resumed(fleet: Fleet) -> None:
    here = fleet.receiver.address
    parts = [errand(here, "ask", "first", "?sure", "behind"), approval("check"), wait("gate", signal="paid")]
    run = await fleet.start(a_flow("paused", parts, [("start", str(each["id"])) for each in parts]))
    worker = await fleet.worker()
    rows = await asked(fleet, run, 3)
    await fleet.app.pause(run.run_id)
    await fleet.stands(run, RunStatus.PAUSED)
    await fleet.app.waits.answer(rows["ask"].wait_id, "yes")
    worker = await restarted(fleet, worker)
    await fleet.app.waits.approve(rows["check"].wait_id, by="ada")
    await worker.kill()
    await fleet.app.waits.signal(run.run_id, "paid", 1)
    worker = await fleet.worker()
    await proof_of_work(fleet)
    worker = await restarted(fleet, worker)
    assert (await fleet.stands(run, RunStatus.PAUSED)).status is RunStatus.PAUSED
    assert fleet.receiver.paths == {"first": 1}
    await fleet.app.resume(run.run_id)
    outputs = await told_of(fleet, run)
    assert outputs["ask"] == ["done", "yes", "done"]
    assert (outputs["check"]["decision"], outputs["gate"]["value"]) == ("approved", 1)
    assert fleet.receiver.paths == {"first": 1, "behind": 1}
    starts = [each.step_id for each in await fleet.app.facts(run.run_id) if isinstance(each, StepStarted)]
    assert sorted(starts) == ["ask", "check", "gate", "start"]
    await fleet.check()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_wherever_a_worker_dies_people_are_asked_once_and_nothing_before_it_is_repeated(
    fresh: Callable[[], str], when: Literal["before", "after"]
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(commit: int) -> None:
        async with places, a_fleet(fresh()) as fleet:
            here = fleet.receiver.address
            parts = [
                errand(here, "ask", "one", "?first", "two", "?second", "three"),
                wait("gate", signal="paid", timeout="1h"),
                approval("check"),
                call(here, "end"),
            ]
            edges = [("start", "ask"), ("ask", "gate"), ("gate", "check", "received")]
            run = await fleet.start(a_flow("asks", parts, [*edges, ("check", "end", "approved")]))
            await _answered_until_it_ends(fleet, run, Death(when=when, commit=commit))
            outputs = await told_of(fleet, run)
            assert outputs["ask"] == ["done", "first", "done", "second", "done"], f"{when} commit {commit}"
            assert len(await all_waits(fleet, run)) == 4
            assert len(fleet.receiver.keys) == 4
            assert sum(count > 1 for count in fleet.receiver.keys.values()) <= 1
            await fleet.check()

    await asyncio.gather(*(one(number) for number in range(1, 18)))


async def _answered_until_it_ends(fleet: Fleet, run: DurableRun, death: Death) -> None:
    """The first worker dies so; whatever is asked is answered by its own name."""
    worker = await fleet.worker(death=death)
    answered: set[str] = set()

    async def over() -> bool:
        nonlocal worker
        if not worker.alive:
            worker = await fleet.worker()
        for row in await fleet.app.waits.open(run_id=run.run_id):
            if row.wait_id not in answered:
                is_approval = row.kind == AskKind.APPROVAL
                tell = fleet.app.waits.approve if is_approval else fleet.app.waits.answer
                await tell(row.wait_id, row.name, by="ada")
                answered.add(row.wait_id)
        return (await run.status()) in FINAL

    await until(over)


async def test_each_of_many_signals_is_heard_once_with_kills_between_them(fleet: Fleet) -> None:
    body: Json = {"steps": [wait("gate", signal="paid")]}
    items: Json = {"items": list(range(SIGNALS)), "body": body, "concurrency": 7}
    run = await fleet.start(a_row("many", {"id": "each", "type": "foreach", "config": items}))
    worker = await fleet.worker()
    for number in range(SIGNALS):
        for _ in range(2):
            await fleet.app.waits.signal(run.run_id, "paid", number, key=f"signal {number}")
        if number % 6 == 0:
            await worker.kill()
            worker = await fleet.worker()
    outputs = await told_of(fleet, run)
    assert sorted(each["value"] for each in outputs["each"]) == list(range(SIGNALS))
    await fleet.check()


async def test_of_two_who_answer_at_once_one_is_heard(fleet: Fleet) -> None:
    run = await fleet.start(a_row("race", errand(fleet.receiver.address, "pay", "?sure", "last")))
    await fleet.worker()
    row = (await asked(fleet, run))["pay"]
    people = ("ada", "eve", "bob")
    answers = (fleet.app.waits.answer(row.wait_id, who, by=who) for who in people)
    told = await asyncio.gather(*answers, return_exceptions=True)
    assert sum(isinstance(each, WaitOver) for each in told) == 2
    (heard,) = (who for who, each in zip(people, told, strict=True) if not isinstance(each, BaseException))
    assert (await told_of(fleet, run))["pay"] == [heard, "done"]
    assert fleet.receiver.paths == {"last": 1}
    await fleet.check()
