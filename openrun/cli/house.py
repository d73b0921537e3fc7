"""`openrun verify`, `doctor`, `gc` and `backup`: keeping house over a store."""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from openrun.app import App
from openrun.cli.checkup import Checkup
from openrun.cli.options import ModuleNames
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.screen import Screen, error_screen, screen
from openrun.cli.store_options import StoreOptions, in_store, resolve_run
from openrun.cli.text import clean, count, safe_json
from openrun.core.durations import parse_duration
from openrun.house.archive import Archive
from openrun.house.copy import back_up
from openrun.house.doctor import examine
from openrun.house.rebuild import Rebuilder
from openrun.house.retention import Retention, Swept
from openrun.house.strict import hooks_of, weaknesses
from openrun.house.verify import Fault, Verified
from openrun.house.verify import verify as verified

DAMAGED = 5
"""The exit code for a journal, or a copy, that is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions(StoreOptions):
    """Which runs are checked."""

    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Ids of runs, or their beginnings; all runs when left out."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions(StoreOptions):
    """How closely the store is looked at."""

    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Fold every journal again and compare what the store derived.")
    ] = False
    fix: Annotated[bool, typer.Option("--fix", help="With --rebuild: write what should be there.")] = False
    strict: Annotated[
        bool, typer.Option("--strict", help="Look for what strangers could use once a server is reachable.")
    ] = False
    modules: ModuleNames = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GcOptions(StoreOptions):
    """Which runs go, and where they are kept."""

    ttl: Annotated[str, typer.Option(metavar="TIME", help="Runs that ended longer ago go, such as 90d.")]
    archive: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the archive, a new file each time.")
    ] = None
    no_archive: Annotated[bool, typer.Option("--no-archive", help="Keep nothing of them.")] = False
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="So many are removed at once.")] = 1_000
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell which would go.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions(StoreOptions):
    """Where the copy goes."""

    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A file that does not exist yet.")]


def verify(options: VerifyOptions) -> None:
    """Check that journals are what was written; name the first event of each run that is not."""

    async def check(app: App) -> Verified:
        if not options.runs:
            return await verified(app.store)
        return await verified(app.store, [await resolve_run(app.store, each) for each in options.runs])

    found = in_store(options.store, check)
    if options.as_json:
        _write(found)
    else:
        _show_heads(screen(), found)
        _show_verified(screen(), found, "as written")
    if found.faults:
        raise typer.Exit(DAMAGED)


def doctor(options: DoctorOptions) -> None:
    """Look for what is wrong with a store: orphans, held runs, runs that nobody claims. Exits with 1 if something is.

    --strict tells what else has to be otherwise before a server of this store is put on the internet.
    """
    if options.fix and not options.rebuild:
        raise Refusal("--fix goes with --rebuild")

    found = in_store(options.store, lambda app: _looked(app, options), modules=options.modules or ())
    if options.as_json:
        _write(found.document())
    else:
        found.show(screen())
    if not found.is_sound:
        raise typer.Exit(ExitCode.FAILED)


async def _looked(app: App, options: DoctorOptions) -> Checkup:
    store = app.store
    examination = await examine(store)
    weak = rebuilt = None
    if options.strict:
        hooks = await hooks_of(store, app.library)
        weak = weaknesses(store, hooks, await store.keys(), await store.now())
    if options.rebuild:
        rebuilt = await Rebuilder(store, app.library, fix=options.fix).all()
    return Checkup(examination=examination, weaknesses=weak, rebuilt=rebuilt)


def gc(options: GcOptions) -> None:
    """Remove runs that ended long ago, once an archive has them; a line about each of them stays in the store."""
    try:
        age_ms = parse_duration(options.ttl) * 1_000
    except ValueError as error:
        raise Refusal(f"--ttl: {error}") from None
    if (options.archive is None) is not (options.no_archive or options.dry_run):
        raise Refusal("give either --archive DIR or --no-archive", hint="--dry-run needs neither")
    if options.dry_run:
        _preview(options, age_ms)
        return

    async def sweep(app: App) -> tuple[Swept, Path | None]:
        now = await app.store.now()
        archive = None if options.archive is None else Archive(options.archive / _name(now))
        before = round(now - age_ms)
        swept = await Retention(app.store, before, archive, batch=options.batch).sweep()
        return swept, archive.path if archive is not None and archive.bytes else None

    swept, path = in_store(options.store, sweep)
    if options.as_json:
        _write({**msgspec.to_builtins(swept), "archive": None if path is None else str(path)})
    else:
        _show_swept(screen(), swept, path)
    if swept.kept:
        raise typer.Exit(DAMAGED)


def backup(options: BackupOptions) -> None:
    """Write a consistent copy of a store into a new file while work goes on, and check its newest runs."""
    found = in_store(options.store, lambda app: back_up(app.store, options.target))
    if options.as_json:
        _write({"target": str(options.target), **msgspec.to_builtins(found)})
    else:
        screen().print(Text(f"{clean(str(options.target), 400)} written", "bold"))
        _show_verified(screen(), found, "as written; these are the newest in the copy")
    if found.faults:
        raise typer.Exit(DAMAGED)


def _preview(options: GcOptions, age_ms: float) -> None:
    async def look(app: App) -> list[str]:
        before = round(await app.store.now() - age_ms)
        return [row.run_id for row in await Retention(app.store, before, None).candidates()]

    found = in_store(options.store, look)
    if options.as_json:
        _write({"runs": len(found), "run_ids": found})
        return
    out = screen()
    for run_id in found:
        out.print(Text(clean(run_id)))
    out.print(Text(f"{count(len(found), 'run')} would be removed", "bold"))


def _name(now: int) -> str:
    instant = datetime.fromtimestamp(now / 1_000, UTC)
    return f"openrun-{instant:%Y%m%dT%H%M%S}{instant.microsecond // 1000:03}Z.ndjson"


def _show_heads(out: Screen, found: Verified) -> None:
    for head in found.heads:
        name = Text(clean(head.run_id), "bold")
        out.print(Text.assemble(name, f"  {count(head.events, 'event')}  ", (head.hash, "dim")))


def _show_verified(out: Screen, found: Verified, words: str) -> None:
    _show_faults(found.faults)
    whole = found.runs - len(found.faults)
    if whole or not found.faults:
        words = f"✓ {count(whole, 'run')}, {count(found.events, 'event')}: {words}"
        out.print(Text(words, "green"))


def _show_faults(faults: tuple[Fault, ...] | list[Fault]) -> None:
    err = error_screen()
    for each in faults:
        err.print(Text.assemble(("✗ ", "red"), (clean(each.run_id), "bold"), f"  {clean(each.reason, 400)}"))


def _show_swept(out: Screen, swept: Swept, path: Path | None) -> None:
    where = "" if path is None else f", archived in {clean(str(path), 400)} ({swept.archived:,} bytes)"
    out.print(Text(f"{count(swept.runs, 'run')} with {count(swept.events, 'event')} removed{where}"))
    _show_faults(swept.kept)
    if swept.kept:
        error_screen().print(Text("kept, for what would be archived is not what was written", "dim"))
    if swept.owing:
        left = f"{count(len(swept.owing), 'run')} kept, for somebody has to settle what they did or should have undone"
        error_screen().print(Text(f"{left}: openrun compensations, openrun effects ls", "yellow"))


def _write(document: Any) -> None:
    plain = msgspec.to_builtins(document)
    sys.stdout.write(safe_json(json.dumps(plain, ensure_ascii=False, indent=2)) + "\n")
