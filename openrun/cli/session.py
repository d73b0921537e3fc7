"""One run of a flow on behalf of a command: what it needs, and seeing it through."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from openrun.cli.interrupts import Interrupts
from openrun.cli.library import Library
from openrun.cli.modules import catalog_with
from openrun.cli.options import RunOptions
from openrun.cli.payload import read_input, read_state
from openrun.cli.refusal import Faulty, Refusal
from openrun.cli.source import STDIN, load_flow
from openrun.cli.view import View
from openrun.flow import Flow, FlowRun
from openrun.net.address import AllowList
from openrun.runtime.engine import Engine, Run
from openrun.steps.catalog import StepCatalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A flow and all that a run of it takes."""

    flow: Flow
    catalog: StepCatalog
    flows: Sequence[Flow]
    allow: Sequence[str]
    trigger: str | None
    payload: dict[str, Any]
    state: dict[str, Any]

    @classmethod
    def of(cls, options: RunOptions) -> "Session":
        """Load and check everything. Raises `Refusal` for what is missing, unreadable or not valid."""
        if options.flow == STDIN == options.payload:
            raise Refusal("FLOW and --input cannot both come from stdin")
        catalog = catalog_with(options.modules or ())
        flow = load_flow(options.flow, catalog)
        catalog = catalog_with(options.modules or (), flow.catalog)
        library = Library.of(options.flows or (), catalog)
        flows = library.needed_by(flow)
        faults = flow.errors({flow.id, *library.ids})
        if faults:
            raise Faulty(options.flow, faults)
        allow = options.allow or []
        try:
            AllowList.parse(allow)
        except ValueError as error:
            raise Refusal(f"--allow: {error}") from None
        return cls(
            flow=flow,
            catalog=catalog,
            flows=flows,
            allow=allow,
            trigger=options.trigger,
            payload=read_input(options.payload),
            state=read_state(options.state or ()),
        )

    def step_ids(self) -> Iterator[str]:
        """Every step of the flow, those in bodies included."""
        for plans in self.flow.program(self.catalog).plans.values():
            for plan in plans:
                yield plan.step.id

    async def run(self, view: View) -> Run:
        """Run the flow and show it. Raises OSError, once the run is cancelled, when nobody reads any more."""
        async with Engine(catalog=self.catalog, flows=self.flows, allow=self.allow) as engine:
            run = self.flow.run(self.trigger, self.state, input=self.payload, engine=engine)
            animation = asyncio.create_task(view.animate())
            try:
                with Interrupts(run.cancel):
                    await _watch(run, view)
                    return await run.finished()
            finally:
                animation.cancel()
                await asyncio.wait([animation])
                with contextlib.suppress(OSError):
                    view.close()


def see_through(session: Session, view: View) -> Run:
    """Run the flow to its end: the one place where the command line enters the event loop."""
    return asyncio.run(session.run(view))


async def _watch(run: FlowRun, view: View) -> None:
    try:
        async for event in run:
            view.show(event)
    except OSError:
        run.cancel("nobody reads the output")
        await run.finished()
        raise
