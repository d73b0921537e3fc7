"""The port to chance: ids of runs."""

import os
import time
from collections.abc import Callable
from uuid import UUID

NewRunId = Callable[[], str]


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix time in ms, then 74 random bits."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return str(UUID(int=value | 0x7 << 76 | 0x2 << 62))
