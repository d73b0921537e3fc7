"""Hands an event to whoever it is for: flows with a trigger for it, and runs that wait for it.

An event may be handed over any number of times, by any number of servers: a run is started under a key of the event
and the trigger, and a wait is told under a key of the event and the wait, so that a repetition is no act.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from openrun.bus.cloud_event import CloudEvent
from openrun.core.errors import OpenRunError, TemplateError
from openrun.core.types import Json
from openrun.net import trace_context
from openrun.steps.execution.emit import CORRELATION, MOST_HOPS
from openrun.store.base import StoreUnavailable
from openrun.store.bus_events import BusEventRow
from openrun.triggers.base import RunRequest
from openrun.triggers.current import CurrentTriggers
from openrun.triggers.gathering import EventSet, Gathered, Gathering, name_of
from openrun.triggers.matching import Match, correlation_of

_log = logging.getLogger("openrun.events")

_MOST_COMPLAINTS = 1_000


class NotDelivered(OpenRunError):
    """An event could not be handed to all that it is for; whoever got it gets it no second time."""


class Told(Protocol):
    """What runs wait to be told."""

    async def happened(self, event: str, value: Json, *, correlation: str | None, key: str) -> object:
        """Tell every run that waits for the event."""


class Receiver(Protocol):
    """The flows and runs of one namespace."""

    @property
    def waits(self) -> Told: ...

    async def deliver(self, request: RunRequest) -> object:
        """Start the run that is asked for, unless it is there."""


class Dispatcher:
    """Handles one event at a time for each call; `refused` counts templates that could not be filled in."""

    def __init__(
        self, receiver: Callable[[str], Receiver], triggers: CurrentTriggers, store: Gathered
    ) -> None:
        """`receiver` gives that of a namespace."""
        self._receiver = receiver
        self._triggers = triggers
        self._gathering = Gathering(store)
        self._complained: set[tuple[str, str]] = set()
        self.refused = 0

    async def handle(self, row: BusEventRow) -> None:
        """Hand it to all that it is for. Raises `NotDelivered` when it has to be handed over again."""
        event = CloudEvent.from_json(row.body)
        if event.hops > MOST_HOPS:
            _log.warning(
                "event %s of %s starts nothing: it is number %d in a row of events that flows emitted because of the "
                "one before, and %d is the most",
                *(event.id, event.source, event.hops, MOST_HOPS),
            )
            return
        table = await self._triggers.now()
        found = await table.find(row.namespace, event, lambda match, why: self._refuse(event, match, why))
        deliveries = [self._deliver(match, event, row) for match in found]
        outcomes = await asyncio.gather(*deliveries, self._tell(event, row), return_exceptions=True)
        names = [*(f"trigger {match.trigger.name}" for match in found), "a run that waits for it"]
        _raise_what_failed(zip(names, outcomes, strict=True))

    def _refuse(self, event: CloudEvent, match: Match, why: str) -> None:
        self.refused += 1
        place = (match.trigger.name, why)
        # Once is enough: events of a kind that a filter cannot read may come by the thousand.
        level = logging.DEBUG if place in self._complained else logging.WARNING
        if len(self._complained) >= _MOST_COMPLAINTS:
            self._complained.clear()
        self._complained.add(place)
        _log.log(level, "event %s of %s, trigger %s: %s", event.id, event.source, *place)

    async def _tell(self, event: CloudEvent, row: BusEventRow) -> None:
        """An event is about its `correlationid`, else its `subject`."""
        about = event.extensions.get(CORRELATION, event.subject)
        await self._receiver(row.namespace).waits.happened(
            event.type,
            event.data,
            correlation=None if about is None else str(about),
            key=f"{event.source}:{event.id}",
        )

    async def _deliver(self, match: Match, event: CloudEvent, row: BusEventRow) -> None:
        trigger = match.trigger
        if not trigger.is_gathering:
            await self._start(match, event, {"event": event.plain()}, f"{event.source}:{event.id}")
            return
        try:
            key = correlation_of(trigger, event)
        except TemplateError as error:
            self._refuse(event, match, f"the correlation fails: {error}")
            return
        await self._gathering.add(match, row, key, lambda events: self._start_all(match, events))

    async def _start_all(self, match: Match, events: EventSet) -> None:
        whole = [CloudEvent.from_json(each.body) for each in events]
        last = whole[max(range(len(events)), key=lambda at: events[at].at)]
        farthest = max(whole, key=lambda each: each.hops)
        payload: dict[str, Json] = {"event": last.plain(), "events": [each.plain() for each in whole]}
        await self._start(match, last, payload, f"all:{name_of(events)}", hops=farthest.hops)

    async def _start(
        self, match: Match, event: CloudEvent, payload: dict[str, Json], name: str, *, hops: int | None = None
    ) -> None:
        trigger = match.trigger
        trace = trace_context.parse(_text(event, "traceparent"), _text(event, "tracestate"))
        key = f"event:{trigger.namespace}:{trigger.flow_id}:{trigger.step_id}:{name}"
        await self._receiver(trigger.namespace).deliver(
            RunRequest(
                namespace=trigger.namespace,
                flow=trigger.flow_id,
                trigger=trigger.step_id,
                payload=payload,
                key=key,
                # Whatever else it says: (source, id) is the event.
                fingerprint=hashlib.sha256(key.encode()).hexdigest(),
                traceparent=None if trace is None else trace.traceparent,
                tracestate=None if trace is None else trace.tracestate,
                hops=event.hops if hops is None else hops,
            )
        )


def _text(event: CloudEvent, name: str) -> str | None:
    value = event.extensions.get(name)
    return value if isinstance(value, str) else None


def _raise_what_failed(outcomes: Iterable[tuple[str, object]]) -> None:
    failed = [(name, each) for name, each in outcomes if isinstance(each, BaseException)]
    for name, error in failed:
        if isinstance(error, StoreUnavailable) or not isinstance(error, Exception):
            # That the store is away is no fault of the event's.
            raise error
        _log.warning("%s did not get an event: %s", name, error, exc_info=not isinstance(error, OpenRunError))
    if failed:
        told = "; ".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed)
        raise NotDelivered(told[:2_000])
