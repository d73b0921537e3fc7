"""`openrun keys`: who may call the API."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.options import taking
from openrun.cli.person import By, named
from openrun.cli.refusal import ExitCode, Refusal, guarded
from openrun.cli.rows import at, document, since
from openrun.cli.screen import error_screen, screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean, safe_json
from openrun.core.durations import parse_duration
from openrun.server.access import ALL_NAMESPACES, ROLES, Role, Scope
from openrun.server.keyring import Keyring, principal_of
from openrun.store.base import StoreError
from openrun.store.books import AuditRow, KeyRow
from openrun.store.projection import in_ms
from openrun.store.rows import DEFAULT_NAMESPACE

_NAMESPACE = re.compile(r"\*|[a-z0-9][a-z0-9-]{0,62}")
_LONGEST_NAME = 100
_LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions(StoreOptions):
    """Whose key it is, and what it allows."""

    name: Annotated[
        str, typer.Option(metavar="NAME", help="Whose it is, or what for; the audit log says it.")
    ]
    role: Annotated[Role, typer.Option(help="What the key is for.")] = Role.OPERATOR
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help=f"The one it is for; '{ALL_NAMESPACES}' is all of them.")
    ] = DEFAULT_NAMESPACE
    scope: Annotated[
        list[Scope] | None,
        typer.Option(metavar="SCOPE", help="Only these of the role's scopes, such as runs:read; repeatable."),
    ] = None
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long it lasts, such as 90d; for ever, when left out."),
    ] = None
    by: By = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions(StoreOptions):
    """Which keys are listed."""

    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeOptions(StoreOptions):
    """Which key is ended."""

    key: Annotated[str, typer.Argument(metavar="ID", help="Id of the key, or the beginning of it.")]
    by: By = None


def keys() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(name="keys", help="Keys of the API: who may call it.", no_args_is_help=True)
    app.command("create")(guarded(taking(CreateOptions, create_key)))
    app.command("ls")(guarded(taking(ListOptions, list_keys)))
    app.command("revoke")(guarded(taking(RevokeOptions, revoke_key)))
    return app


def create_key(options: CreateOptions) -> None:
    """Make a key and print it, this once; only its hash is kept.

    Without --expires it lasts until it is revoked. A store that does not exist yet is made.
    """
    _check(options)
    by = named(options.by)

    async def create(app: App) -> tuple[KeyRow, str]:
        keyring = Keyring(app.store, app.clock)
        row, key = await keyring.create(
            options.name,
            options.role,
            options.namespace,
            scopes=options.scope,
            expires_at=None
            if options.expires is None
            else in_ms(app.clock.now()) + _milliseconds(options.expires),
        )
        await _note(app, "keys.create", 201, row, by)
        return row, key

    row, key = in_store(options.store, create, make=True)
    if options.as_json:
        _write({**_shown(row), "key": key})
        return
    sys.stdout.write(f"{key}\n")
    until = "until it is revoked" if row.expires_at is None else f"until {at(row.expires_at)}"
    words = f"key {row.key_id} of {row.name!r}, {row.role} in {row.namespace}, {until}; it is shown this once"
    error_screen().print(Text(clean(words, 400), "dim"))


def list_keys(options: ListOptions) -> None:
    """List keys, the newest first: whose they are and what they allow; never the keys themselves."""

    async def ask(app: App) -> tuple[list[KeyRow], int]:
        return await app.store.keys(), await app.store.now()

    rows, now = in_store(options.store, ask)
    wanted = [row for row in rows if options.every or state(row, now) == "active"]
    if options.as_json:
        _write([_shown(row) | {"state": state(row, now)} for row in wanted])
    elif wanted:
        screen().print(_table(wanted, now))
    else:
        screen().print(Text("there are no keys; `openrun keys create --name NAME` makes one", "dim"))


def revoke_key(options: RevokeOptions) -> None:
    """End a key; servers take it for what it was for one more second."""
    by = named(options.by)

    async def end(app: App) -> KeyRow:
        row = _one(await app.store.keys(), options.key)
        if not await Keyring(app.store, app.clock).revoke(row.key_id):
            raise Refusal(f"key {row.key_id} was revoked before", code=ExitCode.CONFLICT)
        await _note(app, "keys.revoke", 200, row, by)
        return row

    row = in_store(options.store, end)
    if options.as_json:
        _write({"key_id": row.key_id, "name": row.name, "revoked": True})
    else:
        screen().print(Text(f"revoked {row.key_id} of {clean(row.name)}"))


def state(row: KeyRow, now: int) -> str:
    """Whether a key lets anybody in: active, expired or revoked."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"


async def _note(app: App, action: str, status: int, row: KeyRow, by: str) -> None:
    """Add a row to the audit log, as the API does for the same operation."""
    note = AuditRow(
        at=in_ms(app.clock.now()),
        namespace=DEFAULT_NAMESPACE if row.namespace == ALL_NAMESPACES else row.namespace,
        actor=by,
        actor_id="",
        role="cli",
        action=action,
        resource=f"key/{row.key_id}",
        status=status,
        request_id="cli",
    )
    try:
        await app.store.add_audit([note])
    except StoreError as error:
        # What was done is done, and a key that was made has to be shown all the same.
        words = f"the audit log took no row for {action} of key {row.key_id}: {error}"
        error_screen().print(Text(clean(words, 400), "yellow"))


def _check(options: CreateOptions) -> None:
    if not 1 <= len(options.name) <= _LONGEST_NAME or not options.name.isprintable():
        raise Refusal(f"--name has 1 to {_LONGEST_NAME} printable characters")
    if _NAMESPACE.fullmatch(options.namespace) is None:
        raise Refusal("--namespace is a name of a-z, 0-9 and -, at most 63 characters, or '*' for all")
    beyond = sorted(set(options.scope or ()) - ROLES[options.role])
    if beyond:
        hint = f"it has {', '.join(sorted(ROLES[options.role]))}"
        raise Refusal(f"the role {options.role.value!r} has no scope {beyond[0].value!r}", hint=hint)
    if options.expires is not None:
        _milliseconds(options.expires)


def _milliseconds(expires: str) -> int:
    try:
        seconds = parse_duration(expires)
    except ValueError as error:
        raise Refusal(f"--expires: {error}") from None
    if not 0 < seconds <= _LONGEST_DAYS * 86_400:
        raise Refusal("--expires: a key lasts for more than nothing, and at most 100 years")
    return round(seconds * 1_000)


def _one(rows: Sequence[KeyRow], prefix: str) -> KeyRow:
    found = [row for row in rows if prefix and row.key_id.startswith(prefix)]
    exact = [row for row in found if row.key_id == prefix]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise Refusal(f"more than one key's id begins with {prefix!r}", hint="give more of the id")
    raise Refusal(
        f"the store has no key {prefix!r}", code=ExitCode.NOT_FOUND, hint="`openrun keys ls --all` lists them"
    )


def _table(rows: Sequence[KeyRow], now: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("id", "name", "role", "namespace", "age", "until", "used"):
        table.add_column(name, no_wrap=name != "name", overflow="fold")
    for row in rows:
        standing = state(row, now)
        until = "for ever" if row.expires_at is None else at(row.expires_at)
        table.add_row(
            Text(row.key_id),
            Text(clean(row.name)),
            Text(clean(row.role) + ("" if row.scopes is None else " (in part)")),
            Text(clean(row.namespace)),
            Text(since(row.created_at, now)),
            Text(until if standing == "active" else standing),
            Text("never" if row.used_at is None else f"{since(row.used_at, now)} ago"),
        )
    return table


def _shown(row: KeyRow) -> dict[str, Any]:
    plain = document(row)
    del plain["hash"]
    return plain | {"scopes": sorted(principal_of(row).scopes)}


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
