"""The tests that may follow `is`, and that `select` may name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from openrun.core.interpolation import operators
from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError, suggestion
from openrun.core.interpolation.path import kind_of
from openrun.core.interpolation.reader import MISSING
from openrun.core.types import Json

Check = Callable[..., bool]


def check_named(name: str) -> Check:
    """The test of that name, or a fault with near names."""
    check = CHECKS.get(name)
    if check is None:
        raise FaultError(f"unknown test {name!r}{suggestion(name, CHECKS)}")
    return check


def _of_kind(*kinds: type) -> Check:
    allowed = frozenset(kinds)

    def check(_budget: Budget, value: Json, /) -> bool:
        return type(value) in allowed

    return check


def _same(expected: Json) -> Check:
    def check(_budget: Budget, value: Json, /) -> bool:
        return value is expected

    return check


def _defined(_budget: Budget, value: Json, /) -> bool:
    return value is not MISSING


def _upper(_budget: Budget, value: Json, /) -> bool:
    return type(value) is str and value.isupper()


def _lower(_budget: Budget, value: Json, /) -> bool:
    return type(value) is str and value.islower()


def _divisible(budget: Budget, value: Json, by: Json, /) -> bool:
    return bool(operators.modulo(budget, _whole(value), _whole(by)) == 0)


def _even(_budget: Budget, value: Json, /) -> bool:
    return bool(_whole(value) % 2 == 0)


def _odd(_budget: Budget, value: Json, /) -> bool:
    return bool(_whole(value) % 2 == 1)


def _whole(value: Json) -> Json:
    if type(value) is int:
        return value
    raise FaultError(f"an integer is needed, not {kind_of(value)}")


def _compare(compare: Callable[[Budget, Json, Json], bool]) -> Check:
    def check(budget: Budget, value: Json, other: Json, /) -> bool:
        return compare(budget, value, other)

    return check


_NAMES: dict[Check, tuple[str, ...]] = {
    _defined: ("defined",),
    _same(MISSING): ("undefined",),
    _same(None): ("none",),
    _same(True): ("true",),
    _same(False): ("false",),
    _of_kind(bool): ("boolean",),
    _of_kind(int): ("integer",),
    _of_kind(float): ("float",),
    # As in Jinja, where a boolean is a number too.
    _of_kind(int, float, bool): ("number",),
    _of_kind(str): ("string",),
    _of_kind(dict): ("mapping",),
    _of_kind(list, dict, str): ("sequence", "iterable"),
    _even: ("even",),
    _odd: ("odd",),
    _divisible: ("divisibleby",),
    _upper: ("upper",),
    _lower: ("lower",),
    _compare(operators.equal): ("eq", "equalto", "=="),
    _compare(operators.not_equal): ("ne", "!="),
    _compare(operators.less): ("lt", "lessthan", "<"),
    _compare(operators.less_or_equal): ("le", "<="),
    _compare(operators.greater): ("gt", "greaterthan", ">"),
    _compare(operators.greater_or_equal): ("ge", ">="),
    _compare(operators.contained): ("in",),
}

CHECKS: Mapping[str, Check] = MappingProxyType(
    {name: check for check, names in _NAMES.items() for name in names}
)
