"""Buses by their URL, as command lines and settings name them."""

import importlib
import os
import secrets
import socket

from openrun.bus.base import Bus, BusOptions, Handle, Now
from openrun.bus.over_store import StoreBus
from openrun.bus.redis_place import RedisPlace
from openrun.core.errors import OpenRunError
from openrun.store.base import Store


class UnknownBus(OpenRunError, ValueError):
    """The URL names no event bus, or one whose client is not installed."""


def open_bus(
    url: str | None, store: Store, handle: Handle, *, now: Now, options: BusOptions | None = None
) -> Bus:
    """The bus that `redis://HOST:PORT/DB?group=NAME` names, or one over the store alone (None); it is yet to be started.

    Nothing is connected to yet, and a Redis that is away is no error. Raises `UnknownBus`.
    """
    if not url:
        return StoreBus(store, handle, now=now, options=options)
    try:
        place = RedisPlace.parse(url)
        module = importlib.import_module("openrun.bus.over_redis")
        consumer = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
        bus: Bus = module.RedisBus(store, handle, now=now, place=place, consumer=consumer, options=options)
    except ValueError as error:
        raise UnknownBus(str(error)) from None
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] == "openrun":
            raise
        raise UnknownBus(
            f"an event bus over Redis needs a client that is not installed ({error}): pip install 'openrun[redis]'"
        ) from error
    return bus
