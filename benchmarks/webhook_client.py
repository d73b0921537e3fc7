"""Who asks: `python -m benchmarks.webhook_client PORT PATH CONNECTIONS SECONDS` prints what it saw as JSON.

Bare sockets and as little work as can be, so that the server is what is measured.
"""

import asyncio
import json
import statistics
import sys
import time

BODY = b'{"total": 40, "item": "teapot"}'


class Asker(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self, request: bytes, until: float) -> None:
        self._request = request
        self._until = until
        self._got = b""
        self._asked = 0.0
        self.times: list[float] = []
        self.faults = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, rest = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        now = time.perf_counter()
        self.times.append(now - self._asked)
        self.faults += head[9:10] != b"2"
        self._got = rest[length:]
        if now < self._until:
            self._ask()
        else:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.faults += 1
            self.done.set_result(None)

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def _close(self) -> None:
        assert self._transport is not None
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


async def main(port: int, path: str, connections: int, seconds: float) -> None:
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    askers = [
        (await loop.create_connection(lambda: Asker(request, began + seconds), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(each.done for each in askers))
    took = time.perf_counter() - began
    times = sorted(time for each in askers for time in each.times)
    print(
        json.dumps(
            {
                "rate": len(times) / took,
                "median_ms": statistics.median(times) * 1_000,
                "p99_ms": times[int(len(times) * 0.99)] * 1_000,
                "faults": sum(each.faults for each in askers),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
