"""What tests of compensation share."""

from typing import Any

from openrun import StepAbort
from openrun.core.events import CompensationCompleted
from openrun.steps.execution.abort import StepAbortConfig
from tests.runtime.desk import Desk

DAY = 86_400


def abort(payload: Any = None, step_id: str = "abort", **settings: Any) -> StepAbort:
    return StepAbort(id=step_id, config=StepAbortConfig(reason="enough", payload=payload), **settings)


def told(desk: Desk) -> list[tuple[str, str]]:
    """What became of each compensation."""
    return [(each.step_id, each.status.value) for each in desk.of(CompensationCompleted)]
