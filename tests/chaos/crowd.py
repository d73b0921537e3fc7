"""The processes of a chaos run: forked, killed, stopped, replaced and waited for.

They are forked off a process that has imported everything and has neither threads nor an event loop, for
starting Python anew takes longer than a worker is to live.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

_KILLED = -signal.SIGKILL


class Crowd:
    """Children of this process; `ended` tells of those that were not killed by it, and how they ended."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors
        self._living: dict[int, str] = {}
        self._doomed: set[int] = set()
        self.ended: list[tuple[str, int]] = []

    def fork(self, name: str, live: Callable[[], None]) -> int:
        """A child that lives this life and leaves without touching what it has inherited."""
        assert threading.active_count() == 1, "a process with threads cannot be forked safely"
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            self._living[pid] = name
            return pid
        code = 1
        try:
            live()
            code = 0
        except BaseException:  # noqa: BLE001
            with self._errors.open("a") as file:
                file.write(f"{name}:\n{traceback.format_exc()}")
        finally:
            os._exit(code)

    def named(self, name: str) -> list[int]:
        """Those of this name that are alive."""
        self.reap()
        return [pid for pid, its in self._living.items() if its == name]

    def kill(self, pid: int) -> None:
        """End it at once; it is gone when this returns."""
        self._doomed.add(pid)
        os.kill(pid, signal.SIGKILL)
        self._bury(*os.waitpid(pid, 0))

    def stop(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)

    def go_on(self, pid: int) -> None:
        if pid in self._living:
            os.kill(pid, signal.SIGCONT)

    def kill_all(self) -> None:
        for pid in list(self._living):
            self.kill(pid)

    @property
    def living(self) -> int:
        self.reap()
        return len(self._living)

    def reap(self) -> None:
        """Take notice of those that have ended by themselves."""
        for pid in list(self._living):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._bury(found, status)

    def _bury(self, pid: int, status: int) -> None:
        name, code = self._living.pop(pid), os.waitstatus_to_exitcode(status)
        if not (pid in self._doomed and code == _KILLED):
            self.ended.append((name, code))
        self._doomed.discard(pid)
