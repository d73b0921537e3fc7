"""Whether an address that somebody gives may be requested at all, asked before anything is kept of it.

It guards nothing, for names may lead elsewhere later: the client looks at every connection it makes.
"""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address

from yarl import URL

from openrun.core.errors import PermanentError
from openrun.net.address import AllowList, is_public
from openrun.net.resolver import Lookup, ThreadResolver
from openrun.net.url import parse_url, shown

_PATIENCE = 5.0


class Targets:
    """The addresses that may be requested; `lookup` resolves names and may block."""

    def __init__(self, allow: AllowList, lookup: Lookup = socket.getaddrinfo) -> None:
        self._allow = allow
        self._resolver = ThreadResolver(lookup)

    async def check(self, text: str, *, place: str) -> URL:
        """The URL, unless it cannot be requested, or all that its host is known to be at is private.

        A host that is not found (within 5 s) may be found later. `place` begins the message of the PermanentError,
        INVALID_URL or ADDRESS_REFUSED.
        """
        url = parse_url(text, place=place)
        host, port = url.raw_host or "", url.port or 0
        if self._allow.permits(host, port):
            return url
        found = await self._addresses(host, port)
        if found and not any(is_public(ip_address(each)) for each in found):
            target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise PermanentError(
                f"{place}: {shown(url)} leads to {', '.join(found)}, which is not public; an operator opens it by adding "
                f"{target!r} to the allowlist",
                code="ADDRESS_REFUSED",
            )
        return url

    async def _addresses(self, host: str, port: int) -> list[str]:
        with suppress(ValueError):
            return [str(ip_address(host))]
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                return [each["host"] for each in await self._resolver.resolve(host, port)]
        return []
