"""What an engine listens with beside its worker: to the clock, to the event bus, to the outbox."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from openrun.bus.base import Bus, BusOptions, Published
from openrun.bus.cloud_event import CloudEvent
from openrun.bus.opening import open_bus
from openrun.net.address import AllowList
from openrun.net.http import HttpClient
from openrun.net.target import Targets
from openrun.receiver import Receiver
from openrun.runtime.clock import Clock, SystemClock
from openrun.runtime.library import Library
from openrun.runtime.listener import Listener
from openrun.runtime.notifications import Outlet
from openrun.runtime.notifier import Notifier, NotifierOptions
from openrun.runtime.outgoing import Outgoing
from openrun.runtime.scheduled import ScheduledBirths
from openrun.runtime.surroundings import Surroundings
from openrun.runtime.timetable import room_for_the_next
from openrun.space import Space
from openrun.steps.catalog import StepCatalog
from openrun.store.base import Store
from openrun.store.projection import in_ms
from openrun.triggers.current import CurrentTriggers
from openrun.triggers.dispatcher import Dispatcher
from openrun.triggers.forgetting import Forgetting
from openrun.triggers.scheduler import Scheduler, Wiring, telling


class Engine(Protocol):
    """What it listens for."""

    @property
    def store(self) -> Store: ...

    @property
    def catalog(self) -> StepCatalog: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def library(self) -> Library: ...

    @property
    def around(self) -> Surroundings: ...

    @property
    def secrets(self) -> Mapping[str, str]: ...

    def space(self, namespace: str) -> Space: ...

    def hint(self) -> None:
        """There are new runs in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningOptions:
    """Times in seconds."""

    bus: str | None
    """Where Redis is that carries events."""
    permitted: AllowList
    """Private targets that may be told of runs."""
    poll: float
    lease: float


class Listening:
    """All of it, wired together."""

    def __init__(self, engine: Engine, options: ListeningOptions, observers: Iterable[object]) -> None:
        self._engine = engine
        self._receivers: dict[str, Receiver] = {}
        self.triggers = CurrentTriggers(engine.store, engine.catalog)
        self.dispatcher = Dispatcher(self._receiver, self.triggers, engine.store)
        """Hands events to those whom they are for."""
        self.bus: Bus = open_bus(
            options.bus,
            engine.store,
            self.dispatcher.handle,
            now=self._now,
            options=BusOptions(poll=options.poll, lease=options.lease),
        )
        # With a client of its own: receivers that hang take no connections from steps.
        self._outgoing = Outgoing(
            http=HttpClient(allow=options.permitted),
            clock=engine.clock,
            secrets=engine.secrets,
            masked=engine.around.masked,
            publish=self.emit,
        )
        self.notifier = Notifier(
            engine.store, self._outgoing, engine.clock, NotifierOptions(poll=options.poll)
        )
        self.outlet = Outlet(
            outgoing=self._outgoing,
            targets=Targets(options.permitted),
            new_id=engine.around.new_run_id,
            hint=self.notifier.hint,
        )
        births = ScheduledBirths(engine.store, engine.library, engine.around.new_run_id, engine.clock)
        wiring = Wiring(
            bear=births.bear,
            make_room=room_for_the_next,
            now=SystemClock().now,
            woke=engine.hint,
            told=telling(observers),
        )
        self.scheduler = Scheduler(engine.store, wiring, poll=options.poll)
        """Fires schedules."""
        self._listeners: tuple[Listener, ...] = (
            self.bus,
            self.notifier,
            self.scheduler,
            Forgetting(engine.store, self._now),
        )

    async def start(self) -> None:
        """Where a worker works, there is somebody to listen."""
        for each in self._listeners:
            await each.start()

    async def stop(self) -> None:
        for each in self._listeners:
            await each.stop()

    async def close(self) -> None:
        """Let go of what is open to the outside."""
        await self._outgoing.http.close()

    async def emit(self, namespace: str, event: CloudEvent) -> None:
        """Publish an event; it is kept when this returns."""
        await self.bus.publish([Published(namespace=namespace, event=event)])

    def _now(self) -> int:
        return in_ms(self._engine.clock.now())

    def _receiver(self, namespace: str) -> Receiver:
        known = self._receivers.get(namespace)
        if known is None:
            known = self._receivers[namespace] = Receiver(self._engine.space(namespace))
        return known
