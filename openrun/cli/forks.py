"""`openrun fork` and `retry`: new runs that begin with what holds of an old one."""

import json
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.durable import store_arguments
from openrun.cli.options import ModuleNames
from openrun.cli.payload import read_value
from openrun.cli.person import By, named
from openrun.cli.refusal import Refusal
from openrun.cli.screen import Screen, error_screen, screen
from openrun.cli.store_options import OneRun, in_store, resolve_run
from openrun.cli.text import clean, safe_json
from openrun.cli.wording import repeat_in_words
from openrun.core.fork import ForkPlan, Repeat
from openrun.core.types import Json
from openrun.runtime.forking import Forked


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOptions(OneRun):
    """Which run is tried again, and how."""

    version: Annotated[
        str | None,
        typer.Option(
            metavar="latest|HASH", help="Another version of the flow; that of the run when left out."
        ),
    ] = None
    repeat_effects: Annotated[
        bool, typer.Option("--repeat-effects", help="Do again what has been done outside.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be kept and what would run again; make nothing.")
    ] = False
    comment: Annotated[str | None, typer.Option(metavar="TEXT", help="What the journal says.")] = None
    by: By = None
    key: Annotated[str | None, typer.Option(metavar="KEY", help="The same key gives the same new run.")] = (
        None
    )
    modules: ModuleNames = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkOptions(RetryOptions):
    """Where a run is forked, and what is changed there."""

    step: Annotated[str, typer.Argument(metavar="STEP", help="The first step that runs again.")]
    scope: Annotated[str, typer.Option(metavar="SCOPE", help="Where it ran, as inspect shows it.")] = "/"
    patch: Annotated[
        str | None,
        typer.Option(
            metavar="JSON|@FILE|-", help="JSON Patch (RFC 6902) of the state as it was right before the step."
        ),
    ] = None


def fork(options: ForkOptions) -> None:
    """Begin a new run with what a run did before a step, and go another way from there; a worker does it.

    Prints what is kept, what runs again and why, and the new run's id. What has been done outside is not done again
    unless --repeat-effects says so: then the exit code is 4. Exits with 2 for a patch that cannot be, 3 for what is
    not there.
    """
    patch, by = _patch(options.patch), named(options.by)

    async def plan(app: App, run_id: str) -> ForkPlan:
        return await app.plan_fork(run_id, options.step, options.scope, patch=patch, version=options.version)

    async def make(app: App, run_id: str) -> Forked:
        return await app.fork(
            run_id,
            options.step,
            options.scope,
            patch=patch,
            version=options.version,
            repeat_effects=options.repeat_effects,
            by=by,
            comment=options.comment,
            key=options.key,
        )

    _carry_out(options, plan, make)


def retry(options: RetryOptions) -> None:
    """Begin a new run with what a run did well, and try again what did not succeed; a worker does it.

    Exits as `fork` does, and with 4 for a run that has not ended or that has ended well.
    """
    by = named(options.by)

    async def plan(app: App, run_id: str) -> ForkPlan:
        return await app.plan_fork(run_id, version=options.version)

    async def make(app: App, run_id: str) -> Forked:
        return await app.retry(
            run_id,
            version=options.version,
            repeat_effects=options.repeat_effects,
            by=by,
            comment=options.comment,
            key=options.key,
        )

    _carry_out(options, plan, make)


def _patch(given: str | None) -> list[dict[str, Any]]:
    operations = [] if given is None else read_value(given, "--patch")
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        hint = 'such as \'[{"op": "replace", "path": "/amount", "value": 7}]\''
        raise Refusal("--patch: a JSON Patch is a list of operations", hint=hint)
    return operations


def _carry_out(
    options: RetryOptions,
    plan: Callable[[App, str], Awaitable[ForkPlan]],
    make: Callable[[App, str], Awaitable[Forked]],
) -> None:
    async def whole(app: App) -> tuple[ForkPlan, Forked | None]:
        run_id = await resolve_run(app.store, options.run)
        if options.dry_run:
            return await plan(app, run_id), None
        forked = await make(app, run_id)
        return forked.plan, forked

    planned, forked = in_store(options.store, whole, modules=options.modules or ())
    if options.as_json:
        sys.stdout.write(
            safe_json(json.dumps(_document(planned, forked), ensure_ascii=False, indent=2)) + "\n"
        )
        return
    out = screen()
    if forked is not None and forked.replayed:
        out.print(Text(f"run {forked.run_id} was forked from {planned.origin} under this key before"))
        return
    _show_plan(out, planned)
    if forked is not None:
        out.print(Text(f"run {forked.run_id} is forked from {planned.origin}"))
        modules = [word for name in options.modules or () for word in ("--module", name)]
        line = shlex.join(["openrun", "worker", *store_arguments(options.store), *modules])
        error_screen().print(Text(f"it goes on with: {clean(line, 400)}", "dim"))


def _document(plan: ForkPlan, forked: Forked | None) -> dict[str, Json]:
    return {
        "run_id": None if forked is None else forked.run_id,
        "replayed": forked is not None and forked.replayed,
        "forked_from": plan.origin,
        "at": plan.at,
        "version": plan.version,
        "steps": msgspec.to_builtins(plan.steps),
        "repeats": msgspec.to_builtins(plan.repeats),
    }


def _show_plan(out: Screen, plan: ForkPlan) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("step", "scope", ""):
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold")
    for each in plan.steps:
        table.add_row(
            Text(clean(each.step_id, 40)),
            Text("" if each.scope == "/" else clean(each.scope, 40)),
            Text("kept", "green") if each.kept else Text("again", "yellow"),
            Text("" if each.kept else clean(each.reason, 200)),
        )
    out.print(table)
    _show_repeats(out, plan.repeats)


def _show_repeats(out: Screen, repeats: Sequence[Repeat]) -> None:
    if repeats:
        out.print(Text("done outside, and done again (refused without --repeat-effects):", "bold yellow"))
    for each in repeats:
        out.print(Text(f"  {repeat_in_words(each)}", "yellow"))
