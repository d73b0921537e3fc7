"""`openrun notifications`: who is told of what runs do, and what became of that."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.options import PrivateTargets, listing, taking
from openrun.cli.refusal import ExitCode, Refusal, guarded
from openrun.cli.rows import at, document, instant, since
from openrun.cli.screen import screen
from openrun.cli.store_options import StoreOptions, in_store, resolve_run
from openrun.cli.text import clean, safe_json
from openrun.net.address import AllowList
from openrun.net.target import Targets
from openrun.runtime.notifications import Notifications
from openrun.store.outbox import NotificationFilter, NotificationRow, SubscriptionRow
from openrun.store.rows import DEFAULT_NAMESPACE

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOptions(StoreOptions):
    """Who is to be told what."""

    url: Annotated[
        str, typer.Argument(metavar="URL", help="Where to; openrun:events is the event bus of the namespace.")
    ]
    types: Annotated[
        list[str],
        typer.Option("--type", metavar="TYPE", help="What of, such as run.failed or run.*; repeatable."),
    ]
    flow: Annotated[str | None, typer.Option(metavar="ID", help="Only runs of this flow.")] = None
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the secret that signs, as the servers know it; NEW,OLD while one is replaced.",
        ),
    ] = None
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Whose runs.")] = DEFAULT_NAMESPACE
    allow: PrivateTargets = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSubscription(StoreOptions):
    """A subscription of the store."""

    subscription: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the subscription, or the beginning of it.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableOptions(OneSubscription):
    """Why it is told nothing for now."""

    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesOptions(StoreOptions):
    """Which notifications are listed."""

    dead: Annotated[bool, typer.Option("--dead", help="Only those that were given up.")] = False
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only those of this run.")] = None
    subscription: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those to this subscription.")
    ] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The newest so many.")] = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OneNotification(StoreOptions):
    """A notification of the store."""

    notification: Annotated[str, typer.Argument(metavar="ID", help="Id of the notification.")]


def notifications() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(name="notifications", help="Who is told of what runs do.", invoke_without_command=True)
    app.callback()(guarded(listing(StoreOptions, list_subscriptions)))
    app.command("add")(guarded(taking(AddOptions, add_subscription)))
    app.command("remove")(guarded(taking(OneSubscription, remove_subscription)))
    app.command("enable")(guarded(taking(OneSubscription, enable_subscription)))
    app.command("disable")(guarded(taking(DisableOptions, disable_subscription)))
    app.command("deliveries")(guarded(taking(DeliveriesOptions, list_deliveries)))
    app.command("replay")(guarded(taking(OneNotification, replay_notification)))
    return app


def list_subscriptions(options: StoreOptions) -> None:
    """List the subscriptions of all namespaces, the oldest first."""

    async def ask(app: App) -> tuple[list[SubscriptionRow], int]:
        return await app.store.subscriptions(), await app.store.now()

    rows, now = in_store(options.store, ask)
    if options.as_json:
        _write([document(row) for row in rows])
    elif rows:
        screen().print(_subscriptions(rows, now))
    else:
        hint = "nobody is told anything; `openrun notifications add URL --type run.failed` has somebody told"
        screen().print(Text(hint, "dim"))


def add_subscription(options: AddOptions) -> None:
    """Have an address told of runs from now on. A server or worker delivers; the secret has to be known there."""
    try:
        targets = Targets(AllowList.parse(options.allow or ()))
    except ValueError as error:
        raise Refusal(f"--allow: {error}") from None

    async def add(app: App) -> SubscriptionRow:
        outlet = replace(app.listening.outlet, targets=targets)
        return await Notifications(app.store, options.namespace, outlet).subscribe(
            options.url,
            options.types,
            flow_id=options.flow,
            secret=options.secret,
            description=options.description,
            check_secret=False,
        )

    row = in_store(options.store, add, make=True)
    _told(row, f"{row.subscription_id} is told of {', '.join(row.types)}", options)


def remove_subscription(options: OneSubscription) -> None:
    """Remove a subscription with its notifications."""

    async def remove(app: App, row: SubscriptionRow) -> SubscriptionRow:
        await app.notifications.remove(row.subscription_id)
        return row

    row = _with_one(options, remove)
    _told(row, f"{row.subscription_id} is removed", options)


def enable_subscription(options: OneSubscription) -> None:
    """Tell a subscriber again, what waited first."""
    row = _with_one(options, lambda app, row: app.notifications.enable(row.subscription_id))
    _told(row, f"{row.subscription_id} is told again", options)


def disable_subscription(options: DisableOptions) -> None:
    """Tell a subscriber nothing for now; what waits for it waits on."""
    reason = options.reason or "by a command"
    row = _with_one(options, lambda app, row: app.notifications.disable(row.subscription_id, reason))
    _told(row, f"{row.subscription_id} is told nothing for now", options)


def list_deliveries(options: DeliveriesOptions) -> None:
    """List notifications, newest first: those delivered in the last seven days, those that wait, those given up."""

    async def ask(app: App) -> tuple[list[NotificationRow], int]:
        run_id = None if options.run is None else await resolve_run(app.store, options.run)
        subscription = None if options.subscription is None else await _one(app, options.subscription)
        wanted = NotificationFilter(
            subscription_id=None if subscription is None else subscription.subscription_id,
            run_id=run_id,
            dead=True if options.dead else None,
            limit=options.limit,
        )
        return await app.store.notifications(wanted), await app.store.now()

    rows, now = in_store(options.store, ask)
    if options.as_json:
        _write([_whole(row) for row in rows])
    elif rows:
        screen().print(_deliveries(rows, now))
    else:
        screen().print(Text("there are no notifications", "dim"))


def replay_notification(options: OneNotification) -> None:
    """Deliver a notification again under its id, whatever became of it."""
    row = in_store(options.store, lambda app: app.notifications.replay(options.notification))
    _told(row, f"{row.notification_id} is delivered again", options)


async def _one(app: App, prefix: str) -> SubscriptionRow:
    found = [
        row for row in await app.store.subscriptions() if prefix and row.subscription_id.startswith(prefix)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refusal(f"more than one subscription's id begins with {prefix!r}", hint="give more of the id")
    raise Refusal(
        f"the store has no subscription {prefix!r}",
        code=ExitCode.NOT_FOUND,
        hint="`openrun notifications` lists them",
    )


def _with_one(options: OneSubscription, act: Callable[[App, SubscriptionRow], Awaitable[T]]) -> T:
    async def whole(app: App) -> T:
        return await act(app, await _one(app, options.subscription))

    return in_store(options.store, whole)


def _subscriptions(rows: Sequence[SubscriptionRow], now: int) -> Table:
    table = _table("id", "url", "types", "flow", "secret", "age", "state")
    for row in rows:
        off = row.disabled_at is not None
        table.add_row(
            Text(row.subscription_id, "bold"),
            Text(clean(row.url, 400)),
            Text(", ".join(row.types)),
            Text(clean(row.flow_id or "all")),
            Text(clean(row.secret or "none", 200)),
            Text(since(row.created_at, now)),
            Text(f"off: {clean(row.disabled_reason or '', 200)}" if off else "on", "yellow" if off else ""),
        )
    return table


def _deliveries(rows: Sequence[NotificationRow], now: int) -> Table:
    table = _table("id", "type", "flow", "age", "tries", "state")
    for row in rows:
        table.add_row(
            Text(row.notification_id),
            Text(clean(row.type)),
            Text(clean(row.flow_id)),
            Text(since(row.at, now)),
            Text(str(row.attempts)),
            Text(_standing(row), "red" if row.dead_at is not None else ""),
        )
    return table


def _standing(row: NotificationRow) -> str:
    if row.delivered_at is not None:
        return "delivered"
    why = "" if row.error is None else f": {clean(row.error, 200)}"
    return f"given up{why}" if row.dead_at is not None else f"due {at(row.due_at)}{why}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _whole(row: SubscriptionRow | NotificationRow) -> dict[str, Any]:
    found = document(row)
    if isinstance(row, NotificationRow):
        found |= {"at": instant(row.at).isoformat(), "data": json.loads(row.data)}
    return found


def _told(row: SubscriptionRow | NotificationRow, words: str, options: StoreOptions) -> None:
    if options.as_json:
        _write(_whole(row))
    else:
        sys.stdout.write(f"{clean(words, 400)}\n")


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
