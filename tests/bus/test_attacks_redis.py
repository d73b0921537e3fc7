"""Messages of those who mean harm, or know no better."""

from collections.abc import AsyncIterator

import pytest

from openrun.store.base import Store
from openrun.store.bus_events import BusEventFilter

from .audience import Audience, event, until
from .test_over_redis import Site, at


@pytest.fixture
async def site(redis_url: str) -> AsyncIterator[Site]:
    async with at(redis_url) as site:
        yield site


@pytest.mark.parametrize(
    "namespace", [b"a\x00b", b"\xff\xfe", "ä".encode() * 300, b"A" * 100_000, b"\xed\xa0\x80"]
)
async def test_a_message_for_no_namespace_holds_up_no_other(
    site: Site, store: Store, namespace: bytes
) -> None:
    audience = Audience()
    for number in range(3):
        await site.tell(event=event(f"bad{number}").to_json(), namespace=namespace)
        await site.tell(event=event(f"good{number}").to_json())
    await site.bus(store, audience)

    async def heard() -> bool:
        rows = await store.bus_events(BusEventFilter(namespace="default"))
        return {each.event_id for each in rows if each.handled_at} == {"good0", "good1", "good2"}

    await until(heard)
    await site.until_all_acknowledged()
    assert [each.namespace for each in await store.bus_events(BusEventFilter())] == ["default"] * 3
    assert await site.redis.xlen(site.place.dead_stream) == 3
