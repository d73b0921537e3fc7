"""`openrun signal`: tell a run something, by name."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from openrun.app import App
from openrun.cli.payload import read_value
from openrun.cli.person import By, named
from openrun.cli.store_options import OneRun, in_store, resolve_run
from openrun.cli.text import clean
from openrun.runtime.waits import Told

AsText = Annotated[bool, typer.Option("--text", help="VALUE is text as it is, not JSON.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalOptions(OneRun):
    """What a run is told."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the signal.")]
    value: Annotated[
        str | None, typer.Argument(metavar="[VALUE]", help="What goes with it: JSON, @FILE, or - for stdin.")
    ] = None
    as_text: AsText = False
    by: By = None
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Told again under the same key, it is no second signal.")
    ] = None


def signal(options: SignalOptions) -> None:
    """Tell a run something: who has waited longest for a signal of this name hears it, else the next who does.

    Exits with 3 for an unknown run, 4 for one that has ended or a key that said something else.
    """
    value = read_value(options.value, "VALUE", as_text=options.as_text)
    by = named(options.by)

    async def tell(app: App) -> Told:
        run_id = await resolve_run(app.store, options.run)
        return await app.waits.signal(run_id, options.name, value, by=by, key=options.key)

    told = in_store(options.store, tell)
    write_told(told, f"signal {clean(options.name)}", as_json=options.as_json)


def write_told(told: Told, what: str, *, as_json: bool) -> None:
    """Say which run will hear what, or that it heard it before."""
    if as_json:
        said = json.dumps({"run_id": told.run_id, "wait_id": told.wait_id, "repeated": told.repeated})
    else:
        said = (
            f"run {told.run_id}: told before: {what}" if told.repeated else f"run {told.run_id}: told {what}"
        )
    sys.stdout.write(said + "\n")
