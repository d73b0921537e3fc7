"""The guard: no socket is made for an address that is not public.

Theory. A name says nothing about where it leads, and a check made before the connection is another
look-up than the one that connects. aiohttp asks `socket_factory` for every socket it is about to connect,
IP literals included, with the address the socket will go to; a factory that refuses cannot be passed by.
It does not learn the host's name, so exceptions for an operator's targets are not made here: such requests
go through a connector of their own, with a pool of its own (openrun.net.http). A pooled connection
was guarded when it was made, and is only ever found again through the connector that made it.

`PublicResolver` guards nothing: it picks the public addresses out of an answer, so that a refusal
is one clear error instead of a blend of the failures of several attempts.
"""

import errno
import socket
from ipaddress import ip_address

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from openrun.net.address import is_public


class AddressRefused(OSError):
    """A connection to an address that is not public; the client maps it to the code ADDRESS_REFUSED.

    It is an OSError because aiohappyeyeballs collects only those from its attempts.
    """

    def __init__(self, address: str) -> None:
        super().__init__(errno.EACCES, "address refused")
        self.address = address


def guarded_socket(info: AddrInfoType) -> socket.socket:
    """The socket for a connection to a public address; raises AddressRefused for any other."""
    family, kind, protocol, _, address = info
    host = str(address[0])
    if family not in (socket.AF_INET, socket.AF_INET6) or not _is_public_literal(host):
        raise AddressRefused(host)
    return socket.socket(family, kind, protocol)


class PublicResolver(AbstractResolver):
    """Answers with the public addresses of another resolver; raises AddressRefused if there is none."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [result for result in found if _is_public_literal(result["host"])]
        if not public:
            raise AddressRefused(", ".join(result["host"] for result in found))
        return public

    async def close(self) -> None:
        """Does nothing: the inner resolver belongs to whoever made it."""


def _is_public_literal(host: str) -> bool:
    try:
        return is_public(ip_address(host))
    except ValueError:
        return False
