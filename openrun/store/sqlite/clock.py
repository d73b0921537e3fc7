"""The clocks of a store on this machine."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def wall() -> int:
    """UTC in ms since 1970."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000


def since_boot() -> int:
    """Milliseconds since the machine started, those it slept through too; nobody can set this clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id() -> str:
    """Names the time for which this machine has been up."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """What a store asks for the time: `now` for runs, `boot` under `boot_id` for leases."""

    now: Callable[[], int] = wall
    boot: Callable[[], int] = since_boot
    boot_id: str = msgspec.field(default_factory=boot_id)
