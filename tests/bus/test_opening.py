"""Which bus a URL names, and what is said of one that names none."""

import asyncio
import sys
from pathlib import Path

import pytest

from openrun.bus.opening import UnknownBus, open_bus
from openrun.bus.over_redis import RedisBus
from openrun.bus.over_store import StoreBus
from openrun.bus.redis_place import RedisPlace
from openrun.store.base import Store

from .audience import Audience, published
from .conftest import QUICK, a_bus, wall


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "openrun.db")


@pytest.mark.parametrize("url", [None, ""])
async def test_without_a_url_there_is_the_store(store: Store, url: str | None) -> None:
    assert isinstance(open_bus(url, store, Audience().hear, now=wall), StoreBus)


async def test_a_redis_that_nobody_answers_at_is_no_error(store: Store) -> None:
    bus = a_bus("redis://127.0.0.1:1/0", store, Audience())
    assert isinstance(bus, RedisBus)
    await bus.start()
    assert await bus.publish(published("1")) == [True]
    await bus.stop()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "redis://host:6379/2",
            {"url": "redis://host:6379/2", "group": "openrun", "stream": "openrun:events"},
        ),
        ("redis://host/0?group=blue", {"url": "redis://host/0", "group": "blue"}),
        (
            "rediss://user:word@host/0?health_check_interval=5&stream=acme:events&group=a%20b",
            {
                "url": "rediss://user:word@host/0?health_check_interval=5",
                "stream": "acme:events",
                "group": "a b",
            },
        ),
        ("unix:///run/redis.sock?db=1&group=g", {"url": "unix:///run/redis.sock?db=1", "group": "g"}),
    ],
)
def test_a_url_names_a_server_a_group_and_a_stream(url: str, place: dict[str, str]) -> None:
    found = RedisPlace.parse(url)
    assert {name: getattr(found, name) for name in place} == place
    assert found.dead_stream == f"{found.stream}:dead"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://user:secret@host", "no event bus is known for 'amqp': give redis://HOST:PORT/DB"),
        ("user:secret@host", "no event bus is known for 'user'"),
        ("redis://host/0?group=", "group= names no group"),
        ("redis://host/0?stream=%00", "names no stream"),
        ("redis://host:port/0", "Port could not be cast"),
        ("redis:/host:6379/0", "names no host: give redis://HOST:PORT/DB"),
        ("rediss:///0", "names no host: give rediss://HOST:PORT/DB"),
    ],
)
async def test_a_url_that_names_no_bus_is_refused_without_its_password(
    store: Store, url: str, said: str
) -> None:
    with pytest.raises(UnknownBus) as refused:
        open_bus(url, store, Audience().hear, now=wall)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_without_the_client_it_is_said_how_to_install_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("openrun.bus.over_redis", "openrun.bus.redis_link", "openrun.bus.redis_writer"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(UnknownBus, match=r"pip install 'openrun\[redis\]'"):
        open_bus("redis://127.0.0.1:1/0", store, Audience().hear, now=wall, options=QUICK)


async def test_nothing_else_needs_the_client() -> None:
    program = "import sys; sys.modules['redis'] = None; import openrun.app, openrun.cli, openrun.bus.opening"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0


async def test_what_is_published_before_the_start_waits_for_it(store: Store) -> None:
    audience = Audience()
    bus = open_bus(None, store, audience.hear, now=wall, options=QUICK)
    assert await bus.publish(published("1")) == [True]
    assert audience.heard == []
    await bus.start()
    await audience.until_heard("1")
    await bus.stop()
