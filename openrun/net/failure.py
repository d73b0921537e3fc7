"""What an exchange that aiohttp could not finish means to a step; pure.

Texts of aiohttp's errors are not passed on where they may quote the URL, its query included.
"""

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientResponseError,
    ClientSSLError,
    InvalidURL,
)
from aiohttp.http_exceptions import HttpProcessingError

from openrun.core.errors import PermanentError, StepError, TransientError
from openrun.net.body import Undecodable
from openrun.net.guard import AddressRefused
from openrun.net.redirect import Hop


def failure(error: Exception, hop: Hop) -> StepError:
    """The step error for what was raised during an exchange; what is not known was a lost connection."""
    match error:
        case ClientConnectorError(os_error=AddressRefused() as refused):
            return _refused(refused, hop)
        case ClientSSLError(os_error=reason):
            return PermanentError(f"{hop.place}: TLS failed: {reason}", code="TLS_FAILED")
        case ClientConnectorDNSError():
            return _connect_failed(hop, f"host {hop.url.host!r} was not found: {_reason(error)}")
        case ClientConnectorError():
            return _connect_failed(hop, f"cannot connect: {_reason(error)}")
        case InvalidURL():
            return PermanentError(f"{hop.place}: the URL cannot be used", code="INVALID_URL")
        case ClientResponseError() | HttpProcessingError():
            return malformed(hop, "is not valid HTTP")
        case Undecodable():
            return malformed(hop, f"has a body that cannot be decompressed: {error}")
        case _:
            return connection_lost(hop)


def connection_lost(
    hop: Hop, reason: str = "the connection was lost before the response was complete"
) -> StepError:
    """The failure of a request that may have reached the server."""
    return TransientError(f"{hop.place}: {reason}", code="CONNECTION_LOST")


def timed_out(hop: Hop, seconds: float) -> StepError:
    """The failure of a request whose total time was up, at whatever it was doing."""
    return TransientError(f"{hop.place}: not finished within {seconds:g} s", code="TIMEOUT")


def malformed(hop: Hop, fault: str) -> StepError:
    """The failure of a request whose response breaks the rules of HTTP."""
    return PermanentError(f"{hop.place}: the response {fault}", code="MALFORMED_RESPONSE")


def too_large(hop: Hop, max_bytes: int) -> StepError:
    """The failure of a request whose response has a body over the cap."""
    return PermanentError(
        f"{hop.place}: the response is larger than {max_bytes} bytes; ask for less, or raise the limit",
        code="VALUE_TOO_LARGE",
        details={"limit": max_bytes},
    )


def _reason(error: ClientConnectorError) -> str:
    # A peer that hangs up during the TLS handshake leaves an error without text.
    return error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__


def _refused(error: AddressRefused, hop: Hop) -> StepError:
    host, port = hop.url.host, hop.url.port
    target = f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return PermanentError(
        f"{hop.place}: host {host!r} is at {error.address}, which is not a public address; "
        f"an operator opens it by adding {target!r} to the allowlist",
        code="ADDRESS_REFUSED",
        details={"host": host, "port": port, "address": error.address},
    )


def _connect_failed(hop: Hop, reason: str) -> StepError:
    return TransientError(f"{hop.place}: {reason}", code="CONNECT_FAILED")
