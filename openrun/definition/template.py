"""The templates of a step's config: parsed once, when the flow is first checked or compiled."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError as PydanticError

from openrun.core.errors import PermanentError, TemplateError
from openrun.core.interpolation import Compiled, Reader, compile_value, find_faults
from openrun.core.interpolation.fault import FaultError
from openrun.core.interpolation.scan import Hole, has_opener, split
from openrun.core.limits import Limits
from openrun.core.types import Json
from openrun.steps.base import RENDERED, Step, StepConfig

# What parsing takes, in microseconds or so: for each template, and for each character of it.
_REFERENCE = 30
_PLAIN_EXPRESSION = 12
_EXPRESSION = 75
_EXPRESSION_CHARACTER = 8
_CHARACTERS_A_UNIT = 2
_SHORT = 200

_PLAIN = re.compile(r"\s*+\w++(?:\.\w++)*+\s*+", re.ASCII)


class ConfigTemplate:
    """A step's config with its templates parsed; `render` gives the config of one attempt."""

    __slots__ = ("_config", "_fields", "_is_plain", "_model", "constant")

    def __init__(self, config: StepConfig, fields: dict[str, Compiled], *, is_plain: bool) -> None:
        self._config = config
        self._model = type(config)
        self._fields = fields
        self._is_plain = is_plain
        self.constant = not fields

    def render(self, reader: Reader) -> StepConfig:
        """The config with every template filled in.

        Raises `TemplateError`, or `PermanentError` for a value that is not of the field's type.
        """
        if self.constant:
            return self._config
        rendered = {name: compiled.render(reader) for name, compiled in self._fields.items()}
        if self._is_plain:
            return self._config.model_copy(update=rendered)
        try:
            return self._model.model_validate({**self._config.__dict__, **rendered}, context=RENDERED)
        except PydanticError as error:
            raise _invalid(error) from None

    def named(self) -> Iterator[tuple[str, Compiled]]:
        """The fields with templates."""
        yield from self._fields.items()


@dataclass(frozen=True, slots=True)
class Parsed:
    """`faults` are (field, JSON Pointer inside the field, message); there is no template where there are any."""

    limits: Limits
    template: ConfigTemplate | None
    faults: tuple[tuple[str, str, str], ...] = ()


class Templates:
    """The parsed templates of a flow's steps, each step's parsed once."""

    def __init__(self) -> None:
        self._parsed: dict[int, tuple[Step, Parsed]] = {}
        self._names: dict[type[StepConfig], tuple[str, ...]] = {}
        self._anything: dict[type[StepConfig], frozenset[str]] = {}

    def of(self, step: Step, limits: Limits) -> Parsed:
        """What parsing the templates of this step gave."""
        # The step is kept beside what was made of it, so that its identity stays its own.
        kept = self._parsed.get(id(step))
        if kept is not None and (kept[1].limits is limits or kept[1].limits == limits):
            return kept[1]
        parsed = self._parse(step.config, limits)
        self._parsed[id(step)] = (step, parsed)
        return parsed

    def dynamic(self, config: StepConfig) -> tuple[str, ...]:
        """The fields that may hold templates."""
        model = type(config)
        names = self._names.get(model)
        if names is None:
            names = tuple(name for name in model.model_fields if name not in model.static_fields)
            self._names[model] = names
            self._anything[model] = frozenset(name for name in names if _takes_anything(model, name))
        return names

    def _parse(self, config: StepConfig, limits: Limits) -> Parsed:
        fields: dict[str, Compiled] = {}
        faults: list[tuple[str, str, str]] = []
        given = config.__dict__
        for name in self.dynamic(config):
            value = given[name]
            if not opens(value):
                continue
            try:
                fields[name] = compile_value(value, limits=limits)
            except TemplateError:
                faults += [(name, pointer, message) for pointer, message in find_faults(value, limits=limits)]
        if faults:
            return Parsed(limits, None, tuple(faults))
        is_plain = fields.keys() <= self._anything[type(config)]
        return Parsed(limits, ConfigTemplate(config, fields, is_plain=is_plain))


def opens(value: Json) -> bool:
    """Whether a reference or an expression opens in any string of a value, escaped ones included."""
    if type(value) is str:
        return has_opener(value)
    if type(value) is dict:
        return any(map(opens, value.values()))
    return type(value) is list and any(map(opens, value))


@dataclass(slots=True)
class Load:
    """How many templates there are, and what parsing them would take, in microseconds or so."""

    references: int = 0
    expressions: int = 0
    work: int = 0

    def add(self, value: Json, limits: Limits) -> None:
        """Count what is in a value; what comes after too many is not looked at."""
        pending = [value]
        while pending and not self.exceeds(limits):
            part = pending.pop()
            if type(part) is str:
                if has_opener(part):
                    self._text(part, limits)
            elif type(part) is dict:
                pending += part.values()
            elif type(part) is list:
                pending += part

    def exceeds(self, limits: Limits) -> bool:
        return (
            self.references > limits.document_references
            or self.expressions > limits.document_expressions
            or self.work > limits.document_template_work
        )

    def _text(self, text: str, limits: Limits) -> None:
        references, expressions = text.count("<<"), text.count("{{")
        self.references += references
        self.expressions += expressions
        if self.exceeds(limits):
            return
        if not expressions and len(text) <= _SHORT:
            self.work += references * _REFERENCE + len(text) // _CHARACTERS_A_UNIT
            return
        try:
            for piece in split(text, limits):
                if isinstance(piece, Hole):
                    self.work += _work(piece)
        except FaultError:
            # It ends here for the parser, too.
            return


def _work(hole: Hole) -> int:
    length = len(hole.source)
    if hole.opener == "<<":
        return _REFERENCE + length // _CHARACTERS_A_UNIT
    if _PLAIN.fullmatch(hole.source):
        return _PLAIN_EXPRESSION + length // _CHARACTERS_A_UNIT
    return _EXPRESSION + length * _EXPRESSION_CHARACTER


def _takes_anything(model: type[StepConfig], name: str) -> bool:
    info = model.model_fields[name]
    decorators = model.__pydantic_decorators__
    checked = any(name in each.info.fields for each in decorators.field_validators.values())
    return info.annotation is Any and not info.metadata and not checked and not decorators.model_validators


def _invalid(error: PydanticError) -> PermanentError:
    # Never the input itself: a rendered value may be a secret.
    parts = [
        f"{'.'.join(map(str, each['loc'])) or 'config'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return PermanentError("the rendered config does not fit: " + "; ".join(parts), code="CONFIG_INVALID")
