"""Which addresses may be reached: the public ones, and the targets an operator lists by name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Self

from yarl import URL

# Written out, because ipaddress.is_global differs between patch releases of Python and lets cloud
# metadata services through (100.100.100.200, 168.63.129.16, 192.0.0.192).
REFUSED_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

# All that IANA has given out for the public. Outside lie loopback, link-local, unique-local, multicast,
# NAT64, discard-only, segment routing, and every address that carries an IPv4 address in ::/96 or
# ::ffff:0:0/96: those are refused whatever they carry, for whoever writes them means to hide it.
GLOBAL_V6 = IPv6Network("2000::/3")
REFUSED_V6 = tuple(IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

_ENTRY = re.compile(r"(\[(?P<ip6>[0-9a-fA-F:.]+)\]|(?P<name>[^\[\]:/@%]+)):(?P<port>[0-9]{1,5})")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?")


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Whether any flow may connect to the address; doubtful ranges count as not public."""
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in REFUSED_V4)
    # A scoped address is meaningful on one link only, and would be resolved a second time.
    unscoped = ip.scope_id is None
    return unscoped and ip in GLOBAL_V6 and not any(ip in block for block in REFUSED_V6)


@dataclass(frozen=True, slots=True)
class AllowList:
    """The (host, port) pairs an operator opens, whatever their address; empty by default.

    A host is compared as the URL writes it, without case: `localhost` does not open `127.0.0.1`.
    """

    targets: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Read entries such as `db.internal:443`, `127.0.0.1:8080` or `[::1]:80`.

        Raises ValueError, which names every entry that does not read host:port.
        """
        targets, faults = set[tuple[str, int]](), list[str]()
        for entry in entries:
            try:
                targets.add(_target(entry))
            except ValueError as fault:
                faults.append(str(fault))
        if faults:
            raise ValueError("; ".join(faults))
        return cls(frozenset(targets))

    def permits(self, host: str, port: int) -> bool:
        """Whether the operator lists this host (as `URL.raw_host` gives it) with this port."""
        return (host.lower(), port) in self.targets


def is_host(host: str) -> bool:
    """Whether a host, as `URL.raw_host` gives it, is an IPv6 literal or can be a name or an IPv4 literal."""
    return ":" in host or _HOST.fullmatch(host) is not None


def _target(entry: str) -> tuple[str, int]:
    match = _ENTRY.fullmatch(entry.strip())
    name = _normal_host(match["ip6"] or match["name"]) if match else None
    port = int(match["port"]) if match else 0
    if name is None or not 1 <= port <= 65535:
        raise ValueError(
            f"allowlist entry {entry!r} must read host:port, such as 'db.internal:443' or '[::1]:80'"
        )
    return name, port


def _normal_host(host: str) -> str | None:
    # The parser of the requests' URLs, so that both sides of the comparison are normalised alike.
    try:
        name = URL.build(scheme="http", host=host).raw_host
    except ValueError:
        return None
    return name if name is not None and is_host(name) else None
