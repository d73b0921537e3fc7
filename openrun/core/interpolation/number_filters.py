"""Filters that make or change numbers."""

import math

from openrun.core.interpolation import operators
from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError
from openrun.core.interpolation.path import kind_of
from openrun.core.interpolation.text_filters import whole
from openrun.core.types import Json

_DIGITS = 300


def absolute(_budget: Budget, value: Json, /) -> Json:
    return abs(_number(value))


def rounded(budget: Budget, value: Json, /, precision: Json = 0, method: Json = "common") -> Json:
    """As in Jinja: to `precision` decimals, the `common` way, or up (`ceil`), or down (`floor`)."""
    number, digits = _number(value), whole("precision", precision, 0)
    if abs(digits) > _DIGITS:
        raise FaultError(f"precision is at most {_DIGITS}")
    if method == "common":
        return operators.number(budget, round(number, digits))
    if method not in {"ceil", "floor"}:
        raise FaultError("method is 'common', 'ceil' or 'floor'")
    turn = math.ceil if method == "ceil" else math.floor
    return operators.number(budget, turn(number * 10.0**digits) / 10.0**digits)


def integer(budget: Budget, value: Json, /, default: Json = 0, base: Json = 10) -> Json:
    """The value as an integer, or `default` if it is none; decimals are cut off."""
    radix = whole("base", base, 10)
    if radix != 0 and not 2 <= radix <= 36:
        raise FaultError("base is 0 or from 2 to 36")
    if operators.is_number(value):
        return int(value)
    # One digit is at least one bit; a longer text cannot be a number that is allowed.
    if type(value) is not str or len(value) > budget.limits.template_integer_bits:
        return default
    try:
        return operators.number(budget, int(value, radix))
    except ValueError:
        return _cut_off(value, default)


def floating(_budget: Budget, value: Json, /, default: Json = 0.0) -> Json:
    """The value as a float, or `default` if it is none."""
    try:
        number = float(value) if operators.is_number(value) or type(value) is str else math.nan
    except (ValueError, OverflowError):
        return default
    return number if math.isfinite(number) else default


def _cut_off(text: str, default: Json) -> Json:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return default


def _number(value: Json) -> Json:
    if operators.is_number(value):
        return value
    raise FaultError(f"a number is needed, not {kind_of(value)}")
