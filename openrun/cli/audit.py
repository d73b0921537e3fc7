"""`openrun audit`: who changed what, and whether the log of it is as it was written."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.house import DAMAGED
from openrun.cli.options import listing, taking
from openrun.cli.refusal import Refusal, guarded
from openrun.cli.rows import at, instant
from openrun.cli.screen import error_screen, screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean, count, safe_json
from openrun.core.strict_json import decode
from openrun.house.audit import CheckedAudit, check_audit
from openrun.server.access import ALL_NAMESPACES
from openrun.store.books import AuditFilter, AuditRow

_MOST = 100_000
_COLUMNS = ("number", "at", "namespace", "actor", "role", "action", "status", "from", "resource")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions(StoreOptions):
    """Which rows are listed."""

    actor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only what this one did: the name of a key, or of whoever ran a command."
        ),
    ] = None
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Only what was done so, such as runs.cancel.")
    ] = None
    namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"Only what was done in this one; '{ALL_NAMESPACES}' is all of them."
        ),
    ] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=_MOST, help="The newest so many.")] = 50


def audit() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(name="audit", help="The audit log: who changed what.", invoke_without_command=True)
    app.callback()(guarded(listing(AuditOptions, list_audit)))
    app.command("ls")(guarded(taking(AuditOptions, list_audit)))
    app.command("verify")(guarded(taking(StoreOptions, verify_audit)))
    return app


def list_audit(options: AuditOptions) -> None:
    """List what was done, or refused, the newest first."""
    wanted = _filter(options)
    rows = in_store(options.store, lambda app: app.store.audit(wanted))
    shown = rows[: options.limit]
    if options.as_json:
        _write([_document(row) for row in shown])
        return
    out = screen()
    if shown:
        out.print(_table(shown))
    else:
        out.print(Text("the audit log has no such rows", "dim"))
    if len(rows) > options.limit:
        out.print(Text("there are more; --limit N lists more", "dim"))


def verify_audit(options: StoreOptions) -> None:
    """Check that the audit log is what was written; name the first row that is not. Exits with 5 if there is one."""

    async def check(app: App) -> CheckedAudit:
        return await check_audit(app.store)

    found = in_store(options.store, check)
    if options.as_json:
        _write(_verdict(found))
    else:
        _show(found)
    if found.fault is not None:
        raise typer.Exit(DAMAGED)


def _filter(options: AuditOptions) -> AuditFilter:
    """One row more than is shown tells whether there are more."""
    given = {"--actor": options.actor, "--action": options.action, "--namespace": options.namespace}
    for name, text in given.items():
        if text is not None and not (text and text.isprintable()):
            raise Refusal(f"{name} is printable text")
    return AuditFilter(
        actor=options.actor,
        action=options.action,
        namespace=None if options.namespace == ALL_NAMESPACES else options.namespace,
        limit=options.limit + 1,
    )


def _table(rows: Sequence[AuditRow]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, no_wrap=name not in {"actor", "resource"}, overflow="fold")
    for row in rows:
        table.add_row(
            Text(str(row.number)),
            Text(at(row.at)),
            Text(clean(row.namespace)),
            Text(clean(row.actor)),
            Text(clean(row.role)),
            Text(clean(row.action)),
            Text(str(row.status), "red" if row.status >= 400 else ""),
            Text(clean(row.remote or "")),
            Text(clean(row.resource, 400)),
        )
    return table


def _show(found: CheckedAudit) -> None:
    rows = count(found.rows, "row")
    if found.head:
        screen().print(Text.assemble((f"row {found.last}", "bold"), "  ", (clean(found.head), "dim")))
    if found.fault is None:
        screen().print(Text(f"✓ {rows}: as written", "green"))
        return
    screen().print(Text(f"{rows} looked at"))
    error_screen().print(Text.assemble(("✗ ", "red"), clean(found.fault.reason)))


def _verdict(found: CheckedAudit) -> dict[str, Any]:
    """The names of `GET /v1/audit/verify`."""
    fault = found.fault
    return {
        "valid": fault is None,
        "rows": found.rows,
        "last": found.last,
        "head": found.head,
        "broken_at": None if fault is None else fault.seq,
        "reason": None if fault is None else fault.reason,
    }


def _document(row: AuditRow) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(row)
    return plain | {"at": instant(row.at).isoformat(), "details": decode(row.details)}


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
