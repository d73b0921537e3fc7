"""Comparing JSON values: by value and kind, never by how Python happens to see them."""

from openrun.core.errors import PermanentError
from openrun.core.kinds import kind_of
from openrun.core.types import Json
from openrun.steps.execution.pattern import found


def equals(left: Json, right: Json) -> bool:
    """Equal as JSON: 1 and 1.0 are; 1 and true are not, and neither are 1 and "1"."""
    kind = type(left)
    if kind is dict:
        return (
            type(right) is dict
            and left.keys() == right.keys()
            and all(equals(value, right[key]) for key, value in left.items())
        )
    if kind is list:
        return type(right) is list and len(left) == len(right) and all(map(equals, left, right))
    return bool((kind is bool) == (type(right) is bool) and left == right)


def not_equals(left: Json, right: Json) -> bool:
    return not equals(left, right)


def greater_than(left: Json, right: Json) -> bool:
    _check_ordered(left, right)
    return bool(left > right)


def less_than(left: Json, right: Json) -> bool:
    _check_ordered(left, right)
    return bool(left < right)


def greater_or_equal(left: Json, right: Json) -> bool:
    _check_ordered(left, right)
    return bool(left >= right)


def less_or_equal(left: Json, right: Json) -> bool:
    _check_ordered(left, right)
    return bool(left <= right)


def contains(left: Json, right: Json) -> bool:
    """Whether text has a part, a list a member, or an object a key."""
    if type(left) is list:
        return any(equals(member, right) for member in left)
    if type(left) is not str and type(left) is not dict:
        raise _mismatch(f"{kind_of(left)} contains nothing; text, a list or an object does")
    if type(right) is not str:
        raise _mismatch(f"{kind_of(left)} contains text, not {kind_of(right)}")
    return right in left


def not_contains(left: Json, right: Json) -> bool:
    return not contains(left, right)


def is_in(left: Json, right: Json) -> bool:
    return contains(right, left)


def not_in(left: Json, right: Json) -> bool:
    return not contains(right, left)


def exists(left: Json, _right: Json) -> bool:
    return left is not None


def matches(left: Json, right: Json) -> bool:
    """Whether the regular expression `right` is found anywhere in the text `left`."""
    if type(left) is not str or type(right) is not str:
        raise _mismatch(f"a pattern and text can be matched, not {kind_of(right)} and {kind_of(left)}")
    return found(right, left)


_NUMBERS = frozenset({int, float})


def _check_ordered(left: Json, right: Json) -> None:
    one, other = type(left), type(right)
    if (one in _NUMBERS and other in _NUMBERS) or (one is str and other is str):
        return
    raise _mismatch(f"{kind_of(left)} and {kind_of(right)} have no order; compare two numbers, or two texts")


def _mismatch(message: str) -> PermanentError:
    return PermanentError(message, code="TYPE_MISMATCH")
