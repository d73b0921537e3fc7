"""A JSON value whose strings may be templates: parsed once, rendered against a state any number of times."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from openrun.core.errors import JsonError, TemplateError
from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.filling import Evaluate, Filling
from openrun.core.interpolation.reader import Reader
from openrun.core.interpolation.scan import has_hole
from openrun.core.interpolation.template import compile_text, merged
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.strict_json import plain, pointer_token
from openrun.core.types import Json

_MOST_HOLES = 20_000
_MOST_FAULTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """`roots` are the state roots it reads, "*" for the whole state; `step_refs` are the x of each `steps.x`."""

    is_constant: bool
    roots: frozenset[str]
    step_refs: frozenset[str]
    evaluate: Evaluate = field(repr=False)
    limits: Limits = field(repr=False)

    def render(self, reader: Reader) -> Json:
        """The value with every template filled in, fresh: it shares no container with the state."""
        value = self.evaluate(reader, Budget(self.limits))
        if type(value) is not dict and type(value) is not list:
            return value
        try:
            # One bounded copy at the end: until here, parts are shared with the state, however often.
            return plain(value, limits=self.limits)
        except JsonError as error:
            raise TemplateError(f"the rendered value: {error}", code=error.code) from error


def compile_value(value: Json, *, limits: Limits = DEFAULT_LIMITS) -> Compiled:
    """Parse every string inside a JSON value, keys excepted; raises `TemplateError` for the first fault."""
    compiler = _Compiler(limits)
    result = compiler.compile(value, "", 0)
    for pointer, error in compiler.faults[:1]:
        raise TemplateError(str(error), code=error.error.code, details={"pointer": pointer})
    is_constant = not isinstance(result, Filling)
    filling = Filling(evaluate=_constant(result), roots=frozenset()) if is_constant else result
    return Compiled(
        is_constant=is_constant,
        roots=filling.roots,
        step_refs=filling.step_refs,
        evaluate=filling.evaluate,
        limits=limits,
    )


def find_faults(value: Json, *, limits: Limits = DEFAULT_LIMITS) -> list[tuple[str, str]]:
    """The faults of all templates in a value, the first hundred of them, as JSON Pointer and message."""
    compiler = _Compiler(limits)
    compiler.compile(value, "", 0)
    return [(pointer, str(error)) for pointer, error in compiler.faults]


def has_template(value: Json) -> bool:
    """Whether any string inside a value, keys excepted, opens a reference or an expression."""
    if type(value) is str:
        return has_hole(value)
    if type(value) is dict:
        return any(map(has_template, value.values()))
    return type(value) is list and any(map(has_template, value))


class _Compiler:
    """Walks one value; a part that reads no state stays plain data, any other becomes a filling."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.holes = 0
        self.faults: list[tuple[str, TemplateError]] = []

    def compile(self, value: Json, pointer: str, depth: int) -> Filling | Json:
        if type(value) is str:
            return self.text(value, pointer)
        if type(value) is not dict and type(value) is not list:
            return value
        if depth >= self.limits.json_depth:
            self.refuse(pointer, TemplateError(f"nested deeper than {self.limits.json_depth} levels"))
            return None
        if type(value) is dict:
            parts = self.parts(value.items(), pointer, depth)
            return _object(dict(parts))
        return _list([part for _, part in self.parts(enumerate(value), pointer, depth)])

    def parts(
        self, entries: Iterable[tuple[str | int, Json]], pointer: str, depth: int
    ) -> list[tuple[str | int, Filling | Json]]:
        return [(key, self.compile(part, pointer + pointer_token(key), depth + 1)) for key, part in entries]

    def text(self, text: str, pointer: str) -> Filling | Json:
        self.holes += text.count("<<") + text.count("{{")
        # A document that only wastes time is given up early; nobody reads on after so many faults.
        if len(self.faults) >= _MOST_FAULTS:
            return None
        if self.holes > _MOST_HOLES:
            self.refuse(pointer, TemplateError(f"more than {_MOST_HOLES:,} templates in one value"))
            return None
        try:
            return compile_text(text, self.limits)
        except TemplateError as error:
            self.refuse(pointer, error)
            return None

    def refuse(self, pointer: str, error: TemplateError) -> None:
        self.faults.append((pointer, error))


def _object(parts: dict[str | int, Filling | Json]) -> Filling | Json:
    fillings = [part for part in parts.values() if isinstance(part, Filling)]
    entries = [(key, _evaluate(part)) for key, part in parts.items()]

    def evaluate(reader: Reader, budget: Budget) -> Json:
        return {key: evaluate(reader, budget) for key, evaluate in entries}

    return merged(evaluate, fillings) if fillings else parts


def _list(parts: list[Filling | Json]) -> Filling | Json:
    fillings = [part for part in parts if isinstance(part, Filling)]
    entries = [_evaluate(part) for part in parts]

    def evaluate(reader: Reader, budget: Budget) -> Json:
        return [evaluate(reader, budget) for evaluate in entries]

    return merged(evaluate, fillings) if fillings else parts


def _evaluate(part: Filling | Json) -> Evaluate:
    return part.evaluate if isinstance(part, Filling) else _constant(part)


def _constant(value: Json) -> Evaluate:
    return lambda _reader, _budget: value
