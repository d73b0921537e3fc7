"""Filters over the elements of a list, the entries of an object, or the characters of a text."""

from collections.abc import Callable

from openrun.core.interpolation import operators
from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError
from openrun.core.interpolation.path import down, kind_of, named_step
from openrun.core.interpolation.printing import text_of
from openrun.core.interpolation.reader import MISSING
from openrun.core.strict_json import canonical
from openrun.core.types import Json

Pick = Callable[[Json], Json]

_NUMBERS = frozenset({"a number", "a boolean"})
_TEXT = frozenset({"text"})
_PATH_LENGTH = 1_000


def length(_budget: Budget, value: Json, /) -> Json:
    if type(value) is str or type(value) is list or type(value) is dict:
        return len(value)
    if value is MISSING:
        return 0
    raise FaultError(f"{kind_of(value)} has no length")


def elements(budget: Budget, value: Json) -> list[Json]:
    """What a filter goes through: elements, keys or characters; nothing if the subject is missing."""
    if type(value) is list:
        return value
    if type(value) is dict:
        return list(value)
    if type(value) is str:
        budget.charge(len(value))
        return list(value)
    if value is MISSING:
        return []
    raise FaultError(f"{kind_of(value)} has no elements")


def attribute_of(attribute: Json) -> Pick:
    """Reads a dotted path in each element; the element itself when there is no path."""
    if attribute is None:
        return lambda element: element
    if type(attribute) not in {str, int} or len(str(attribute)) > _PATH_LENGTH:
        raise FaultError("attribute is a name or a dotted path, as in 'user.name'")
    steps = tuple(named_step(name) for name in str(attribute).split("."))
    return lambda element: down(element, steps)


def as_list(budget: Budget, value: Json, /) -> Json:
    return budget.made(list(elements(budget, value)))


def first(_budget: Budget, value: Json, /) -> Json:
    return _at(value, 0)


def last(_budget: Budget, value: Json, /) -> Json:
    return _at(value, -1)


def join(budget: Budget, value: Json, /, d: Json = "", attribute: Json = None) -> Json:
    pick, separator = attribute_of(attribute), text_of(budget, d)
    texts = []
    size = 0
    for element in elements(budget, value):
        text = text_of(budget, pick(element))
        size += len(text) + len(separator)
        budget.check(size)
        texts.append(text)
    return budget.made(separator.join(texts))


def total(budget: Budget, value: Json, /, attribute: Json = None, start: Json = 0) -> Json:
    pick, result = attribute_of(attribute), start
    for element in elements(budget, value):
        number = pick(element)
        if not operators.is_number(number):
            raise FaultError(f"cannot sum {kind_of(number)}")
        result = operators.add(budget, result, number)
    return result


def smallest(budget: Budget, value: Json, /, case_sensitive: Json = False, attribute: Json = None) -> Json:
    ordered = elements(budget, value)
    return min(ordered, key=_order(ordered, attribute, case_sensitive), default=MISSING)


def largest(budget: Budget, value: Json, /, case_sensitive: Json = False, attribute: Json = None) -> Json:
    ordered = elements(budget, value)
    return max(ordered, key=_order(ordered, attribute, case_sensitive), default=MISSING)


def in_order(
    budget: Budget,
    value: Json,
    /,
    reverse: Json = False,
    case_sensitive: Json = False,
    attribute: Json = None,
) -> Json:
    unsorted = elements(budget, value)
    key = _order(unsorted, attribute, case_sensitive)
    return budget.made(sorted(unsorted, key=key, reverse=bool(reverse)))


def unique(budget: Budget, value: Json, /, case_sensitive: Json = False, attribute: Json = None) -> Json:
    pick, fold = attribute_of(attribute), _fold(case_sensitive)
    kept: dict[str, Json] = {}
    for element in elements(budget, value):
        key = fold(pick(element))
        budget.reserve(budget.measure(key))
        kept.setdefault(canonical(None if key is MISSING else key), element)
    return budget.made(list(kept.values()))


def backwards(budget: Budget, value: Json, /) -> Json:
    if type(value) is str:
        return budget.made(value[::-1])
    return budget.made(elements(budget, value)[::-1])


def keys(budget: Budget, value: Json, /) -> Json:
    return budget.made(list(_object(value)))


def values(budget: Budget, value: Json, /) -> Json:
    return budget.made(list(_object(value).values()))


def items(budget: Budget, value: Json, /) -> Json:
    return budget.made([[key, item] for key, item in _object(value).items()])


def dictsort(
    budget: Budget, value: Json, /, case_sensitive: Json = False, by: Json = "key", reverse: Json = False
) -> Json:
    if by not in {"key", "value"}:
        raise FaultError("by is 'key' or 'value'")
    pairs = [[key, item] for key, item in _object(value).items()]
    key = _order(pairs, 0 if by == "key" else 1, case_sensitive)
    return budget.made(sorted(pairs, key=key, reverse=bool(reverse)))


def keep(budget: Budget, value: Json, pick: Pick, check: Callable[[Json], bool]) -> Json:
    """The elements whose picked part passes a check."""
    return budget.made([element for element in elements(budget, value) if check(pick(element))])


def _at(value: Json, index: int) -> Json:
    if type(value) is list or type(value) is str:
        return value[index] if value else MISSING
    if value is MISSING:
        return MISSING
    raise FaultError(f"{kind_of(value)} has no order")


def _object(value: Json) -> dict[str, Json]:
    if value is MISSING:
        return {}
    if type(value) is dict:
        return value
    raise FaultError(f"an object is needed, not {kind_of(value)}")


def _fold(case_sensitive: Json) -> Pick:
    if case_sensitive:
        return lambda value: value
    return lambda value: value.lower() if type(value) is str else value


def _order(values: list[Json], attribute: Json, case_sensitive: Json) -> Pick:
    """The sort key, once every element is known to have one of the same kind."""
    pick, fold = attribute_of(attribute), _fold(case_sensitive)
    kinds = {kind_of(pick(value)) for value in values}
    if not (kinds <= _NUMBERS or kinds <= _TEXT):
        raise FaultError(f"cannot order {' and '.join(sorted(kinds))}")
    return lambda value: fold(pick(value))
