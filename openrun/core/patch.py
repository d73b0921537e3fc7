"""The difference of two JSON values as JSON Patch (RFC 6902), with JSON Pointers (RFC 6901)."""

from openrun.core.strict_json import pointer_token
from openrun.core.types import Json


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
