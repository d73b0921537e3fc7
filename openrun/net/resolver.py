"""Name look-ups on threads of their own: a hanging one holds up no step, no store and no shutdown."""

import functools
import socket
from collections.abc import Callable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from openrun.net.threads import DaemonThreads

LOOKUP_THREADS = 16

Lookup = Callable[..., list[tuple[Any, ...]]]
"""Has the signature of socket.getaddrinfo, and blocks like it."""


class ThreadResolver(AbstractResolver):
    """Resolves names by a blocking look-up in a small pool of threads."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._threads = DaemonThreads("openrun-dns", most=LOOKUP_THREADS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of the host; raises OSError if there is none, or the name cannot be one."""
        ask = functools.partial(
            self._lookup, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        try:
            answers = await self._threads.run(ask, _abandoned)
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        return [_result(host, answer) for answer in answers]

    async def close(self) -> None:
        """Look-ups under way are cancelled by those who wait for them; their threads are never waited for."""


def _abandoned() -> None:
    """A look-up that hangs goes on alone; nobody needs to hear of it."""


def _result(host: str, answer: tuple[Any, ...]) -> ResolveResult:
    family, _, protocol, _, address = answer
    # An address with a scope keeps it in the text, where the guard sees it.
    scope = f"%{address[3]}" if family == socket.AF_INET6 and address[3] and "%" not in address[0] else ""
    return ResolveResult(
        hostname=host,
        host=f"{address[0]}{scope}",
        port=address[1],
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
