"""Who asks at a steady rate: `python -m benchmarks.steady_client PORT PATH RATE SECONDS` prints what it saw as JSON.

Each request has its time, whether or not those before it were answered: latency counts from then.
"""

import asyncio
import json
import statistics
import sys
import time

from benchmarks.webhook_client import BODY

CONNECTIONS = 50


class Line(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._got = b""
        self._answer: asyncio.Future[bool] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, rest = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(rest) >= int(head[at:].split(b"\r\n", 1)[0]):
            assert self._answer is not None
            self._got = b""
            self._answer.set_result(head[9:10] == b"2")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(False)

    async def ask(self, request: bytes) -> bool:
        """Whether the answer is a good one."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


async def main(port: int, path: str, rate: float, seconds: float) -> None:
    """Ask, and print what came of it."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait((await loop.create_connection(Line, "127.0.0.1", port))[1])
    times: list[float] = []
    good: list[bool] = []

    async def one(due: float) -> None:
        line = await free.get()
        good.append(await line.ask(request))
        times.append(time.perf_counter() - due)
        free.put_nowait(line)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as asking:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asking.create_task(one(due))
    took = time.perf_counter() - began
    times.sort()
    print(
        json.dumps(
            {
                "rate": len(times) / took,
                "median_ms": statistics.median(times) * 1_000,
                "p99_ms": times[int(len(times) * 0.99)] * 1_000,
                "faults": good.count(False),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
