"""Ctrl-C and SIGTERM while a run is under way: the first cancels the run, the second ends the process."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from openrun.cli.refusal import ExitCode

_SHOW_CURSOR = b"\x1b[?25h\r\n"


class Interrupts:
    """Handlers of the operating system, not of the loop: a step that blocks the loop can still be stopped."""

    def __init__(self, cancel: Callable[[str], None]) -> None:
        self._cancel = cancel
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        for each in (signal.SIGINT, signal.SIGTERM):
            self._before[each] = signal.signal(each, self._received)
        return self

    def __exit__(self, *_exc: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _received(self, number: int, _frame: FrameType | None) -> None:
        if self._asked:
            _stop_at_once()
        self._asked = True
        reason = "interrupted" if number == signal.SIGINT else "terminated"
        self._loop.call_soon_threadsafe(self._cancel, reason)


def _stop_at_once() -> None:
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), _SHOW_CURSOR)
    os.write(2, b"stopped at once; steps marked always may not have run\n")
    os._exit(ExitCode.FAILED)
