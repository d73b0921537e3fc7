"""The runs that schedules start, made without compiling flows.

A schedule's row names the version of its flow, and the store refuses what was decided about a version that is no
longer the current one. Of a version no more is kept than what a birth takes: the plan of its flow control, where it
has one. So a process can fire the schedules of more flows than it could hold in memory, and also those of flows whose
steps are missing here: the run is there for a process that has them.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

import msgspec

from openrun.core.events import FlowStarted
from openrun.core.types import Json
from openrun.definition.flow_control_plan import FlowControlPlan
from openrun.runtime.births import birth_of, unheld
from openrun.runtime.clock import Clock
from openrun.runtime.ids import NewRunId
from openrun.runtime.library import Library, MissingCode
from openrun.store.rows import Slice, VersionRow
from openrun.store.timetable import ScheduleRow

_KEPT = 10_000


class Versions(Protocol):
    """The flow versions of a store."""

    async def version(
        self, flow_id: str, version: str | None = None, *, namespace: str = ...
    ) -> VersionRow | None: ...


class ScheduledBirths:
    """Makes runs that nobody holds, for whoever writes them."""

    def __init__(self, store: Versions, library: Library, new_run_id: NewRunId, clock: Clock) -> None:
        self._store = store
        self._library = library
        self._new_run_id = new_run_id
        self._clock = clock
        self._controls: OrderedDict[str, FlowControlPlan | None] = OrderedDict()

    async def bear(self, row: ScheduleRow, payload: Mapping[str, Json]) -> Slice:
        """The run of a tick.

        Raises `MissingCode` where its flow control cannot be compiled here, and PermanentError where the payload has
        no key or priority for it.
        """
        control = await self._control(row)
        event = FlowStarted(
            run_id=self._new_run_id(),
            flow_id=row.flow_id,
            seq=1,
            timestamp=self._clock.now(),
            version=row.version,
            trigger=row.trigger,
            input=dict(payload),
            state={},
        )
        ticket = None if control is None else control.ticket(row.namespace, event.input)
        return unheld(event, birth_of(event, row.namespace, ticket=ticket))

    async def _control(self, row: ScheduleRow) -> FlowControlPlan | None:
        if row.version in self._controls:
            self._controls.move_to_end(row.version)
            return self._controls[row.version]
        control = await self._read(row)
        self._controls[row.version] = control
        if len(self._controls) > _KEPT:
            self._controls.popitem(last=False)
        return control

    async def _read(self, row: ScheduleRow) -> FlowControlPlan | None:
        program = self._library.compiled(row.version)
        if program is not None:
            return program.flow_control
        kept = await self._store.version(row.flow_id, row.version, namespace=row.namespace)
        if kept is None:
            raise MissingCode(f"version {row.version[:12]} of flow {row.flow_id!r} is not in the store")
        if msgspec.json.decode(kept.document).get("flow_control") is None:
            return None
        return (await self._library.program(row.flow_id, row.version, row.namespace)).flow_control
