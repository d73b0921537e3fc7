"""A step of your own, written in Python and used from a JSON document.

A step is a class: a config model, output ports, and an async `run`. A catalogue knows it by its key, here
`card_check`, which is its class name in snake case; `custom_step.json` names it as its `type`. A document
can only name what the catalogue has: loading one never imports anything.
"""

import asyncio
from pathlib import Path
from typing import Any

from pydantic import Field

from openrun import Flow, StateContainer, Step, StepCatalog, StepConfig, StepInfo, StepRunResult


class CardCheckConfig(StepConfig):
    number: str = Field(
        description="The card's number; blanks are ignored.", examples=["4242 4242 4242 4242"]
    )


class CardCheck(Step):
    """Checks a card's number by the Luhn formula."""

    ports: Any = ("valid", "invalid")
    config: CardCheckConfig

    async def run(self, state: StateContainer, config: CardCheckConfig) -> StepRunResult:
        del state  # all it needs is in its config
        digits = config.number.replace(" ", "")
        if not digits.isdigit():
            return StepRunResult.success(self.id, {"reason": "that is no number"}, port="invalid")
        if luhn_sum(digits) % 10:
            return StepRunResult.success(
                self.id, {"reason": "there is a typo in that number"}, port="invalid"
            )
        card = {"issuer": "visa" if digits.startswith("4") else "other", "last_four": digits[-4:]}
        return StepRunResult.success(self.id, card, port="valid")

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(name="Card check", description="Checks a card's number.", category="payment")


def luhn_sum(digits: str) -> int:
    """The sum of all digits, every second one from the right doubled (its own digits summed)."""
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2]]
    return sum(doubled) + sum(int(digit) for digit in digits[-1::-2])


def catalog() -> StepCatalog:
    """The built-in steps and ours."""
    known = StepCatalog.builtin()
    known.add("card_check", CardCheck)
    return known


async def main() -> None:
    document = (Path(__file__).parent / "custom_step.json").read_bytes()
    flow = Flow.from_json(document, catalog=catalog())
    for card in ("4242 4242 4242 4242", "4242 4242 4242 4241", "not a card"):
        run = await flow.execute(input={"body": {"card": card}})
        print(f"{card}: {run.output['status']}, {run.output['body']}")


if __name__ == "__main__":
    asyncio.run(main())
