"""--store: which store a command asks, opening it, and finding a run in it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from openrun.app import App
from openrun.cli.modules import catalog_with
from openrun.cli.options import AsJson
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.wording import repeat_in_words
from openrun.core.near import did_you_mean
from openrun.runtime.errors import InvalidAnswer, NotAllowed
from openrun.runtime.forking import WouldRepeat
from openrun.runtime.refused import CONFLICTS, UNKNOWN
from openrun.steps.catalog import StepCatalog
from openrun.store.base import Store
from openrun.store.opening import open_store
from openrun.store.rows import RunFilter
from openrun.triggers.schedules import UnknownSchedule

T = TypeVar("T")

DEFAULT_STORE = "openrun.db"
_ELSEWHERE = (":memory:", "postgres://", "postgresql://")
_SQLITE = "sqlite:///"
_LATEST = 50
_SHOWN = 5

StorePlace = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="PATH|URL",
        envvar="OPENRUN_STORE",
        help="The store: a SQLite file, or postgresql://USER@HOST/DATABASE.",
    ),
]
BusPlace = Annotated[
    str | None,
    typer.Option(
        "--bus",
        metavar="URL",
        envvar="OPENRUN_BUS",
        help="Where Redis carries events, redis://HOST:PORT/DB; the store alone does, when left out.",
    ),
]
RunPrefix = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it that no other run has.")
]

MaskedSecrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=env:VARIABLE|file:PATH",
        help="Secret that is masked in what is shown, and where its value is found; repeatable.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Which store is asked, and how the answer is printed."""

    store: StorePlace = DEFAULT_STORE
    as_json: AsJson = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRun(StoreOptions):
    """A run of the store."""

    run: RunPrefix


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun(OneRun):
    """A run whose data is shown, secrets masked."""

    secrets: MaskedSecrets = None


def in_store(
    place: str,
    body: Callable[[App], Awaitable[T]],
    *,
    make: bool = False,
    modules: Iterable[str] = (),
    catalog: StepCatalog | None = None,
) -> T:
    """What `body` returns, given an app that works on nothing itself. Raises `Refusal`.

    A SQLite file that does not exist is made only with `make`: whoever asks about runs must not leave an empty
    store behind. `modules` are those whose steps the flows of the store may use, beside those of `catalog`.
    """
    if not make:
        require_store(place)
    known = catalog_with(modules, catalog)

    async def whole() -> T:
        async with App(open_store(place), work=False, catalog=known) as app:
            return await body(app)

    try:
        return asyncio.run(whole())
    except InvalidAnswer as error:
        message = str(error.args[0]).partition("\n")[0]
        details = [f"{pointer or '/'}: {what}" for pointer, what in error.faults]
        raise Refusal(message, details=details) from None
    except WouldRepeat as error:
        raise Refusal(
            "this would do again what has been done outside:",
            code=ExitCode.CONFLICT,
            details=[repeat_in_words(each) for each in error.repeats],
            hint="--dry-run shows all of the plan; --repeat-effects does it again",
        ) from None
    except (*UNKNOWN, UnknownSchedule) as error:
        raise Refusal(str(error), code=ExitCode.NOT_FOUND) from None
    except (*CONFLICTS, NotAllowed) as error:
        raise Refusal(str(error), code=ExitCode.CONFLICT) from None


def sqlite_file(place: str) -> Path | None:
    """The file that a store is kept in; None for a store that is no file."""
    return None if place.startswith(_ELSEWHERE) else Path(place.removeprefix(_SQLITE))


def require_store(place: str) -> None:
    """Raises `Refusal` for a SQLite file that does not exist."""
    file = sqlite_file(place)
    if file is not None and "://" not in place.removeprefix(_SQLITE) and not file.exists():
        hint = "--store or OPENRUN_STORE names another; `openrun run FLOW --durable` makes one"
        raise Refusal(f"there is no store {place!r}", code=ExitCode.NOT_FOUND, hint=hint)


async def resolve_run(store: Store, prefix: str) -> str:
    """The id of the one run that begins so. Raises `Refusal`: there is none, or more than one."""
    found = await store.find(prefix, _SHOWN + 1) if prefix else []
    if len(found) == 1 or prefix in found:
        return prefix if prefix in found else found[0]
    if found:
        more = ", …" if len(found) > _SHOWN else ""
        hint = "give more of the id: " + ", ".join(found[:_SHOWN]) + more
        raise Refusal(f"more than one run begins with {prefix!r}", hint=hint)
    removed = await store.tombstone(prefix)
    if removed is not None:
        message = f"run {prefix} was removed by retention; it had {removed.status.value}"
        raise Refusal(message, code=ExitCode.NOT_FOUND)
    hint = await _near(store, prefix)
    raise Refusal(f"the store has no run {prefix!r}", code=ExitCode.NOT_FOUND, hint=hint)


async def _near(store: Store, prefix: str) -> str:
    latest = [row.run_id for row in await store.runs(RunFilter(limit=_LATEST))]
    hint = did_you_mean(prefix, latest)
    return hint if hint and hint.startswith("did") else "`openrun ps --all` lists the runs"
