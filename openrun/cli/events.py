"""`openrun events`: the journal of a run."""

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from openrun.app import App
from openrun.cli.secret import read_secrets
from openrun.cli.store_options import ShownRun, in_store, resolve_run
from openrun.cli.tail import Tail
from openrun.cli.view import JsonView, LineView
from openrun.core.events import decode_fact
from openrun.runtime.secrets import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsOptions(ShownRun):
    """Which events are printed."""

    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens until the run ends.")
    ] = False
    after: Annotated[int, typer.Option(metavar="N", min=0, help="Only events after this seq.")] = 0


def events(options: EventsOptions) -> None:
    """Print the journal of a run; with -f go on until the run ends."""
    redactor = Redactor(read_secrets(options.secrets or ()))
    view = JsonView(sys.stdout) if options.as_json else LineView(sys.stdout, (), tells_end=True)

    async def tell(app: App) -> None:
        run_id = await resolve_run(app.store, options.run)
        if isinstance(view, LineView):
            # Times are told since the start of the run, whichever event is the first to be shown.
            (first,) = await app.store.events(run_id, limit=1)
            view.begin(decode_fact(first.body).timestamp)
        tail = Tail(app.store, after=options.after)
        if not options.follow:
            for fact in await tail.recorded(run_id):
                view.show(redactor.masked(fact))
            return
        async for event in tail.events(run_id):
            view.show(redactor.masked(event))

    in_store(options.store, tell)
