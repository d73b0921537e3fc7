"""Which webhooks there are: those of the current versions of all flows that are enabled."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence

from openrun.app import App
from openrun.runtime.library import MissingCode
from openrun.steps.triggers.webhook import TriggerWebhook
from openrun.store.base import StoreError
from openrun.store.rows import FlowRow
from openrun.triggers.routes import Conflict, Endpoint, Routes

_log = logging.getLogger("openrun.server")

_PATIENCE = 30
"""After how many looks a flow that cannot be run here is tried again."""


class Mounting:
    """Keeps the table of webhooks as the flows of the store are, also those that others change."""

    def __init__(self, app: App, refresh: float) -> None:
        """`refresh` is how often the store is looked at, in seconds."""
        self._app = app
        self._refresh = refresh
        self._flows: Sequence[FlowRow] = ()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.routes, self.conflicts = Routes.of(())
        self.broken: dict[tuple[str, str], str] = {}
        """Flows that cannot be run here, by namespace and id, and why."""
        self._known: dict[tuple[str, str, str], tuple[Endpoint, ...]] = {}
        """The webhooks of versions, by namespace, flow and version: a version never changes."""
        self._looks = 0

    async def start(self) -> None:
        await self.look()
        self._task = asyncio.get_running_loop().create_task(self._look_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def look(self) -> None:
        """Look at the flows now, and mount anew what has changed."""
        async with self._lock:
            flows = [row for row in await self._app.store.flows() if row.enabled]
            self._looks += 1
            # What is missing here may come, with the next deployment perhaps.
            again = bool(self.broken) and self._looks % _PATIENCE == 0
            if flows != self._flows or again:
                await self._mount(flows)
                self._flows = flows

    async def _mount(self, flows: Sequence[FlowRow]) -> None:
        broken: dict[tuple[str, str], str] = {}
        endpoints: list[Endpoint] = []
        # Flows of older versions first: a route stays with whoever had it.
        for row in sorted(flows, key=lambda row: (row.created_at, row.namespace, row.flow_id)):
            try:
                endpoints += await self._webhooks(row)
            except MissingCode as missing:
                broken[row.namespace, row.flow_id] = str(missing)
        mounted = {(row.namespace, row.flow_id, row.version) for row in flows}
        self._known = {place: each for place, each in self._known.items() if place in mounted}
        self.routes, conflicts = Routes.of(endpoints)
        self._tell(conflicts, broken)
        self.conflicts, self.broken = conflicts, broken

    async def _webhooks(self, row: FlowRow) -> tuple[Endpoint, ...]:
        place = row.namespace, row.flow_id, row.version
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = await self._read(row)
        return known

    async def _read(self, row: FlowRow) -> tuple[Endpoint, ...]:
        program = await self._app.library.program(row.flow_id, row.version, row.namespace)
        return tuple(
            Endpoint(
                namespace=row.namespace,
                flow_id=row.flow_id,
                version=row.version,
                step_id=step.id,
                config=step.config,
            )
            for step in program.triggers
            if isinstance(step, TriggerWebhook)
        )

    def _tell(self, conflicts: Sequence[Conflict], broken: dict[tuple[str, str], str]) -> None:
        for conflict in conflicts:
            if conflict not in self.conflicts:
                _log.warning(
                    "%s is a webhook of flow %r and of flow %r: the first one has it",
                    conflict.route,
                    conflict.kept.flow_id,
                    conflict.refused.flow_id,
                )
        for (namespace, flow_id), why in broken.items():
            if self.broken.get((namespace, flow_id)) != why:
                _log.warning("flow %r of namespace %r is not mounted: %s", flow_id, namespace, why)

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._refresh)
            with _surviving():
                await self.look()


@contextlib.contextmanager
def _surviving() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        _log.warning("the flows of the store cannot be looked at: %s", error)
    except Exception:  # noqa: BLE001
        _log.exception("the webhooks stay as they are")
