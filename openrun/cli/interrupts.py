"""Ctrl-C and SIGTERM while runs are under way: the first ends them in order, the second ends the process."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from openrun.cli.refusal import ExitCode

IN_MEMORY = "stopped at once; steps marked always may not have run"
IN_STORE = "stopped at once; a worker goes on with the runs once this one's lease has ended"
_SHOW_CURSOR = b"\x1b[?25h\r\n"


class Interrupts:
    """Handlers of the process, not of the loop: a step that blocks the loop can still be stopped."""

    def __init__(self, last_words: str = IN_MEMORY) -> None:
        self._last_words = last_words
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}
        self._ask: Callable[[str], object] | None = None

    def __enter__(self) -> Self:
        for each in (signal.SIGINT, signal.SIGTERM):
            self._before[each] = signal.signal(each, self._received)
        return self

    def __exit__(self, *_exc: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def cancels(self, cancel: Callable[[str], None]) -> None:
        """From now on the first signal calls `cancel`, with the reason, at the next turn of the loop."""
        loop = asyncio.get_running_loop()
        self._ask = lambda reason: loop.call_soon_threadsafe(cancel, reason)

    def cancels_nothing(self) -> None:
        """The run is over: from now on a signal ends the command."""
        self._ask = None

    def _received(self, number: int, _frame: FrameType | None) -> None:
        if self._asked:
            _stop_at_once(self._last_words)
        self._asked = True
        if self._ask is None:
            raise KeyboardInterrupt
        self._ask("interrupted" if number == signal.SIGINT else "terminated")


def _stop_at_once(words: str) -> None:
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), _SHOW_CURSOR)
    os.write(2, words.encode() + b"\n")
    os._exit(ExitCode.FAILED)
