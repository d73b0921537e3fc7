"""`openrun cancel`, `pause`, `resume` and `resolve`: what is asked of a run, wherever it runs."""

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from openrun.app import App
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.store_options import OneRun, in_store, resolve_run
from openrun.core.errors import JsonError
from openrun.core.near import did_you_mean
from openrun.core.strict_json import decode
from openrun.core.types import FINAL, Json

_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOptions(OneRun):
    """How a run is to be cancelled."""

    reason: Annotated[str, typer.Option(metavar="TEXT", help="What the journal says.")] = "cancelled"
    hard: Annotated[bool, typer.Option("--hard", help="Steps marked always do not run either.")] = False
    compensate: Annotated[
        bool, typer.Option("--compensate", help="What its steps did is undone, the latest first.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseOptions(OneRun):
    """Why a run is to be paused."""

    reason: Annotated[str, typer.Option(metavar="TEXT", help="What the journal says.")] = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveOptions(OneRun):
    """What became of a step whose outcome is unknown."""

    step: Annotated[str, typer.Argument(metavar="STEP", help="Id of the step that needs review.")]
    scope: Annotated[str, typer.Option(metavar="SCOPE", help="Where it runs, as inspect shows it.")] = "/"
    committed: Annotated[
        str | None, typer.Option(metavar="JSON", help="Its work took place, and this is its output.")
    ] = None
    absent: Annotated[bool, typer.Option("--absent", help="Its work did not take place: run it.")] = False


def cancel(options: CancelOptions) -> None:
    """Ask a run to stop, and the runs it started; its steps marked always still run unless --hard.

    With --compensate what its steps did is undone. Exits with 3 for an unknown run, 4 for one that has ended.
    """
    if options.hard and options.compensate:
        raise Refusal("--hard waits for nothing, and so not for what --compensate asks for: give one of them")
    _tell(
        options,
        "cancel requested" + (", and to undo what it did" if options.compensate else ""),
        lambda app, run: app.cancel(
            run, reason=options.reason, hard=options.hard, compensate=options.compensate
        ),
    )


def pause(options: PauseOptions) -> None:
    """Let nothing more start in a run until it is resumed. Exits with 3 for an unknown run, 4 for one that has ended."""
    _tell(options, "pause requested", lambda app, run: app.pause(run, reason=options.reason))


def resume(options: OneRun) -> None:
    """Let a paused or held run go on. Exits with 3 for an unknown run, 4 for one that has ended."""
    _tell(options, "resume requested", lambda app, run: app.resume(run))


def resolve(options: ResolveOptions) -> None:
    """Say whether the work of a step that needs review took place: --committed JSON or --absent.

    Exits with 3 for an unknown run or step, 4 for one that needs no review.
    """
    if (options.committed is None) is not options.absent:
        raise Refusal("give one of --committed JSON and --absent")
    output = None if options.committed is None else _output(options.committed)

    async def settle(app: App, run_id: str) -> None:
        await _check_review(app, run_id, options)
        await app.resolve(
            run_id, options.step, options.scope, committed=options.committed is not None, output=output
        )

    _tell(options, f"told what became of step {options.step!r}", settle)


def _tell(options: OneRun, words: str, ask: Callable[[App, str], Awaitable[None]]) -> None:
    async def tell(app: App) -> str:
        run_id = await resolve_run(app.store, options.run)
        await ask(app, run_id)
        return run_id

    run_id = in_store(options.store, tell)
    said = json.dumps({"run_id": run_id, "posted": True}) if options.as_json else f"run {run_id}: {words}"
    sys.stdout.write(said + "\n")


async def _check_review(app: App, run_id: str, options: ResolveOptions) -> None:
    """Raises `Refusal` unless this step waits for somebody to say so: the run itself would keep silent."""
    row = await app.row(run_id)
    if row.status in FINAL:
        raise Refusal(f"run {run_id} has {row.status.value}", code=ExitCode.CONFLICT)
    found = {}
    after = 0
    while page := await app.store.activations(run_id, after=after, limit=_PAGE):
        found.update({(each.step_id, each.scope): each.status for each in page})
        after = page[-1].seq
    status = found.get((options.step, options.scope))
    place = f"step {options.step!r}" + ("" if options.scope == "/" else f" in {options.scope}")
    if status is None:
        waiting = [step_id for (step_id, _scope), each in found.items() if each == "review"]
        hint = did_you_mean(options.step, waiting) if waiting else "no step of this run needs review"
        raise Refusal(f"run {run_id} has not come to {place}", code=ExitCode.NOT_FOUND, hint=hint)
    if status != "review":
        raise Refusal(f"{place} needs no review: it is {status}", code=ExitCode.CONFLICT)


def _output(given: str) -> Json:
    try:
        return decode(given)
    except JsonError as error:
        raise Refusal(f"--committed: {error}", hint="give JSON, such as '{\"id\": 7}' or null") from None
