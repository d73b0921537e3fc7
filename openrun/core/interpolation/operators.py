"""Arithmetic, comparison and membership over plain data; every result is bounded before or as it is made."""

import math
from collections.abc import Callable

from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError
from openrun.core.interpolation.path import kind_of
from openrun.core.interpolation.reader import MISSING
from openrun.core.types import Json

Operate = Callable[[Budget, Json, Json], Json]

_NUMBERS = frozenset({int, float, bool})


def is_number(value: Json) -> bool:
    return type(value) in _NUMBERS


def number(budget: Budget, value: Json) -> Json:
    """A number just computed, unless it is too large or none that JSON has."""
    if type(value) is int:
        if value.bit_length() > budget.limits.template_integer_bits:
            raise _too_large(budget)
    elif not math.isfinite(value):
        raise FaultError("the result is not a finite number")
    return value


def add(budget: Budget, left: Json, right: Json) -> Json:
    if is_number(left) and is_number(right):
        return number(budget, left + right)
    if type(left) is type(right) and (type(left) is str or type(left) is list):
        budget.reserve(budget.measure(left) + budget.measure(right))
        return left + right
    hint = "; ~ joins text" if str in {type(left), type(right)} else ""
    raise FaultError(f"cannot add {kind_of(left)} and {kind_of(right)}{hint}")


def subtract(budget: Budget, left: Json, right: Json) -> Json:
    _check_numbers(left, "-", right)
    return number(budget, left - right)


def multiply(budget: Budget, left: Json, right: Json) -> Json:
    if is_number(left) and is_number(right):
        return number(budget, left * right)
    whole, count = (right, left) if type(left) is int else (left, right)
    if type(count) is int and (type(whole) is str or type(whole) is list):
        budget.reserve(budget.measure(whole) * max(count, 0))
        return whole * count
    raise FaultError(f"cannot multiply {kind_of(left)} by {kind_of(right)}")


def divide(budget: Budget, left: Json, right: Json) -> Json:
    _check_division(left, "/", right)
    return number(budget, left / right)


def floor_divide(budget: Budget, left: Json, right: Json) -> Json:
    _check_division(left, "//", right)
    return number(budget, left // right)


def modulo(budget: Budget, left: Json, right: Json) -> Json:
    # Numbers only: on text this would be printf formatting, whose widths are a memory bomb.
    _check_division(left, "%", right)
    return number(budget, left % right)


def power(budget: Budget, left: Json, right: Json) -> Json:
    _check_numbers(left, "**", right)
    # A number of n bits to the k-th has more than (n - 1) * k bits: refused before it is computed.
    bits = int(left).bit_length() - 1 if float not in {type(left), type(right)} else 0
    if bits * right > budget.limits.template_integer_bits:
        raise _too_large(budget)
    if left == 0 and right < 0:
        raise FaultError("division by zero")
    result = left**right
    if type(result) is complex:
        raise FaultError("the result is not a real number")
    return number(budget, result)


def negate(budget: Budget, value: Json) -> Json:
    _check_number(value)
    return number(budget, -value)


def positive(_budget: Budget, value: Json) -> Json:
    _check_number(value)
    return +value


def equal(budget: Budget, left: Json, right: Json) -> bool:
    budget.measure(left)
    return bool(left == right)


def not_equal(budget: Budget, left: Json, right: Json) -> bool:
    return not equal(budget, left, right)


def less(_budget: Budget, left: Json, right: Json) -> bool:
    _check_order(left, right)
    return bool(left < right)


def greater(budget: Budget, left: Json, right: Json) -> bool:
    return less(budget, right, left)


def less_or_equal(budget: Budget, left: Json, right: Json) -> bool:
    return not less(budget, right, left)


def greater_or_equal(budget: Budget, left: Json, right: Json) -> bool:
    return not less(budget, left, right)


def contained(budget: Budget, item: Json, holder: Json) -> bool:
    """Whether a list has the element, an object the key, or a text the part."""
    if holder is MISSING:
        return False
    if type(holder) is list:
        budget.measure(holder)
        return item in holder
    if type(holder) is dict:
        return type(item) is str and item in holder
    if type(holder) is str and type(item) is str:
        budget.touch(holder)
        return item in holder
    raise FaultError(f"cannot look for {kind_of(item)} in {kind_of(holder)}")


def not_contained(budget: Budget, item: Json, holder: Json) -> bool:
    return not contained(budget, item, holder)


def _too_large(budget: Budget) -> FaultError:
    return FaultError(f"an integer larger than {budget.limits.template_integer_bits:,} bits")


def _check_number(value: Json) -> None:
    if not is_number(value):
        raise FaultError(f"a number is needed, not {kind_of(value)}")


def _check_numbers(left: Json, sign: str, right: Json) -> None:
    if not (is_number(left) and is_number(right)):
        raise FaultError(f"cannot compute {kind_of(left)} {sign} {kind_of(right)}")


def _check_division(left: Json, sign: str, right: Json) -> None:
    _check_numbers(left, sign, right)
    if right == 0:
        raise FaultError("division by zero")


def _check_order(left: Json, right: Json) -> None:
    if not ((is_number(left) and is_number(right)) or (type(left) is str and type(right) is str)):
        raise FaultError(f"cannot compare {kind_of(left)} with {kind_of(right)}")
