"""Whether an error leaves open if the work took place; pure."""

from openrun.core.errors import ErrorObject

_CODES = frozenset(
    {"TIMEOUT", "CONNECTION_LOST", "STEP_BROKE_OFF", "HTTP_408", "HTTP_500", "HTTP_502", "HTTP_504"}
)
_TYPES = frozenset(
    {"TimeoutError", "ConnectionError", "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError"}
)


def is_unknown(error: ErrorObject) -> bool:
    """The other side may have done it: it was asked, and no answer came that tells.

    A connection that was refused, an answer that refuses, or an error of the author's own are outcomes: they say
    that it did not take place. A server's 500, 502 or 504 says that something went wrong in the middle.
    """
    return error.code in _CODES or error.code.startswith("HTTP_52") or error.type in _TYPES


def stopped_error(message: str) -> ErrorObject:
    """What is recorded of an effect that was stopped."""
    return ErrorObject(code="STOPPED", message=message)
