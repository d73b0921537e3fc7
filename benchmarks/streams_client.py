"""Who watches: `python -m benchmarks.streams_client PORT KEY`, with the run of each client on a line of stdin.

Says "here" once all have got an event; on an empty line tells how many events came meanwhile, and how many clients
were cut off.
"""

import asyncio
import json
import sys
import time

ADDRESSES = 8
"""Of loopback, for no address may have more than 200 connections."""
AT_ONCE = 50


class Watcher(asyncio.Protocol):
    """One client, that counts what it hears."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.events = 0
        self.lost = False
        self.heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.events += data.count(b"\nevent: ")
        if self.events and not self.heard.done():
            self.heard.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.heard.done():
            self.heard.set_exception(ConnectionError("a client was turned away"))


async def main(port: int, key: str) -> None:
    """Watch until told to stop."""
    loop = asyncio.get_running_loop()
    runs = json.loads(await asyncio.to_thread(sys.stdin.readline))
    places = asyncio.Semaphore(AT_ONCE)

    async def watch(number: int, run_id: str) -> Watcher:
        request = (
            f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {key}\r\nAccept: text/event-stream\r\n\r\n"
        ).encode()
        source = (f"127.0.0.{2 + number % ADDRESSES}", 0)
        async with places:
            _, watcher = await loop.create_connection(
                lambda: Watcher(request), "127.0.0.1", port, local_addr=source
            )
            await watcher.heard
        return watcher

    watchers = await asyncio.gather(*(watch(*each) for each in enumerate(runs)))
    before, began = sum(each.events for each in watchers), time.perf_counter()
    print("here", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    events = sum(each.events for each in watchers) - before
    rate = events / (time.perf_counter() - began)
    print(json.dumps({"rate": rate, "lost": sum(each.lost for each in watchers)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
