"""A way to a server that swallows what is sent for a while: nothing is refused, and nothing comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class BlackHole:
    """Passes bytes on, unless it swallows them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._swallows = False
        self._ways: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    def open(self) -> None:
        """From now on everything disappears, new connections included."""
        self._swallows = True

    def close(self) -> None:
        """Bytes pass again; connections that have lost some are no use to anybody, and end."""
        self._swallows = False
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ways.add(task)
        self._writers.add(writer)
        try:
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(back)
                ways = [
                    asyncio.ensure_future(self._pass(reader, back)),
                    asyncio.ensure_future(self._pass(there, writer)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for each in ways:
                    each.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                back.close()
                self._writers.discard(back)
        finally:
            writer.close()
            self._writers.discard(writer)
            self._ways.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(65_536):
                if not self._swallows:
                    writer.write(piece)
                    await writer.drain()

    async def end(self) -> None:
        self.close()
        if self._ways:
            await asyncio.wait(self._ways)


@asynccontextmanager
async def a_way_to(port: int) -> AsyncIterator[BlackHole]:
    hole = BlackHole(port)
    server = await asyncio.start_server(hole.serve, "127.0.0.1", 0)
    hole.port = server.sockets[0].getsockname()[1]
    try:
        yield hole
    finally:
        server.close()
        await hole.end()
        await server.wait_closed()
