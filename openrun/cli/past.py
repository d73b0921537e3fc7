"""`openrun state`, `diff`, `timeline` and `replay`: the past of a run, read from its journal alone."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from openrun.app import App
from openrun.cli.checkup import difference_text
from openrun.cli.gantt import show_gantt
from openrun.cli.house import DAMAGED
from openrun.cli.options import ModuleNames
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.screen import Screen, error_screen, screen
from openrun.cli.secret import read_secrets
from openrun.cli.store_options import ShownRun, in_store, resolve_run
from openrun.cli.text import clean, count, pretty, safe_json
from openrun.cli.wording import in_words
from openrun.core.events import Fact, FlowCompleted
from openrun.core.past import Replayer
from openrun.core.patch import difference
from openrun.core.replay import replay as folded
from openrun.core.replay import state_at
from openrun.core.timeline import timeline as course
from openrun.core.types import Json
from openrun.house.rebuild import Rebuilder, Rebuilt
from openrun.house.verify import UNREADABLE
from openrun.runtime.library import MissingCode
from openrun.runtime.secrets import Redactor
from openrun.store.base import StoreUnavailable

_KEYS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOptions(ShownRun):
    """Which state is printed."""

    at: Annotated[
        int | None, typer.Option(metavar="SEQ", help="Right after this event; the last when left out.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions(ShownRun):
    """Which two states are compared."""

    a: Annotated[int, typer.Argument(metavar="A", help="Seq of an event.")]
    b: Annotated[int, typer.Argument(metavar="B", help="Seq of another, later or earlier.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(ShownRun):
    """How the journal is folded again."""

    verify: Annotated[
        bool, typer.Option("--verify", help="Compare what comes out with what the store keeps of the run.")
    ] = False
    modules: ModuleNames = None


def state(options: StateOptions) -> None:
    """Print the state of a run as JSON, right after any event of it."""
    facts = _masked(in_store(options.store, lambda app: _facts(app, options)), options)
    _write(pretty(_state(facts, len(facts) if options.at is None else options.at)))


def diff(options: DiffOptions) -> None:
    """Print what changed in the state of a run between two events, as JSON Patch (RFC 6902)."""
    facts = _masked(in_store(options.store, lambda app: _facts(app, options)), options)
    _write(pretty(difference(_state(facts, options.a), _state(facts, options.b))))


def timeline(options: ShownRun) -> None:
    """Show when each step of a run started, waited and ended."""
    facts = _masked(in_store(options.store, lambda app: _facts(app, options)), options)
    if options.as_json:
        _write(pretty(course(facts)))
    else:
        show_gantt(screen(), facts)


def replay(options: ReplayOptions) -> None:
    """Fold the journal of a run again and tell what each event changed; no step runs, and nothing is called."""
    replayed = in_store(options.store, lambda app: _replayed(app, options), modules=options.modules or ())
    told = _told(replayed, options)
    if options.as_json:
        for each in told:
            _write(_line(each))
    else:
        _show(screen(), replayed.facts, told)
    if replayed.rebuilt is not None and not _agrees(replayed.rebuilt, as_json=options.as_json):
        raise typer.Exit(DAMAGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replayed:
    """A journal, folded once more."""

    facts: Sequence[Fact]
    replayer: Replayer
    rebuilt: Rebuilt | None


async def _replayed(app: App, options: ReplayOptions) -> _Replayed:
    facts = await _facts(app, options)
    run_id = facts[0].run_id
    row = await app.row(run_id)
    try:
        program = await app.library.program(row.flow_id, row.version)
    except MissingCode as missing:
        raise Refusal(str(missing), hint="--module names a module with its steps") from None
    folded(program.graph, facts)
    rebuilt = None
    if options.verify:
        rebuilder = Rebuilder(app.store, app.library)
        await rebuilder.run(run_id)
        rebuilt = rebuilder.found
    return _Replayed(facts=facts, replayer=Replayer(program.graph, facts), rebuilt=rebuilt)


async def _facts(app: App, options: ShownRun) -> Sequence[Fact]:
    run_id = await resolve_run(app.store, options.run)
    try:
        return await app.facts(run_id)
    except StoreUnavailable:
        raise
    except UNREADABLE:
        message = f"the journal of run {run_id} cannot be read"
        raise Refusal(message, hint=f"openrun verify {run_id} names the event") from None


def _masked(facts: Sequence[Fact], options: ShownRun) -> list[Fact]:
    redactor = Redactor(read_secrets(options.secrets or ()))
    return [redactor.masked(fact) for fact in facts]


def _state(facts: Sequence[Fact], seq: int) -> dict[str, Json]:
    if not 1 <= seq <= len(facts):
        message = f"run {facts[0].run_id} has the events 1 to {len(facts)}; there is no event {seq}"
        raise Refusal(message, code=ExitCode.NOT_FOUND)
    return state_at(facts, seq)


def _told(replayed: _Replayed, options: ReplayOptions) -> list[dict[str, Any]]:
    """Each fact with the keys of the state that it changed."""
    redactor = Redactor(read_secrets(options.secrets or ()))
    told = []
    before: dict[str, Json] = {"steps": {}}
    for fact, after in replayed.replayer.states():
        line = {"seq": fact.seq, "type": type(fact).__name__, "timestamp": fact.timestamp}
        step_id = getattr(fact, "step_id", None)
        if step_id is not None:
            line |= {"step_id": step_id, "scope": getattr(fact, "scope", "/")}
        changed = [] if after is before else list(_changed(before, after))
        told.append(redactor.masked({**msgspec.to_builtins(line), "changed": changed}))
        before = after
    return told


def _changed(before: dict[str, Json], after: dict[str, Json]) -> Iterator[str]:
    for key, value in after.items():
        if key == "steps":
            yield from (f"steps.{each}" for each in _of_level(before["steps"], value))
    yield from (key for key in _of_level(before, after) if key != "steps")


def _of_level(before: dict[str, Json], after: dict[str, Json]) -> Iterator[str]:
    for key, value in after.items():
        if key not in before or (before[key] is not value and before[key] != value):
            yield key


def _show(out: Screen, facts: Sequence[Fact], told: Sequence[dict[str, Any]]) -> None:
    width = len(str(len(facts)))
    for fact, line in zip(facts, told, strict=True):
        place = clean(line["step_id"], 40) if "step_id" in line else "run"
        if line.get("scope", "/") != "/":
            place += f" in {clean(line['scope'], 80)}"
        text = Text.assemble((f"{fact.seq:>{width}}  ", "dim"), (place, "bold"))
        text.append(f"  {in_words(fact) or _otherwise(fact)}")
        if line["changed"]:
            text.append(f"  {_keys(line['changed'])}", "green")
        out.print(text)
    out.print(Text(f"{count(len(facts), 'event')} folded again; nothing was called", "dim"))


def _otherwise(fact: Fact) -> str:
    """What is worth no line where only news are shown."""
    return fact.status.value if isinstance(fact, FlowCompleted) else "its time has come"


def _keys(changed: Sequence[str]) -> str:
    more = f", … and {len(changed) - _KEYS:,} more" if len(changed) > _KEYS else ""
    return "Δ " + ", ".join(clean(key, 60) for key in changed[:_KEYS]) + more


def _agrees(rebuilt: Rebuilt, *, as_json: bool) -> bool:
    """Say whether the fold agrees with what the store keeps."""
    if as_json:
        found = {"agrees": rebuilt.is_sound, **msgspec.to_builtins(rebuilt)}
        _write(_line({name: found[name] for name in ("agrees", "differences", "faults", "left_out")}))
        return rebuilt.is_sound
    out = screen() if rebuilt.is_sound else error_screen()
    for each in rebuilt.differences:
        out.print(difference_text(each))
    for fault in rebuilt.faults:
        out.print(Text(clean(fault.reason, 400), "red"))
    for left in rebuilt.left_out:
        out.print(Text(clean(left.reason, 400), "yellow"))
    if rebuilt.is_sound and not rebuilt.left_out:
        out.print(Text("✓ the store keeps what follows from the journal", "green"))
    return rebuilt.is_sound


def _line(value: Json) -> str:
    return safe_json(json.dumps(value, ensure_ascii=False))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
