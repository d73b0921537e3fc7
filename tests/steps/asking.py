"""Steps that ask, and what they are told: without an engine, and in a run."""

from collections.abc import Sequence
from typing import Any

from openrun import Engine, Flow, StepWaiting
from openrun.core.asks import Answer, Decision
from openrun.core.events import Shown
from openrun.core.results import AnswersWake, Outcome, StepRunResult, WaitForAnswers, numbered
from openrun.core.state import StateContainer
from openrun.runtime.engine import Run, prepare
from openrun.steps.base import Step
from openrun.testing import VirtualClock

from .given import a_context

ADA = "user:ada"
BOB = "user:bob"


async def begun(step: Step, config: Any = None) -> Outcome:
    """What a step comes to when it runs, with its config as it is or as it was rendered."""
    return await step.run(StateContainer(), config or step.config, a_context())


async def asked(step: Step, config: Any = None) -> WaitForAnswers:
    outcome = await begun(step, config)
    assert isinstance(outcome, WaitForAnswers)
    return numbered(outcome, "activation")


async def told(step: Step, *answers: Answer, config: Any = None) -> Outcome:
    """What a step that asks comes to once it is told these; the `ask` of an answer is the place of what it is to."""
    wait = await asked(step, config)
    heard = tuple(_addressed(each, wait) for each in answers)
    return await step.resume(StateContainer(), config or step.config, AnswersWake(answers=heard, wait=wait))


def result_of(outcome: Outcome) -> StepRunResult:
    assert isinstance(outcome, StepRunResult)
    return outcome


def _addressed(answer: Answer, wait: WaitForAnswers) -> Answer:
    ask = wait.asks[int(answer.ask)]
    return Answer(
        ask=ask.id,
        name=ask.name,
        decision=answer.decision,
        value=answer.value,
        reason=answer.reason,
        by=answer.by,
    )


def yes(by: str | None, value: Any = None) -> Answer:
    return Answer(ask="0", decision=Decision.APPROVED, value=value, by=by)


def no(by: str | None, reason: str | None = None) -> Answer:
    return Answer(ask="0", decision=Decision.REJECTED, reason=reason, by=by)


def said(value: Any, by: str | None = None, *, place: int = 0) -> Answer:
    return Answer(ask=str(place), value=value, by=by)


def document(*steps: dict[str, Any], edges: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """A flow that begins at `start`; edges are source, port and target."""
    return {
        "name": "asks",
        "steps": [{"id": "start", "type": "trigger_manual"}, *steps],
        "edges": [{"source": one, "source_port": port, "target": other} for one, port, other in edges],
    }


async def run_told(written: dict[str, Any], **answers: list[Answer]) -> Run:
    """Run a flow on a clock that jumps; the steps named are told these answers once they wait."""

    def show(event: Shown) -> None:
        if isinstance(event, StepWaiting) and isinstance(event.wait, WaitForAnswers):
            for answer in answers.pop(event.step_id, ()):
                tell(_addressed(answer, event.wait))

    def tell(answer: Answer) -> None:
        driver = handle._driver
        driver.post(lambda: driver.steering.answer(answer))

    async with Engine(clock=VirtualClock()) as engine:
        program = Flow.from_dict(written).program(engine.catalog, engine.limits)
        handle = engine.start(program, prepare(program, None, {"body": {"amount": 5}}, {}), show)
        return await handle.finished()
