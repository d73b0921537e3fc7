"""Steps that wait to be told something, and flows of them."""

from typing import Any

from openrun import Flow, Step, StepApproval, StepWait, TriggerManual
from openrun.runtime.worker import WorkerOptions
from openrun.steps.execution.approval import StepApprovalConfig
from openrun.steps.execution.wait import StepWaitConfig

QUICK = WorkerOptions(lease=5, poll=0.05, listen=0.02, patience=0.1, grace=1)
MONEY = {
    "type": "object",
    "properties": {"amount": {"type": "number", "maximum": 500}},
    "required": ["amount"],
}


def wait(step_id: str, **config: Any) -> StepWait:
    return StepWait(id=step_id, config=StepWaitConfig(**config))


def approval(step_id: str, **config: Any) -> StepApproval:
    return StepApproval(id=step_id, config=StepApprovalConfig(title=step_id, **config))


def beside(*steps: Step, last: Step | None = None, **settings: Any) -> Flow:
    """These steps beside each other, and one that all of them lead to."""
    flow = Flow(name="beside", **settings)
    begin = flow.add_step(TriggerManual(id="start"))
    for each in steps:
        flow.add_edge(begin, each)
        if last is not None:
            flow.add_edge(each, last, each.ports[0])
    return flow
