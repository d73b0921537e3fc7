"""A server over a store in memory, for tests that need no other."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.server.site import Site, hook_flow, site


@pytest_asyncio.fixture
async def greeting() -> AsyncIterator[Site]:
    """A site with one webhook, `/greet/{name}`."""
    async with site(flows=[hook_flow(mode="respond")]) as made:
        yield made
