"""`openrun start`: start a run in a store and leave it to a worker."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from openrun.app import App, DurableRun
from openrun.cli.options import FlowPaths, ModuleNames, RunOptions
from openrun.cli.payload import read_input, read_state
from openrun.cli.screen import error_screen
from openrun.cli.session import Session
from openrun.cli.source import STDIN
from openrun.cli.store_options import StoreOptions, in_store

_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions(StoreOptions):
    """Which flow is to be run, and with what."""

    flow: Annotated[
        str,
        typer.Argument(
            metavar="FLOW|FLOW_ID",
            help="A JSON file, - for stdin, module:name, or a flow that the store has.",
        ),
    ]
    trigger: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The trigger that starts the run; the only one when left out."),
    ] = None
    payload: Annotated[
        str | None, typer.Option("--input", metavar="JSON|@FILE|-", help="The trigger's payload.")
    ] = None
    state: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Initial state: JSON, else text; repeatable."),
    ] = None
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key and input give the same run.")
    ] = None
    flows: FlowPaths = None
    modules: ModuleNames = None


def start(options: StartOptions) -> None:
    """Start a run in the store, print its id, and leave running it to `openrun worker`.

    A FLOW is kept in the store first; a FLOW_ID is one that it has. Exits with 0 once the run is on disk, 2 for a
    payload that cannot be or a flow that is not valid, 3 for what is not there, 4 for a key used for something else.
    """
    run = _start_known(options) if _is_id(options.flow) else _start_given(options)
    if run.replayed:
        error_screen().print(Text("this run was started under this key before", "dim"))
    told = {"run_id": run.run_id, "replayed": run.replayed}
    sys.stdout.write((json.dumps(told) if options.as_json else run.run_id) + "\n")


def _is_id(flow: str) -> bool:
    return flow != STDIN and _ID.fullmatch(flow) is not None and not Path(flow).exists()


def _start_known(options: StartOptions) -> DurableRun:
    payload, state = read_input(options.payload), read_state(options.state or ())

    async def begin(app: App) -> DurableRun:
        return await app.start(options.flow, options.trigger, input=payload, state=state, key=options.key)

    return in_store(options.store, begin, modules=options.modules or ())


def _start_given(options: StartOptions) -> DurableRun:
    session = Session.of(
        RunOptions(
            flow=options.flow,
            trigger=options.trigger,
            payload=options.payload,
            state=options.state,
            flows=options.flows,
            modules=options.modules,
        )
    )

    async def begin(app: App) -> DurableRun:
        for flow in session.flows:
            await app.add_flow(flow)
        return await app.start(
            session.flow, session.trigger, input=session.payload, state=session.state, key=options.key
        )

    return in_store(options.store, begin, make=True, modules=options.modules or (), catalog=session.catalog)
