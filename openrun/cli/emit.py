"""`openrun emit`: publish an event for flows and runs that listen."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from openrun.app import App
from openrun.bus.cloud_event import CloudEvent, InvalidEvent
from openrun.cli.payload import read_value
from openrun.cli.refusal import Refusal
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean
from openrun.steps.execution.emit import CORRELATION
from openrun.store.rows import DEFAULT_NAMESPACE

SOURCE = "/cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitOptions(StoreOptions):
    """What happened."""

    event_type: Annotated[str, typer.Argument(metavar="TYPE", help="Type of the event, such as order.paid.")]
    data: Annotated[str | None, typer.Option(metavar="JSON|@FILE|-", help="What happened, as JSON.")] = None
    source: Annotated[str, typer.Option(metavar="URI", help="Where it comes from, a URI reference.")] = SOURCE
    subject: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is about.")] = None
    event_id: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="ID", help="Names it within its source: emitted again, it is no second event."
        ),
    ] = None
    correlation: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it belongs to, for runs that wait for it.")
    ] = None
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Whose flows and runs hear of it.")] = (
        DEFAULT_NAMESPACE
    )


def emit(options: EmitOptions) -> None:
    """Publish an event (a CloudEvent), print its id, and leave handing it out to the workers of the store.

    Exits with 0 once it is on disk, also when it was there before; 2 for what is no event.
    """
    data = read_value(options.data, "--data")

    async def publish(app: App) -> tuple[CloudEvent, bool]:
        event = _event(options, data, app.around.new_run_id())
        (fresh,) = await app.space(options.namespace).events.accept([event])
        return event, fresh

    try:
        event, fresh = in_store(options.store, publish)
    except InvalidEvent as invalid:
        details = [
            clean(str(each) if each.attribute else f"it {each.message}", 1_000) for each in invalid.faults
        ]
        raise Refusal("this is no event that is taken here", details=details) from None
    if options.as_json:
        told = {"id": event.id, "source": event.source, "known": not fresh}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write(event.id + ("\n" if fresh else " was there before\n"))


def _event(options: EmitOptions, data: object, new_id: str) -> CloudEvent:
    correlation = options.correlation
    return CloudEvent(
        id=options.event_id or new_id,
        source=options.source,
        type=options.event_type,
        data=data,
        subject=options.subject,
        extensions={} if correlation is None else {CORRELATION: correlation},
    )
