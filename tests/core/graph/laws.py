"""Laws of random flows, each a plain function of a drawn flow; they raise AssertionError where one is broken."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from openrun.core.events import StepCompleted
from openrun.core.frame import Activation, Phase, Refusal
from openrun.core.results import StepRunResult, TimerWake
from openrun.core.types import JoinMode, OnFailure
from openrun.core.verdict import Fate, fate

from .generators import Drawn, random_dag, random_flow, random_loop
from .harness import Sim, Trace, at_random, begin, fifo, lifo, run, settle
from .oracle import Oracle

ALL_JOINS = (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE)


def ends_whatever_the_order(
    drawn: Drawn, seed: int, cancel_at: int | None = None, *, hard: bool = False
) -> Trace:
    """The run ends, starves nowhere, folds to itself and starts nothing twice: `run` checks that."""
    return run(drawn.spec, drawn.script, at_random(seed), cancel_at=cancel_at, hard=hard)


def agrees_with_the_oracle(drawn: Drawn, seed: int) -> bool:
    """What the machine makes of a flow is what the page says of it; False where the page leaves it open."""
    results = {step: _final(behaviour) for step, behaviour in drawn.script.items()}
    foreseen = Oracle(drawn.spec, results).foresee()
    if foreseen is None:
        return False
    trace = run(drawn.spec, drawn.script, at_random(seed))
    assert trace.ran == Counter(foreseen.ran)
    assert trace.skipped == foreseen.skipped
    assert {step for step, code in trace.codes.items() if code == "UPSTREAM_FAILED"} == foreseen.upstream
    assert trace.handled == foreseen.handled
    assert trace.status == foreseen.status
    assert _plain(trace.output) == foreseen.output
    return True


def _final(behaviour: Any) -> StepRunResult:
    """What a steady behaviour comes to in the end."""
    if isinstance(behaviour, StepRunResult):
        return behaviour
    woken = settle(behaviour, _Woken())  # type: ignore[arg-type]
    assert isinstance(woken, StepRunResult)
    return woken


class _Woken:
    phase = Phase.RESUMING
    interrupted = False
    wake = TimerWake()


def _plain(output: Any) -> Any:
    if isinstance(output, dict) and "code" in output:
        return "the error"
    if isinstance(output, dict):
        return {step: _plain(value) for step, value in output.items()}
    return output


def outcome(trace: Trace) -> dict[str, Any]:
    """What may not depend on the order of ends."""
    ends = [fact for fact in trace.facts if isinstance(fact, StepCompleted)]
    codes = [
        (fact.step_id, fact.result.status, fact.result.ports, fact.result.error and fact.result.error.code)
        for fact in ends
    ]
    return {
        "results": Counter(map(str, codes)),
        "skips": Counter((step, reason) for (step, _), reason in trace.skips.items()),
        "status": trace.status,
        "failures": Counter((step, handled) for (step, _), handled in trace.failures.items()),
        "output": _plain(trace.output),
    }


def does_not_depend_on_the_order(drawn: Drawn, seed: int) -> None:
    expected = outcome(run(drawn.spec, drawn.script, fifo))
    for policy in (lifo, at_random(seed)):
        assert outcome(run(drawn.spec, drawn.script, policy)) == expected


def fates_are_final(drawn: Drawn, seed: int) -> None:
    """A failure that is handled, or lost, stays so, whatever happens next; and in the end none is open."""
    sim = begin(replace(drawn.spec, on_failure=OnFailure.DRAIN), drawn.script)
    policy = at_random(seed)
    known: dict[Activation | Refusal, Fate] = {}
    while sim.machine.verdict is None and (options := sim.options()):
        sim.take(policy(options))
        for failure in _failures(sim):
            now = fate(failure)
            assert known.get(failure, Fate.OPEN) in (Fate.OPEN, now)
            known[failure] = now
    if sim.machine.verdict is not None and not sim.machine.stopping:
        assert Fate.OPEN not in known.values()


def _failures(sim: Sim) -> list[Activation | Refusal]:
    return [failure for walk in sim.walks if walk.owner is None for failure in walk.failures]


# -- the same laws from plain seeds: many more flows in less time ------------------------------------


def _all(make: Callable[[random.Random], Drawn], law: Callable[[Drawn, int], object], seeds: range) -> None:
    for seed in seeds:
        drawn = make(random.Random(seed))  # noqa: S311
        try:
            law(drawn, seed)
        except Exception as error:
            error.add_note(f"seed {seed} of {make.__name__}:\n{drawn!r}")
            raise


def _any_dag(rng: random.Random) -> Drawn:
    return random_dag(rng, many=ALL_JOINS, depth=1)


def _cancelled(drawn: Drawn, seed: int) -> None:
    ends_whatever_the_order(drawn, seed, cancel_at=seed % 25 + 2, hard=seed % 2 == 0)


def oracle_batch(seeds: range = range(150)) -> None:
    _all(random_dag, agrees_with_the_oracle, seeds)


def ends_batch(seeds: range = range(150)) -> None:
    _all(random_flow, ends_whatever_the_order, seeds)


def cancel_batch(seeds: range = range(150)) -> None:
    _all(random_flow, _cancelled, seeds)


def order_batch(seeds: range = range(60)) -> None:
    _all(_any_dag, does_not_depend_on_the_order, seeds)


def loop_order_batch(seeds: range = range(60)) -> None:
    _all(random_loop, does_not_depend_on_the_order, seeds)


def fates_batch(seeds: range = range(150)) -> None:
    for make in (random_flow, random_dag, random_loop):
        _all(make, fates_are_final, seeds)
