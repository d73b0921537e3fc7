"""What a trigger hands to a run: known keys only, each of its type, none missing."""

from collections.abc import Collection, Mapping

from openrun.core.errors import PermanentError
from openrun.core.near import did_you_mean, quoted
from openrun.core.types import Json

REQUEST_KEYS = ("body", "query", "path", "headers", "method")


def request_payload(given: Mapping[str, Json], *, method: str | None) -> dict[str, Json]:
    """The payload of a request: header names in lower case, the method in upper case, the rest as given."""
    check_keys(given, REQUEST_KEYS)
    headers = _object(given, "headers")
    return {
        "body": given.get("body"),
        "query": _object(given, "query"),
        "path": _object(given, "path"),
        "headers": {name.lower(): value for name, value in headers.items()},
        "method": (text(given, "method") or method or "").upper() or None,
    }


def check_keys(given: Mapping[str, Json], known: Collection[str]) -> None:
    """Raises PermanentError (INVALID_INPUT) for a key that the payload does not have."""
    for key in given:
        if key not in known:
            hint = did_you_mean(key, known)
            raise _invalid(f"the payload of this trigger has no key {quoted(key)}; {hint}")


def text(given: Mapping[str, Json], key: str) -> str | None:
    """The text under a key, or None; raises like check_keys for anything else."""
    value = given.get(key)
    if value is None or isinstance(value, str):
        return value
    raise _invalid(f"{key!r} of the payload is text or null, not {type(value).__name__}")


def listed(given: Mapping[str, Json], key: str) -> list[Json]:
    """The list under a key, empty when there is none; raises like check_keys for anything else."""
    value = given.get(key)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise _invalid(f"{key!r} of the payload is a list, not {type(value).__name__}")


def _object(given: Mapping[str, Json], key: str) -> dict[str, Json]:
    value = given.get(key)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise _invalid(f"{key!r} of the payload is an object, not {type(value).__name__}")


def _invalid(message: str) -> PermanentError:
    return PermanentError(message, code="INVALID_INPUT")
