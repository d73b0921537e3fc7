"""What servers that tests start have in common: a port of their own, and what is said where there is no server."""

import os
import socket
from typing import NoReturn

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def not_there(name: str, error: Exception) -> NoReturn:
    """Skip with a loud reason; in CI, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must test against a real {name}: {error}")
    pytest.skip(f"NOT TESTED AGAINST {name.upper()}: {error}")
