"""`openrun worker`: work on the runs of a store."""

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from openrun.app import App
from openrun.cli.collection import Collection
from openrun.cli.durable import share_the_interpreter, without_password
from openrun.cli.interrupts import IN_STORE, Interrupts
from openrun.cli.library import Library
from openrun.cli.modules import catalog_with
from openrun.cli.options import AsJson, ModuleNames, PrivateTargets, SecretSources
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.screen import screen
from openrun.cli.secret import read_secrets
from openrun.cli.session import leave
from openrun.cli.shift import Drained, Shift, warnings_on_stderr
from openrun.cli.store_options import DEFAULT_STORE, BusPlace, StorePlace
from openrun.net.address import AllowList
from openrun.runtime.secrets import Redactor
from openrun.runtime.worker import WorkerOptions
from openrun.store.opening import open_store

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCommand:
    """What a worker works on, and how."""

    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FLOW...]",
            help="Flows to keep in the store first: JSON and Python files, folders, module:name.",
        ),
    ] = None
    store: StorePlace = DEFAULT_STORE
    bus: BusPlace = None
    flows: Annotated[
        list[str] | None,
        typer.Option(
            "--flows", metavar="PATH", help="Flow, or folder of flows, to keep in the store; repeatable."
        ),
    ] = None
    modules: ModuleNames = None
    allow: PrivateTargets = None
    secrets: SecretSources = None
    once: Annotated[
        bool, typer.Option("--once", help="Stop when nothing runs or is due; runs that wait stay.")
    ] = False
    lease: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How long others wait before they take over.")
    ] = WorkerOptions().lease
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="What running steps get when the worker stops.")
    ] = WorkerOptions().grace
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Most runs in memory at once.")] = (
        WorkerOptions().runs
    )
    as_json: AsJson = False


def worker(options: WorkCommand) -> None:
    """Work on the runs of a store until SIGTERM or Ctrl-C, which hands them back within the grace.

    Several workers may share a store; each run is worked on by one of them. Exits with 0 once all is handed back; a
    second signal stops at once.
    """
    out = screen()
    with contextlib.redirect_stdout(sys.stderr), Interrupts(IN_STORE) as interrupts:
        secrets = read_secrets(options.secrets or ())
        app = _app(options, secrets)
        redactor = Redactor(secrets)
        shift = Shift(out.file, redactor, as_json=options.as_json)
        share_the_interpreter()
        with warnings_on_stderr(redactor):
            asyncio.run(_work(app, options, shift, interrupts))


def _app(options: WorkCommand, secrets: dict[str, str]) -> App:
    collection = Collection.of(options.names or (), catalog_with(options.modules or ()))
    library = Library.of(options.flows or (), collection.catalog)
    collection.check(library.ids)
    for _source, refusal in collection.refused:
        raise refusal
    flows = [*(each.flow for each in collection.found), *library.every(collection.ids)]
    catalog = collection.catalog
    for flow in flows:
        for key, cls in flow.catalog.items():
            catalog.add(key, cls)
    allow = options.allow or []
    try:
        AllowList.parse(allow)
    except ValueError as error:
        raise Refusal(f"--allow: {error}") from None
    return App(
        open_store(options.store),
        flows=flows,
        catalog=catalog,
        allow=allow,
        secrets=secrets,
        options=WorkerOptions(lease=options.lease, grace=options.grace, runs=options.runs),
        bus=options.bus,
    )


async def _work(app: App, options: WorkCommand, shift: Shift, interrupts: Interrupts) -> ExitCode:
    asked = asyncio.Event()
    interrupts.cancels(lambda _reason: asked.set())
    async with app:
        assert app.worker is not None
        shift.begin(app.worker, without_password(options.store))
        drained = Drained(app.store, app.worker) if options.once else None
        while not asked.is_set():
            shift.tell()
            if drained is not None and await drained.check():
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), _LOOK_SECONDS)
    shift.end()
    return await leave(ExitCode.OK)
