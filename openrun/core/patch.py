"""JSON Patch (RFC 6902), with JSON Pointers (RFC 6901): the difference of two values, and what a patch makes of one."""

from collections.abc import Mapping, Sequence
from typing import Any

from jsonpatch import InvalidJsonPatch, JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointer, JsonPointerException

from openrun.core.errors import JsonError, OpenRunError
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.strict_json import copy, plain, pointer_token
from openrun.core.types import Json

_MOST_OPERATIONS = 10_000
_OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})


class PatchError(OpenRunError, ValueError):
    """A patch that is none, or grows past what a value may be."""


class PatchPathError(PatchError, LookupError):
    """An operation names a place that is not there."""


class PatchTestFailed(PatchError):
    """A `test` operation found something else than it names."""


def patched(value: Json, operations: Sequence[Mapping[str, Any]], *, limits: Limits = DEFAULT_LIMITS) -> Json:
    """What the operations, one after another, make of a value, which stays as it is; all of them, or none.

    Raises `PatchTestFailed`, `PatchPathError`, or `PatchError` for what is no operation and for what grows past
    the limits of a value.
    """
    if len(operations) > _MOST_OPERATIONS:
        raise PatchError(f"a patch has {_MOST_OPERATIONS} operations at most, not {len(operations)}")
    room = limits.json_nodes
    result = copy(value)
    for number, given in enumerate(operations):
        operation = _operation(given, number, limits)
        try:
            if operation["op"] == "copy":
                # Copies of copies double; what they come to is counted before it is made.
                room -= _nodes(JsonPointer(operation["from"]).resolve(result))
                if room < 0:
                    raise PatchError(
                        f"operation {number}: the patch copies more than {limits.json_nodes} values"
                    )
            result = JsonPatch([operation]).apply(result, in_place=True)
        except JsonPatchTestFailed as failed:
            place = operation["path"]
            raise PatchTestFailed(f"operation {number}: the test of {place!r} failed: {failed}") from None
        except RecursionError:
            raise PatchError(f"operation {number}: the value is nested too deeply") from None
        except InvalidJsonPatch as invalid:
            raise PatchError(f"operation {number}: {invalid}") from None
        except (JsonPatchException, JsonPointerException, LookupError, TypeError) as missing:
            raise PatchPathError(f"operation {number}, {_words(operation)}: {missing}") from None
    try:
        return plain(result, limits=limits)
    except JsonError as error:
        raise PatchError(f"what the patch makes cannot be kept: {error}") from None


def _operation(given: Any, number: int, limits: Limits) -> dict[str, Json]:
    """A fresh one, so that nothing is shared with whoever gave it."""
    try:
        operation = plain(given, limits=limits)
    except JsonError as error:
        raise PatchError(f"operation {number}: {error}") from None
    if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:
        known = ", ".join(sorted(_OPERATIONS))
        raise PatchError(f"operation {number}: an operation is an object whose `op` is one of {known}")
    for key in ("path", "from") if operation["op"] in ("move", "copy") else ("path",):
        place = operation.get(key)
        if not isinstance(place, str) or (place and not place.startswith("/")):
            raise PatchError(
                f"operation {number}: `{key}` is a JSON Pointer such as /order/total, not {place!r}"
            )
        if place.count("/") > limits.json_depth:
            raise PatchError(f"operation {number}: `{key}` is deeper than {limits.json_depth} levels")
    return operation


def _words(operation: Mapping[str, Json]) -> str:
    return " ".join(str(operation[key]) for key in ("op", "from", "path") if key in operation)


def _nodes(value: Json) -> int:
    count, pending = 0, [value]
    while pending:
        part = pending.pop()
        count += 1
        if isinstance(part, dict):
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return count


def difference(before: Json, after: Json) -> list[Json]:
    """The operations, in order, that make `after` out of `before`; what is the same in both is in none.

    Lists are compared place by place: an item put in front changes every place behind it. A number that
    becomes a boolean, or an integer that becomes a float, has changed.
    """
    found: list[Json] = []
    _compare(before, after, "", found)
    return found


def _compare(before: Json, after: Json, pointer: str, found: list[Json]) -> None:
    # States that follow one another share most of their values, so that few are ever walked through.
    if before is after:
        return
    kind = type(before)
    if kind is not type(after):
        found.append({"op": "replace", "path": pointer, "value": after})
    elif kind is dict:
        _compare_objects(before, after, pointer, found)
    elif kind is list:
        _compare_lists(before, after, pointer, found)
    elif before != after:
        found.append({"op": "replace", "path": pointer, "value": after})


def _compare_objects(
    before: dict[str, Json], after: dict[str, Json], pointer: str, found: list[Json]
) -> None:
    found.extend({"op": "remove", "path": pointer + pointer_token(key)} for key in before if key not in after)
    for key, value in after.items():
        place = pointer + pointer_token(key)
        if key in before:
            _compare(before[key], value, place, found)
        else:
            found.append({"op": "add", "path": place, "value": value})


def _compare_lists(before: list[Json], after: list[Json], pointer: str, found: list[Json]) -> None:
    shared = min(len(before), len(after))
    for at in range(shared):
        _compare(before[at], after[at], pointer + pointer_token(at), found)
    # From the end, so that no place that is still to be removed moves.
    found.extend(
        {"op": "remove", "path": pointer + pointer_token(at)} for at in reversed(range(shared, len(before)))
    )
    found.extend(
        {"op": "add", "path": pointer + pointer_token(at), "value": after[at]}
        for at in range(shared, len(after))
    )
