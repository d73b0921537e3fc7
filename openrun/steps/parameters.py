"""What a step function asks for: config fields, and what is handed to it beside them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from openrun.core.state import StateContainer
from openrun.steps.base import Step, StepConfig
from openrun.steps.context import StepContext

STEP_ARGUMENTS = frozenset(
    {"compensate", *(name for name, field in Step.model_fields.items() if not field.exclude)}
)
"""What every step takes beside its config's fields."""

_REFUSED_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional only; a config has names",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of values; a config has fixed names, so take a list",
    inspect.Parameter.VAR_KEYWORD: "takes any names; a config has fixed ones, so take a dict",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`fields` are (annotation, default) by name; `state` and `context` the parameters that get those."""

    fields: Mapping[str, tuple[Any, Any]]
    state: str | None
    context: str | None


def read_parameters(function: Callable[..., Any], what: str = "step function") -> Parameters:
    """The parameters of a step function. Raises TypeError for those that no config can have."""
    place = f"{what} {function.__qualname__}()"
    hints = _hints(function, place)
    fields: dict[str, tuple[Any, Any]] = {}
    handed: dict[type, str] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in _REFUSED_KINDS:
            raise TypeError(f"{place}: parameter {name!r} {_REFUSED_KINDS[parameter.kind]}")
        kind = _handed(name, hints)
        if kind is not None:
            handed[kind] = name
            continue
        _check_name(name, place)
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    return Parameters(fields=fields, state=handed.get(StateContainer), context=handed.get(StepContext))


def _handed(name: str, hints: Mapping[str, Any]) -> type | None:
    """`state` and `context` go by their names where they have no annotation, and else by annotation alone."""
    if name in hints:
        return hints[name] if hints[name] in (StateContainer, StepContext) else None
    return {"state": StateContainer, "context": StepContext}.get(name)


def _hints(function: Callable[..., Any], place: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise TypeError(
            f"{place}: its annotations cannot be read: {error}; use types of the module's top level"
        ) from None


def _check_name(name: str, place: str) -> None:
    if name in STEP_ARGUMENTS:
        raise TypeError(f"{place}: parameter {name!r} is an argument of every step; rename it")
    if name.startswith(("_", "model_")) or hasattr(StepConfig, name):
        raise TypeError(f"{place}: parameter {name!r} has a name that configs use themselves; rename it")
