"""Whether an error leaves open if the work took place; pure."""

from openrun.core.errors import ErrorObject

_CODES = frozenset(
    # The other side answered, and what it said cannot be told.
    {"VALUE_TOO_LARGE", "MALFORMED_RESPONSE", "TOO_MANY_REDIRECTS", "REDIRECT_REFUSED"}
) | frozenset(
    {"TIMEOUT", "CONNECTION_LOST", "STEP_BROKE_OFF", "HTTP_408", "HTTP_500", "HTTP_502", "HTTP_504"}
)
_TYPES = frozenset(
    # Of clients whose errors are neither a TimeoutError nor a ConnectionError.
    {"ServerDisconnectedError", "ClientOSError", "ClientPayloadError", "RemoteProtocolError"}
    | {"ReadTimeout", "WriteTimeout", "ReadError", "WriteError", "ReadTimeoutError", "ChunkedEncodingError"}
)


def is_unknown(error: ErrorObject) -> bool:
    """The other side may have done it: it was asked, and no answer came that tells.

    A connection that was refused, an answer that refuses, or an error of the author's own are outcomes: they say
    that it did not take place. A server's 500, 502 or 504 says that something went wrong in the middle.
    """
    if error.code == "TRANSIENT":
        # A timeout or a lost connection, of whatever type; an author's own TransientError has none.
        return error.type not in (None, "ConnectionRefusedError")
    return error.code in _CODES or error.code.startswith("HTTP_52") or error.type in _TYPES


def stopped_error(message: str) -> ErrorObject:
    """What is recorded of an effect that was stopped."""
    return ErrorObject(code="STOPPED", message=message)
