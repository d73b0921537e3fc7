"""Locks that tell at once whether the process of another worker on this machine is gone.

A worker's process keeps a file locked for as long as it lives; the kernel lets go of it however the process
ends. A stopped process keeps its lock: there its lease decides.
"""

import fcntl
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from openrun.store.base import StoreError
from openrun.store.sqlite.faults import unavailable

_SAFE = re.compile(r"[A-Za-z0-9._-]{1,200}")
_PATIENCE_MS = 250


class Alive:
    """The lock files of one database; without a directory nobody is known to be dead."""

    def __init__(self, directory: Path | None, boot: Callable[[], int]) -> None:
        self._directory = directory
        self._boot = boot
        self._held: dict[str, int] = {}
        self._asked: dict[str, int] = {}

    def enlist(self, worker: str) -> None:
        """Hold this worker's lock until it retires. Raises `StoreError` when another process holds it."""
        if self._directory is None or worker in self._held:
            return
        if not _SAFE.fullmatch(worker):
            raise StoreError(f"worker {worker!r} has no safe file name: use letters, digits and . _ - only")
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._held[worker] = _locked(self._file(worker))
        except BlockingIOError as error:
            raise StoreError(f"worker {worker!r} is at work in another process") from error
        except OSError as error:
            raise unavailable(error, f"the lock of worker {worker!r} cannot be taken") from error

    def retire(self, worker: str) -> None:
        handle = self._held.pop(worker, None)
        if handle is not None:
            self.bury(worker)
            os.close(handle)

    def is_dead(self, worker: str) -> bool:
        """Whether the worker's process is known to be gone; nobody is asked about too often."""
        if self._directory is None or worker in self._held:
            return False
        now = self._boot()
        if now - self._asked.get(worker, now - _PATIENCE_MS) < _PATIENCE_MS:
            return False
        self._asked[worker] = now
        return _is_free(self._file(worker))

    def bury(self, worker: str) -> None:
        """Nobody will use this lock any more."""
        self._asked.pop(worker, None)
        if self._directory is not None:
            with suppress(OSError):
                self._file(worker).unlink()

    def close(self) -> None:
        """Let go of all locks: others take the workers for dead."""
        for handle in self._held.values():
            os.close(handle)
        self._held.clear()

    def _file(self, worker: str) -> Path:
        assert self._directory is not None
        return self._directory / f"{worker}.lock"


def _is_free(path: Path) -> bool:
    try:
        os.close(_lock(path, os.O_RDWR))
    except OSError:
        return False
    return True


def _locked(path: Path) -> int:
    """A handle that holds the lock which others will find under this name."""
    while True:
        handle = _lock(path, os.O_RDWR | os.O_CREAT)
        if _is_still(handle, path):
            return handle
        os.close(handle)


def _lock(path: Path, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _is_still(handle: int, path: Path) -> bool:
    """A file that was unlinked between opening and locking it is a lock that nobody else will find."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
