"""Servers in other processes, over the store of a fleet."""

from collections.abc import Sequence
from typing import Any

from openrun.core.types import RunStatus
from openrun.store.base import StoreUnavailable
from openrun.store.rows import DeliveryFilter, DeliveryRow

from .courier import Address
from .fleet import FORKS, Fleet, Member, until
from .server_process import ServerOrders, serve

FORKS.set_forkserver_preload(["tests.fatal.server_process", "openrun.store.postgres"])


async def a_server(
    fleet: Fleet, *, orders: dict[str, Any] | None = None, **its: Any
) -> tuple[Member, Address]:
    """A server that listens, and where; `orders` are those of a worker."""
    member = fleet.member(serve, orders or {}, ServerOrders(**its))
    return member, await member.heard()


async def all_deliveries(fleet: Fleet) -> Sequence[DeliveryRow]:
    return await fleet.app.store.deliveries(DeliveryFilter(limit=100_000))


async def all_ended(fleet: Fleet) -> int:
    """Wait until all runs there are have succeeded; how many they are."""

    async def there() -> int | None:
        try:
            counts = await fleet.app.store.counts()
        except StoreUnavailable:
            return None
        # Zero would be no answer.
        return sum(counts.values()) + 1 if set(counts) <= {RunStatus.SUCCEEDED} else None

    return await until(there) - 1
