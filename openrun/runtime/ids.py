"""The port to chance: ids of runs."""

import base64
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


def new_secret() -> str:
    """43 letters, digits, - and _ that nobody can guess: 256 random bits."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def new_request_id() -> str:
    """24 hex digits that name one request in logs and answers."""
    return os.urandom(12).hex()
