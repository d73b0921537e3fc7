"""Who brings deliveries to a server over bare sockets, and knows of each what became of it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .receiver import PATIENCE

Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a delivery; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def acknowledges(self) -> bool:
        return self.status // 100 == 2

    @property
    def run_id(self) -> str:
        return self.headers["openrun-run"]

    @property
    def replayed(self) -> bool:
        return "idempotency-replayed" in self.headers

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Hear = Callable[[Answer], None]


class CutShort(AssertionError):
    """The connection ended in the middle of an answer."""


class Line(asyncio.Protocol):
    """One connection, on which one answer after the other comes."""

    def __init__(self) -> None:
        self._heard = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer | None] | None = None
        self._hear: Hear | None = None
        self.over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        if self._answer is None or self._answer.done():
            return
        if self._heard:
            self._answer.set_exception(CutShort(repr(self._heard)))
        else:
            self._answer.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, rest = self._heard.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        size = int(headers["content-length"])
        if len(rest) < size:
            return
        assert self._answer is not None
        self._heard = rest[size:]
        answer = Answer(status=int(first.split(" ")[1]), headers=headers, body=rest[:size])
        if self._hear is not None:
            self._hear(answer)
        self._answer.set_result(answer)

    async def ask(self, request: bytes, hear: Hear | None) -> Answer | None:
        """The answer; None when the connection ends before the first byte of it. Raises `CutShort`."""
        if self.over:
            return None
        assert self._transport is not None
        self._hear = hear
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(PATIENCE):
            return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Courier:
    """Brings one delivery after the other: over a connection that it keeps, or a new one each."""

    def __init__(self, address: Address, *, keeps: bool = False) -> None:
        self._address = address
        self._keeps = keeps
        self._line: Line | None = None

    async def bring(
        self, path: str, delivery_id: str, body: Any = None, *, hear: Hear | None = None
    ) -> Answer | None:
        """What the server answers, and `hear` hears at once; None where it let the connection go without a byte.

        Raises `CutShort`.
        """
        if self._line is None or self._line.over:
            try:
                loop = asyncio.get_running_loop()
                _, self._line = await loop.create_connection(Line, *self._address)
            except ConnectionError:
                return None
        try:
            return await self._line.ask(self._request(path, delivery_id, body), hear)
        finally:
            if not self._keeps:
                self._line.close()
                self._line = None

    def close(self) -> None:
        if self._line is not None:
            self._line.close()

    def _request(self, path: str, delivery_id: str, body: Any) -> bytes:
        sent = json.dumps({"id": delivery_id} if body is None else body).encode()
        lines = (
            f"POST /hooks{path} HTTP/1.1",
            f"Host: {self._address[0]}",
            f"Connection: {'keep-alive' if self._keeps else 'close'}",
            f'Idempotency-Key: "{delivery_id}"',
            "Content-Type: application/json",
            f"Content-Length: {len(sent)}",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent


async def bring(address: Address, path: str, delivery_id: str, body: Any = None) -> Answer:
    """The answer to one delivery, which has to come."""
    answer = await Courier(address).bring(path, delivery_id, body)
    assert answer is not None
    return answer
