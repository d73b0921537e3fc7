"""A module of steps, as an operator may name it."""

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import StepType
from openrun.steps.base import Step, StepConfig
from openrun.steps.execution import StepDelay
from openrun.steps.function import step

__all__ = ["Counted", "ShipOrder", "StepDelay", "price"]


class Counted(Step):
    """Has no run() of its own, so it is no step yet."""


class ShipOrder(Counted):
    """Ships an order."""

    type: StepType = StepType.TRANSFORM

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        del state, config
        return StepRunResult.success(self.id)


class _Private(ShipOrder):
    """Nobody else's business."""


@step(type="shop.price")
async def price(item: str) -> int:
    """What an item costs."""
    return len(item)
