"""One life of a server: what it finds in the store, what it says, and how it ends."""

import asyncio
import gc
from collections.abc import Sequence
from pathlib import Path

from openrun.cli.announcement import COUNTED, Announcement
from openrun.cli.collection import require_some
from openrun.cli.interrupts import Interrupts
from openrun.cli.plan import Plan, not_free
from openrun.cli.refusal import ExitCode, Refusal, show_refusal
from openrun.cli.reload import Reload
from openrun.cli.screen import Screen
from openrun.cli.session import leave
from openrun.house.strict import Stand, hooks_of, weaknesses
from openrun.server.api import ROUTES
from openrun.server.keyring import Keyring
from openrun.server.server import Server
from openrun.store.rows import DEFAULT_NAMESPACE
from openrun.store.timetable import ScheduleFilter
from openrun.telemetry.metrics import Metrics
from openrun.telemetry.runlogs import RunLogs


class Serving:
    """Serves what a plan says."""

    def __init__(self, plan: Plan, out: Screen, watched: Sequence[Path]) -> None:
        """`watched` are files and folders that are looked at again when they change."""
        self._plan = plan
        self._out = out
        self._watched = watched
        self._metrics = Metrics()
        self._app = plan.app(self._metrics, RunLogs())
        self._asked = asyncio.Event()
        self._deadline: float | None = None

    async def until_asked(self, interrupts: Interrupts) -> int | None:
        """Serve until a signal comes; else, when the process has to start anew, the port to go on with."""
        interrupts.cancels(lambda _reason: self._asked.set())
        await self._app.__aenter__()
        try:
            port = await self._serve()
        finally:
            await self._app.close(self._left())
        if not self._asked.is_set():
            return port
        self._out.print("stopped", style="dim")
        await leave(ExitCode.OK)
        return None

    async def _serve(self) -> int:
        await self._keep()
        keyring = Keyring(self._app.store, self._app.clock)
        if self._plan.admin_key is not None:
            await keyring.given(self._plan.admin_key)
        weak = await self._weaknesses()
        if weak and self._plan.options.strict:
            hint = "`openrun doctor --strict` tells the same of the store; without --strict they are warnings"
            raise Refusal("not fit for strangers, and --strict was given", details=weak, hint=hint)
        key = await keyring.first()
        server = Server(self._app, self._plan.config, metrics=self._metrics, routes=ROUTES)
        try:
            await self._listen(server)
            await self._until_done(server, Announcement(server, self._plan, self._out), key, weak)
        finally:
            await server.stop()
        return server.address[1]

    async def _listen(self, server: Server) -> None:
        try:
            await server.__aenter__()
        except OSError as error:
            raise not_free(self._plan.options.host, self._plan.options.port, error) from None

    async def _keep(self) -> None:
        """Keep what was found in the store; what cannot be served is told, and the rest is."""
        collection = self._plan.collection
        collection.check(row.flow_id for row in await self._app.store.flows(DEFAULT_NAMESPACE))
        if not self._watched:
            require_some(collection)
        for _source, refusal in collection.refused:
            show_refusal(refusal)
        for each in collection.found:
            before = await self._app.store.flow(each.flow.id)
            program = await self._app.add_flow(each.flow)
            if before is not None and before.version != program.version:
                words = (
                    f"flow {program.flow_id} is now as its file says, version {program.version[:12]}; it was"
                )
                self._out.print(f"{words} {before.version[:12]}", style="yellow", soft_wrap=True)

    async def _weaknesses(self) -> tuple[str, ...]:
        config, store = self._plan.config, self._app.store
        stand = Stand(
            is_loopback=config.is_loopback,
            names_hosts=bool(config.hosts),
            reloads=self._plan.options.reload,
        )
        hooks = await hooks_of(store, self._app.library)
        return weaknesses(store, hooks, await store.keys(), await store.now(), stand)

    async def _until_done(
        self, server: Server, announcement: Announcement, key: str | None, weak: Sequence[str]
    ) -> None:
        ends: list[asyncio.Task[object]] = [asyncio.create_task(self._asked.wait())]
        if self._watched:
            reload = Reload(
                self._app, server.mounting, self._plan.collection, self._watched, announcement.say
            )
            ends.append(asyncio.create_task(reload.until_python_changes()))
            # What changes from here on is seen.
            await asyncio.sleep(0)
        # What there is now stays: no garbage collection has to look at it again while requests wait.
        gc.freeze()
        try:
            schedules = await self._app.store.schedules(ScheduleFilter(limit=COUNTED))
            announcement.show(key, weak, len(schedules))
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)
            self._deadline = self._app.clock.monotonic() + self._plan.options.grace

    def _left(self) -> float | None:
        """What is left of the grace, which requests have had the first part of."""
        return None if self._deadline is None else max(0.0, self._deadline - self._app.clock.monotonic())
