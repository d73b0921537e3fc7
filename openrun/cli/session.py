"""One run of a flow on behalf of a command: what it needs, and seeing it through."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openrun.cli.hints import Hints, InMemory
from openrun.cli.interrupts import Interrupts
from openrun.cli.library import Library
from openrun.cli.modules import catalog_with
from openrun.cli.options import RunOptions
from openrun.cli.payload import read_input, read_state
from openrun.cli.refusal import ExitCode, Faulty, Refusal
from openrun.cli.secret import read_secrets
from openrun.cli.source import STDIN, load_flow
from openrun.cli.view import MaskedView, View
from openrun.core.errors import InvalidFlow, OpenRunError
from openrun.flow import Flow, FlowRun
from openrun.net.address import AllowList
from openrun.runtime.engine import Engine, Run, prepare
from openrun.runtime.secrets import Redactor
from openrun.steps.catalog import StepCatalog

_PATIENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A flow and all that a run of it takes."""

    flow: Flow
    catalog: StepCatalog
    flows: Sequence[Flow]
    allow: Sequence[str]
    secrets: Mapping[str, str] = field(repr=False)
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
        session = cls(
            flow=flow,
            catalog=catalog,
            flows=flows,
            allow=allow,
            secrets=read_secrets(options.secrets or ()),
            trigger=options.trigger,
            payload=read_input(options.payload),
            state=read_state(options.state or ()),
        )
        session.check_start(options.flow)
        return session

    def check_start(self, source: str) -> None:
        """Raises `Refusal` for a trigger, a payload or a state that cannot be."""
        try:
            prepare(self.flow.program(self.catalog), self.trigger, self.payload, self.state)
        except InvalidFlow as invalid:
            raise Faulty(source, invalid.errors) from None
        except OpenRunError as error:
            raise Refusal(str(error)) from None

    def step_ids(self) -> Iterator[str]:
        """Every step of the flow, those in bodies included."""
        for plans in self.flow.program(self.catalog).plans.values():
            for plan in plans:
                yield plan.step.id

    async def run(self, view: View, interrupts: Interrupts) -> Run:
        """Run the flow and show it. Raises OSError, once the run is cancelled, when nobody reads any more."""
        redactor = Redactor(self.secrets)
        async with Engine(
            catalog=self.catalog, flows=self.flows, allow=self.allow, secrets=self.secrets
        ) as engine:
            run = self.flow.run(self.trigger, self.state, input=self.payload, engine=engine)
            interrupts.cancels(run.cancel)
            animation = asyncio.create_task(view.animate())
            try:
                await _watch(run, MaskedView(view, redactor) if self.secrets else view, InMemory(redactor))
                return masked(await run.finished(), redactor)
            finally:
                interrupts.cancels_nothing()
                animation.cancel()
                await asyncio.wait([animation])
                with contextlib.suppress(OSError):
                    view.close()


def see_through(session: Session, view: View, conclude: Callable[[Run], ExitCode]) -> ExitCode:
    """Run the flow to its end, then say what came of it: the one place where a command enters the event loop.

    A step that ignores being cancelled does not keep the process: once all is said it ends without it.
    """

    async def whole(interrupts: Interrupts) -> ExitCode:
        return await leave(conclude(await session.run(view, interrupts)))

    with Interrupts() as interrupts:
        return asyncio.run(whole(interrupts))


async def leave(code: ExitCode) -> ExitCode:
    """Let go of what is left; the process ends here when a step ignores being cancelled."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left and (await asyncio.wait(left, timeout=_PATIENCE))[1]:
        sys.stdout.flush()
        os._exit(code)
    return code


def masked(run: Run, redactor: Redactor) -> Run:
    """The run as it may be shown: no secret is in its data."""
    return replace(
        run,
        output=redactor.masked(run.output),
        state=redactor.masked(dict(run.state)),
        failures=redactor.masked(run.failures),
        events=redactor.masked(run.events),
    )


async def _watch(run: FlowRun, view: View, hints: Hints) -> None:
    try:
        async for event in run:
            view.show(event)
            await hints.after(event)
    except OSError:
        run.cancel("nobody reads the output")
        await run.finished()
        raise
