"""Laws of random flows, each a plain function of a drawn flow; they raise AssertionError where one is broken."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from openrun.core.events import StepCompleted
from openrun.core.frame import Phase
from openrun.core.results import StepRunResult, TimerWake
from openrun.core.types import JoinMode

from .generators import Drawn, random_dag, random_flow, random_loop
from .harness import Trace, at_random, fifo, lifo, run, settle
from .oracle import Oracle

ALL_JOINS = (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE)


def ends_whatever_the_order(drawn: Drawn, seed: int, cancel_at: int | None = None, *, hard: bool = False) -> Trace:
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
    for policy in (lifo, at_random(seed), at_random(seed + 1)):
        assert outcome(run(drawn.spec, drawn.script, policy)) == expected


# -- batches for faults that were planted: the same laws, from plain seeds ---------------------------


def _draws(make: Callable[[random.Random], Drawn], count: int) -> Iterator[tuple[Drawn, int]]:
    return ((make(random.Random(seed)), seed) for seed in range(count))


def oracle_batch(count: int = 150) -> None:
    for drawn, seed in _draws(random_dag, count):
        agrees_with_the_oracle(drawn, seed)


def ends_batch(count: int = 150) -> None:
    for drawn, seed in _draws(random_flow, count):
        ends_whatever_the_order(drawn, seed, cancel_at=seed % 20 + 2 if seed % 3 == 0 else None)


def order_batch(count: int = 60) -> None:
    for drawn, seed in _draws(lambda rng: random_dag(rng, many=ALL_JOINS, depth=1), count):
        does_not_depend_on_the_order(drawn, seed)
    for drawn, seed in _draws(random_loop, count):
        does_not_depend_on_the_order(drawn, seed)

