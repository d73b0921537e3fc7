"""What a run under way waits to be told, said once on stderr to whoever watches it, and how to tell it."""

from typing import Protocol

from rich.text import Text

from openrun.cli.asking import commands, question
from openrun.cli.screen import error_screen
from openrun.cli.text import clean
from openrun.core.asks import Ask
from openrun.core.events import Shown, StepInterrupted, StepWaiting
from openrun.core.results import WaitForAnswers
from openrun.runtime.secrets import Redactor
from openrun.store.base import Store, StoreUnavailable

_MOST = 5


class Hints(Protocol):
    """Told of every event that is shown, once it has been shown."""

    async def after(self, event: Shown) -> None: ...


class InMemory:
    """Nobody can answer a run in memory."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._said = False

    async def after(self, event: Shown) -> None:
        asks = () if self._said else asks_of(event)
        if asks:
            self._said = True
            asked = question(asks[0], self._redactor)
            error_screen().print(
                Text(
                    f"waits for {asked}: nobody can answer a run in memory; it needs a store: "
                    "openrun run --durable. Ctrl-C ends it",
                    "yellow",
                )
            )


class InStore:
    """Says how to answer what is still open; after a few, where the rest is listed."""

    def __init__(self, store: Store, place: list[str], redactor: Redactor) -> None:
        """`place` is the store as it is written on a command line."""
        self._store = store
        self._place = place
        self._redactor = redactor
        self._said: set[str] = set()

    async def after(self, event: Shown) -> None:
        for ask in asks_of(event):
            if len(self._said) > _MOST:
                return
            if ask.id not in self._said and await self._is_open(ask):
                self._said.add(ask.id)
                self._say(ask, event.run_id)

    async def _is_open(self, ask: Ask) -> bool:
        """A run that was started before has waits that are over."""
        try:
            found = await self._store.find_waits(ask.id)
        except StoreUnavailable:
            return False
        return any(row.closed_at is None for row in found)

    def _say(self, ask: Ask, run_id: str) -> None:
        out = error_screen()
        if len(self._said) > _MOST:
            out.print(Text(f"it waits for more: openrun approvals --run {clean(run_id)} lists all", "yellow"))
            return
        out.print(Text(f"waits for {question(ask, self._redactor)}; to answer:", "yellow"))
        for line in commands(ask, run_id, self._place):
            out.print(Text(f"  {line}", "yellow"))


def asks_of(event: Shown) -> tuple[Ask, ...]:
    """What the event asks of somebody outside."""
    match event:
        case StepWaiting(wait=WaitForAnswers(asks=asks)):
            return asks
        case StepInterrupted():
            return event.asks
        case _:
            return ()
