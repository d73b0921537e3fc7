"""A store, a journal, a worker and intake put together: the durable engine in one process."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from openrun.bus.cloud_event import CloudEvent
from openrun.core.fork import ForkPlan, NoSuchActivation
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.patch import PatchError
from openrun.listening import Listening, ListeningOptions
from openrun.net.address import AllowList
from openrun.net.http import HttpClient
from openrun.runtime.clock import Clock, SystemClock
from openrun.runtime.engine import Compilable
from openrun.runtime.errors import (
    CompensationOpen,
    EffectSettled,
    InvalidAnswer,
    KeyConflict,
    NotAllowed,
    Overloaded,
    RunEnded,
    UnknownCompensation,
    UnknownEffect,
    UnknownFlow,
    UnknownRun,
    UnknownVersion,
    UnknownWait,
    WaitOver,
)
from openrun.runtime.forking import Forked, NotRetryable, WouldRepeat
from openrun.runtime.ids import NewRunId, uuid7
from openrun.runtime.journal import Journal
from openrun.runtime.library import Library
from openrun.runtime.observer import Observer
from openrun.runtime.start_queue import StartQueue
from openrun.runtime.surroundings import Surroundings
from openrun.runtime.tails import Tails
from openrun.runtime.worker import Worker, WorkerOptions
from openrun.space import DurableRun, Space
from openrun.steps.catalog import StepCatalog
from openrun.store.base import Store
from openrun.store.opening import open_store
from openrun.store.rows import DEFAULT_NAMESPACE
from openrun.store.scoped import ScopedStore
from openrun.triggers.schedules import UnknownSchedule

__all__ = [
    "App",
    "CompensationOpen",
    "DurableRun",
    "EffectSettled",
    "ForkPlan",
    "Forked",
    "InvalidAnswer",
    "KeyConflict",
    "NoSuchActivation",
    "NotAllowed",
    "NotRetryable",
    "Overloaded",
    "PatchError",
    "RunEnded",
    "Space",
    "UnknownCompensation",
    "UnknownEffect",
    "UnknownFlow",
    "UnknownRun",
    "UnknownSchedule",
    "UnknownVersion",
    "UnknownWait",
    "WaitOver",
    "WouldRepeat",
]


class App(Space):
    """Runs flows so that they survive: `async with App("openrun.db", flows=[flow]) as app`.

    `store` is a path of a SQLite file (`:memory:` keeps nothing), a `postgresql://` URL, or a store. With
    `work=False` it starts and steers runs but leaves running them to workers elsewhere. It starts runs in the
    namespace "default" and reaches those of all; `space(namespace)` is one of them, walled off. `secrets` are those
    of "default" by name, and of others as "namespace/name". `observers` are told what runs do here.
    `bus` is where Redis carries events (`redis://HOST:PORT/DB`); the store alone does, when left out.
    """

    def __init__(
        self,
        store: Store | str | Path = "openrun.db",
        *,
        flows: Iterable[Compilable] = (),
        catalog: StepCatalog | None = None,
        clock: Clock | None = None,
        limits: Limits = DEFAULT_LIMITS,
        allow: Iterable[str] = (),
        secrets: Mapping[str, str] | None = None,
        work: bool = True,
        options: WorkerOptions | None = None,
        new_run_id: NewRunId = uuid7,
        observers: Sequence[Observer] = (),
        bus: str | None = None,
    ) -> None:
        self.store: Store = open_store(str(store)) if isinstance(store, str | Path) else store
        self.catalog = catalog or StepCatalog.builtin()
        self.clock: Clock = clock or SystemClock()
        self.limits = limits
        self.secrets: Mapping[str, str] = secrets or {}
        self._flows = tuple(flows)
        permitted = AllowList.parse(tuple(allow))
        self._http = HttpClient(allow=permitted)
        self.around = Surroundings.of(
            clock=self.clock,
            limits=limits,
            http=self._http,
            new_run_id=new_run_id,
            secrets=self.secrets,
            bus=self._emit,
        )
        self.library = Library(self.store, self.catalog, limits, self.clock)
        self._options = options or WorkerOptions()
        self.start_queue = StartQueue(self._options.start_queue)
        self._works_here = work
        self.worker: Worker | None = None
        self.journal: Journal
        self.tails = Tails(self.store, poll=self._options.poll)
        self._observers = (self.tails, *observers)
        self.listening = Listening(
            self,
            ListeningOptions(
                bus=bus, permitted=permitted, poll=self._options.poll, lease=self._options.lease
            ),
            self._observers,
        )
        """It listens where a worker works."""
        super().__init__(self, DEFAULT_NAMESPACE, self.store)

    def space(self, namespace: str) -> Space:
        """The flows and runs of one namespace alone."""
        return Space(self, namespace, ScopedStore(self.store, namespace))

    async def _emit(self, namespace: str, event: CloudEvent) -> None:
        await self.listening.emit(namespace, event)

    async def __aenter__(self) -> Self:
        await self.store.open()
        for flow in self._flows:
            await self.add_flow(flow)
        if self._works_here:
            self.worker = Worker(
                self.store,
                self.around,
                self.library,
                self._options,
                secrets=self.secrets,
                observers=self._observers,
            )
            self.journal = self.worker.journal
            await self.worker.start()
            await self.listening.start()
        else:
            self.journal = Journal(self.store, self.clock)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Hand back what runs here, within the grace in seconds, and close everything."""
        if self.worker is not None:
            await self.listening.stop()
            await self.worker.stop(grace)
        else:
            await self.listening.bus.stop()
            await self.journal.close()
        await self.tails.close()
        await self._http.close()
        await self.listening.close()
        await self.store.close()
