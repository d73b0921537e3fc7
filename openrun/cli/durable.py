"""`openrun run --durable`: a run in a store, worked on and watched here until it ends or is handed back."""

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from rich.text import Text

from openrun.app import App, DurableRun, KeyConflict
from openrun.cli.hints import Hints, InStore
from openrun.cli.interrupts import IN_STORE, Interrupts
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.screen import Screen, error_screen
from openrun.cli.session import Session, leave, masked
from openrun.cli.store_options import DEFAULT_STORE
from openrun.cli.summary import show_summary
from openrun.cli.tail import Tail
from openrun.cli.text import clean
from openrun.cli.view import MaskedView, View
from openrun.core.events import FlowCompleted
from openrun.core.past import Replayer
from openrun.runtime.engine import Run
from openrun.runtime.secrets import Redactor
from openrun.runtime.worker import WorkerOptions
from openrun.store.opening import open_store

GRACE_SECONDS = 2.0
_NEVER = 365 * 86_400.0
_SWITCH_SECONDS = 0.001
_COLLECTED_AFTER = (50_000, 20, 100)
"""Objects, and collections of the younger ones: a run makes a hundred that only the collector can free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a durable run is started with, and where it is shown."""

    session: Session
    store: str
    key: str | None
    carry_on: str
    """The command that goes on with the run when this one cannot."""
    explain: str
    """The command that explains a step, but for the run and the step."""
    view: View
    out: Screen
    as_json: bool


def run_durably(watched: Watched) -> ExitCode:
    """Start the run and see it to its end; when a signal comes, hand it back."""
    share_the_interpreter()
    with Interrupts(IN_STORE) as interrupts:
        return asyncio.run(_see_through(watched, interrupts))


def share_the_interpreter() -> None:
    """Let threads take turns more often, and the collector of cycles less often.

    A step that computes in the event loop otherwise keeps the store's writer, a thread, waiting for 5 ms at each of
    its turns, and every run of the process waits for the writer. The collector stops everybody, and what it looks
    through again and again is the program itself: that is left out of its sight.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


def store_arguments(place: str) -> list[str]:
    """`--store` as it is written on a command line, without a password; nothing where it can be left out."""
    is_default = place == os.environ.get("OPENRUN_STORE", DEFAULT_STORE)
    return [] if is_default else ["--store", without_password(place)]


def without_password(place: str) -> str:
    """The store as it may be shown."""
    parts = urlsplit(place)
    if parts.password is None:
        return place
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))


async def _see_through(watched: Watched, interrupts: Interrupts) -> ExitCode:
    asked = asyncio.Event()
    interrupts.cancels(lambda _reason: asked.set())
    app = _app(watched)
    held: Container[str] = ()
    run_id = ""
    tail = Tail(app.store, is_here=lambda: run_id in held)
    async with app:
        if app.worker is not None:
            held = app.worker.held
        run = await _started(app, watched, tail)
        run_id = run.run_id
        _announce(run, watched)
        finished = await _watch(app, run_id, tail, watched, asked)
    if finished is None:
        _say_goodbye(run_id, watched, ended=tail.has_ended)
        return await leave(ExitCode.INTERRUPTED)
    if not watched.as_json:
        show_summary(watched.out, finished, f"{watched.explain} {run_id}")
    return await leave(ExitCode.OK if finished.succeeded else ExitCode.FAILED)


def _app(watched: Watched) -> App:
    session = watched.session
    return App(
        open_store(watched.store),
        flows=session.flows,
        catalog=session.catalog,
        allow=session.allow,
        secrets=session.secrets,
        # The run stays in memory while it waits, so that all it has to show is shown.
        options=WorkerOptions(grace=GRACE_SECONDS, patience=_NEVER),
    )


async def _started(app: App, watched: Watched, tail: Tail) -> DurableRun:
    session = watched.session
    try:
        return await app.start(
            session.flow,
            session.trigger,
            input=session.payload,
            state=session.state,
            key=watched.key,
            show=tail.show,
        )
    except KeyConflict as error:
        raise Refusal(str(error), code=ExitCode.CONFLICT) from None


async def _watch(app: App, run_id: str, tail: Tail, watched: Watched, asked: asyncio.Event) -> Run | None:
    """Show the run until its end, and return it; None once a signal has come."""
    redactor = Redactor(watched.session.secrets)
    view = MaskedView(watched.view, redactor) if watched.session.secrets else watched.view
    animation = asyncio.create_task(view.animate())
    hints = InStore(app.store, store_arguments(watched.store), redactor)
    following = asyncio.create_task(_follow(tail, run_id, view, hints))
    interrupted = asyncio.create_task(asked.wait())
    tasks = (animation, following, interrupted)
    try:
        await asyncio.wait([following, interrupted], return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            return None
        following.result()
        return masked(await _finished(app, run_id, watched.session), redactor)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        with contextlib.suppress(OSError):
            view.close()


async def _follow(tail: Tail, run_id: str, view: View, hints: Hints) -> None:
    async for event in tail.events(run_id):
        view.show(event)
        await hints.after(event)


async def _finished(app: App, run_id: str, session: Session) -> Run:
    facts = tuple(await app.facts(run_id))
    end = facts[-1]
    assert isinstance(end, FlowCompleted)
    graph = session.flow.program(session.catalog).graph
    return Run(
        run_id=run_id,
        flow_id=end.flow_id,
        status=end.status,
        output=end.output,
        state=Replayer(graph, facts).state(end.seq),
        failures=end.failures,
        events=facts,
        graph=graph,
    )


def _announce(run: DurableRun, watched: Watched) -> None:
    place = clean(without_password(watched.store))
    before = ", started under this key before" if run.replayed else ""
    error_screen().print(Text(f"run {run.run_id} in {place}{before}", "dim"))


def _say_goodbye(run_id: str, watched: Watched, *, ended: bool) -> None:
    if ended:
        message = f"interrupted; run {run_id} has ended meanwhile"
    else:
        message = f"interrupted; run {run_id} goes on with: {watched.carry_on}"
    error_screen().print(Text(message, "yellow"))
