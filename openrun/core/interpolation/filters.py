"""The filters that may follow `|`: an allowlist of functions over plain data, and nothing of Jinja's own.

A filter takes the budget and its subject by position, then its options. What it makes it measures (`made`,
`reserve`); for going through its subject once it has been charged before it is called.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from openrun.core.interpolation import list_filters, number_filters, text_filters
from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.checks import Check, check_named
from openrun.core.interpolation.fault import FaultError, suggestion
from openrun.core.interpolation.printing import text_of
from openrun.core.interpolation.reader import MISSING
from openrun.core.types import Json

Filter = Callable[..., Json]


def filter_named(name: str) -> Filter:
    """The filter of that name, or a fault with near names."""
    found = FILTERS.get(name)
    if found is None:
        raise FaultError(f"unknown filter {name!r}{suggestion(name, FILTERS)}")
    return found


def apply(budget: Budget, function: Filter, value: Json, args: list[Json], options: dict[str, Json]) -> Json:
    budget.touch(value)
    return function(budget, value, *args, **options)


def check_filter(name: str, args: list[Any], options: Collection[str]) -> Filter:
    """The filter, once its options are known to fit; an option that is no constant is `NOT_CONSTANT`.

    Filters and tests that a filter is given by name are constants, so that they are checked here too.
    """
    function = filter_named(name)
    _check_options(f"filter {name!r}", function, args, options)
    if function is _map:
        if bool(args) == ("attribute" in options):
            raise FaultError("map needs either attribute=... or the name of a filter")
        if args:
            check_filter(_constant_name(args[0]), args[1:], ())
    place = _TEST_PLACES.get(function, len(args))
    if len(args) > place:
        check_test(_constant_name(args[place]), args[place + 1 :], ())
    return function


def check_test(name: str, args: list[Any], options: Collection[str]) -> Check:
    """The test, once its options are known to fit."""
    check = check_named(name)
    _check_options(f"test {name!r}", check, args, options)
    return check


def _check_options(
    what: str, function: Callable[..., Any], args: list[Any], options: Collection[str]
) -> None:
    try:
        inspect.signature(function).bind(None, None, *args, **dict.fromkeys(options))
    except TypeError as error:
        raise FaultError(f"{what}: {error}") from None


def _constant_name(value: Any) -> str:
    if type(value) is str:
        return value
    raise FaultError("a filter or a test is named by a constant text")


def _default(_budget: Budget, value: Json, /, default_value: Json = "", boolean: Json = False) -> Json:
    if value is MISSING or (boolean and not value):
        return default_value
    return value


def _string(budget: Budget, value: Json, /) -> Json:
    return text_of(budget, value)


def _map(budget: Budget, value: Json, /, *args: Json, attribute: Json = None, default: Json = None) -> Json:
    """One part of each element (`attribute`), or each element through a filter named first."""
    elements = list_filters.elements(budget, value)
    if args:
        function, rest = filter_named(args[0]), list(args[1:])
        parts = [apply(budget, function, element, rest, {}) for element in elements]
    else:
        parts = list(map(list_filters.attribute_of(attribute), elements))
    return budget.made([default if part is MISSING else part for part in parts])


def _select(budget: Budget, value: Json, /, *test: Json) -> Json:
    return list_filters.keep(
        budget, value, list_filters.attribute_of(None), _passes(budget, test, wanted=True)
    )


def _reject(budget: Budget, value: Json, /, *test: Json) -> Json:
    return list_filters.keep(
        budget, value, list_filters.attribute_of(None), _passes(budget, test, wanted=False)
    )


def _selectattr(budget: Budget, value: Json, attribute: Json, /, *test: Json) -> Json:
    pick = list_filters.attribute_of(attribute)
    return list_filters.keep(budget, value, pick, _passes(budget, test, wanted=True))


def _rejectattr(budget: Budget, value: Json, attribute: Json, /, *test: Json) -> Json:
    pick = list_filters.attribute_of(attribute)
    return list_filters.keep(budget, value, pick, _passes(budget, test, wanted=False))


def _passes(budget: Budget, test: tuple[Json, ...], *, wanted: bool) -> Callable[[Json], bool]:
    if not test:
        return lambda value: bool(value) is wanted
    check, options = check_named(test[0]), test[1:]
    return lambda value: check(budget, value, *options) is wanted


# Where, among its options, a filter is given the name of a test.
_TEST_PLACES: dict[Filter, int] = {_select: 0, _reject: 0, _selectattr: 1, _rejectattr: 1}

FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "abs": number_filters.absolute,
        "b64decode": text_filters.b64decode,
        "b64encode": text_filters.b64encode,
        "capitalize": text_filters.mapped(str.capitalize),
        "count": list_filters.length,
        "d": _default,
        "default": _default,
        "dictsort": list_filters.dictsort,
        "first": list_filters.first,
        "float": number_filters.floating,
        "int": number_filters.integer,
        "items": list_filters.items,
        "join": list_filters.join,
        "keys": list_filters.keys,
        "last": list_filters.last,
        "length": list_filters.length,
        "list": list_filters.as_list,
        "lower": text_filters.mapped(str.lower),
        "map": _map,
        "max": list_filters.largest,
        "min": list_filters.smallest,
        "reject": _reject,
        "rejectattr": _rejectattr,
        "replace": text_filters.replace,
        "reverse": list_filters.backwards,
        "round": number_filters.rounded,
        "select": _select,
        "selectattr": _selectattr,
        "sort": list_filters.in_order,
        "split": text_filters.split,
        "string": _string,
        "sum": list_filters.total,
        "title": text_filters.mapped(str.title),
        "tojson": text_filters.tojson,
        "trim": text_filters.trim,
        "truncate": text_filters.truncate,
        "unique": list_filters.unique,
        "upper": text_filters.mapped(str.upper),
        "urlencode": text_filters.urlencode,
        "values": list_filters.values,
    }
)
