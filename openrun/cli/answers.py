"""`openrun approve`, `reject` and `answer`: what a person says to a wait."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from openrun.app import App
from openrun.cli.payload import read_value
from openrun.cli.person import By, Roles, named
from openrun.cli.refusal import Refusal
from openrun.cli.signals import AsText, write_told
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean
from openrun.runtime.waits import Told

_VALUE = "JSON, @FILE, or - for stdin."


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWait(StoreOptions):
    """A wait of the store."""

    wait: Annotated[
        str, typer.Argument(metavar="WAIT", help="Id of the wait, or the beginning of it that no other has.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveOptions(OneWait):
    """Which approval is given, by whom, and with what in place of what was asked for."""

    value: Annotated[
        str | None,
        typer.Argument(metavar="[VALUE]", help=f"What is approved in place of the payload: {_VALUE}"),
    ] = None
    by: By = None
    roles: Roles = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectOptions(OneWait):
    """What is rejected, by whom and why."""

    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")] = None
    by: By = None
    roles: Roles = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions(OneWait):
    """What is answered, and by whom."""

    value: Annotated[str, typer.Argument(metavar="VALUE", help=f"The answer: {_VALUE}")]
    as_text: AsText = False
    by: By = None
    roles: Roles = None


def approve(options: ApproveOptions) -> None:
    """Approve what a run asks, as it is or with an edited value.

    Exits with 2 for a value that does not fit, 3 for an unknown wait, 4 for one that is over or that somebody
    else has to answer.
    """
    value, by = read_value(options.value, "VALUE"), named(options.by)
    _tell(
        options,
        f"that {clean(by, 60)} approves",
        lambda app: app.waits.approve(options.wait, value, by=by, roles=options.roles or ()),
    )


def reject(options: RejectOptions) -> None:
    """Reject what a run asks for; or refuse to answer an interrupt, which fails its step. Exits as `approve` does."""
    by = named(options.by)
    _tell(
        options,
        f"that {clean(by, 60)} rejects",
        lambda app: app.waits.reject(options.wait, options.reason, by=by, roles=options.roles or ()),
    )


def answer(options: AnswerOptions) -> None:
    """Answer what a step asks for in the middle of its work, or a wait for a signal or an event.

    Exits as `approve` does.
    """
    value, by = read_value(options.value, "VALUE", as_text=options.as_text), named(options.by)
    _tell(
        options,
        f"the answer of {clean(by, 60)}",
        lambda app: app.waits.answer(options.wait, value, by=by, roles=options.roles or ()),
    )


def check_id(given: str, what: str) -> None:
    """Raises `Refusal` for an empty beginning: it would name whatever happens to be alone."""
    if not given.strip():
        raise Refusal(f"{what} is empty")


def _tell(options: OneWait, what: str, say: Callable[[App], Awaitable[Told]]) -> None:
    check_id(options.wait, "WAIT")
    write_told(in_store(options.store, say), what, as_json=options.as_json)
