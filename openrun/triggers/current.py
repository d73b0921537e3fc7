"""Which event triggers there are now: those of the current versions of all flows that are enabled.

They are read out of the flows' documents, so that also those of a flow are known whose steps are missing here: the
event is then kept for a process that has them.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Protocol

import msgspec
from pydantic import ValidationError

from openrun.core.errors import TemplateError
from openrun.steps.catalog import StepCatalog
from openrun.steps.triggers.event import TriggerEvent, TriggerEventConfig
from openrun.store.base import StoreError
from openrun.store.rows import FlowRow, VersionRow
from openrun.triggers.matching import EventTrigger, EventTriggers

_log = logging.getLogger("openrun.events")

_FRESH = 10
"""For how many times as long as the last look took its outcome counts: looking takes a tenth of the time at most."""

Place = tuple[str, str, str]
"""Namespace, flow and version."""


class Flows(Protocol):
    """The flows of a store, of all namespaces."""

    async def flows(self, namespace: str | None = None) -> list[FlowRow]: ...

    async def version(
        self, flow_id: str, version: str | None = None, *, namespace: str = ...
    ) -> VersionRow | None: ...


class CurrentTriggers:
    """Looks at the store as often as events come, as far as that is cheap."""

    def __init__(self, store: Flows, catalog: StepCatalog) -> None:
        self._store = store
        self._keys = {key for key, step in catalog.items() if issubclass(step, TriggerEvent)}
        self._known: dict[Place, tuple[EventTrigger, ...]] = {}
        self._flows: list[FlowRow] = []
        self._table = EventTriggers()
        self._lock = asyncio.Lock()
        self._forgotten = 0
        self._began = self._until = float("-inf")

    def forget(self) -> None:
        """A flow was kept, enabled or disabled here: look again before the next event."""
        self._forgotten += 1
        self._until = float("-inf")

    async def now(self) -> EventTriggers:
        """The triggers as they are, or as they were the moment before."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        if asked < self._until:
            return self._table
        async with self._lock:
            # Whoever waited meanwhile has been looked for, too.
            if self._began <= asked:
                began, forgotten = loop.time(), self._forgotten
                await self._look()
                self._began, ended = began, loop.time()
                if forgotten == self._forgotten:
                    self._until = ended + _FRESH * (ended - began)
        return self._table

    async def _look(self) -> None:
        flows = [row for row in await self._store.flows() if row.enabled]
        if flows != self._flows:
            self._known = {place: await self._triggers(place) for place in map(_place, flows)}
            self._table = EventTriggers(each for some in self._known.values() for each in some)
            self._flows = flows

    async def _triggers(self, place: Place) -> tuple[EventTrigger, ...]:
        known = self._known.get(place)
        return tuple(await self._read(place)) if known is None else known

    async def _read(self, place: Place) -> list[EventTrigger]:
        namespace, flow_id, version = place
        row = await self._store.version(flow_id, version, namespace=namespace)
        if row is None:
            raise StoreError(f"version {version[:12]} of flow {flow_id!r} is not in the store")
        found = []
        for step_id, config in self._configs(row.document):
            try:
                trigger = TriggerEventConfig.model_validate(config)
                found.append(
                    EventTrigger.of(
                        trigger, namespace=namespace, flow_id=flow_id, version=version, step_id=step_id
                    )
                )
            except (ValidationError, TemplateError) as error:
                _log.warning("trigger %r of flow %r takes no events here: %s", step_id, flow_id, error)
        return found

    def _configs(self, document: str) -> Iterator[tuple[str, object]]:
        """The event triggers of a document: their ids and configs."""
        for step in msgspec.json.decode(document)["steps"]:
            if step["type"] in self._keys:
                yield step["id"], step.get("config") or {}


def _place(row: FlowRow) -> Place:
    return row.namespace, row.flow_id, row.version
