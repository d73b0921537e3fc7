"""Steps that have something to do with the world outside, for tests of the API."""

from typing import Any

from openrun import Flow, PermanentError, StepContext
from openrun.app import App
from openrun.steps.function import step
from openrun.steps.triggers.manual import TriggerManual


class World:
    """What the steps of a test do to it, and what does not work in it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken: set[str] = set()


WORLD = World()
"""Steps are known by their module, and have no other way to a test."""


@step
async def work(who: str = "work", given: Any = None) -> dict[str, Any]:
    WORLD.calls.append(who)
    if who in WORLD.broken:
        raise PermanentError(f"{who} is broken")
    return {"who": who, "given": given}


@step
async def book(who: str = "book") -> str:
    WORLD.calls.append(who)
    return who


@book.compensation
async def unbook(who: str = "book") -> None:
    WORLD.calls.append(f"undo {who}")
    if f"undo {who}" in WORLD.broken:
        raise PermanentError(f"{who} cannot be undone")


@step
async def charge(context: StepContext) -> Any:
    return await context.effect("pay", _pay, effect="at_most_once")


async def _pay() -> str:
    WORLD.calls.append("pay")
    if "pay" in WORLD.broken:
        # Whether it took place, nobody can tell.
        raise TimeoutError
    return "paid"


def acquaint(app: App) -> None:
    """Let flows of this app have these steps, in a world where everything works."""
    WORLD.calls.clear()
    WORLD.broken.clear()
    app.catalog.add("work", work)
    app.catalog.add("book", book)
    app.catalog.add("charge", charge)


def chain(name: str, *steps: Any) -> Flow:
    """Steps one after another, behind a trigger by hand."""
    flow = Flow(name=name)
    before: Any = TriggerManual(id="begin")
    for each in steps:
        flow.add_edge(before, each)
        before = each
    return flow
