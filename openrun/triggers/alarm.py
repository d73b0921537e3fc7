"""An alarm clock: rings once, when the time it was last set to has come."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

_JOB = "earliest"
_EXECUTOR = "openrun"
_LOGGERS = ("openrun.schedules.alarm", f"apscheduler.executors.{_EXECUTOR}")


class Alarm:
    """APScheduler with one job in memory; what is due is known elsewhere."""

    def __init__(self, ring: Callable[[], None], now: Callable[[], datetime]) -> None:
        """`now` is the machine's own clock."""
        self._ring = ring
        self._now = now
        self._scheduler: AsyncIOScheduler | None = None

    def start(self) -> None:
        """Be ready to be set; in a running event loop."""
        for name in _LOGGERS:
            # It tells of each job that is added and run, which is each tick.
            logging.getLogger(name).setLevel(logging.WARNING)
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, executors={_EXECUTOR: AsyncIOExecutor()}, logger=logging.getLogger(_LOGGERS[0])
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Do not ring any more."""
        if self._scheduler is not None:
            self._scheduler.remove_all_jobs()
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    def set(self, seconds: float) -> None:
        """Ring once that time has passed, and not when it was set to before."""
        if self._scheduler is not None:
            self._scheduler.add_job(
                self._rung,
                DateTrigger(self._now() + timedelta(seconds=seconds), timezone=UTC),
                id=_JOB,
                executor=_EXECUTOR,
                misfire_grace_time=None,
                replace_existing=True,
            )

    async def _rung(self) -> None:
        self._ring()
