"""A module whose step has the key of a built-in one."""

from openrun.steps.base import Step, StepConfig, StepInfo

__all__ = ["Delay", "StepConfig", "StepInfo"]


class Delay(Step):
    """Waits in a way of its own."""

    async def run(self) -> None:  # type: ignore[override]
        return None
