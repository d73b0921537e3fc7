"""Forms: JSON Schemas for what people fill in. Both the schema and the value may come from somebody hostile.

A validator's work is the number of parts of a schema, references followed, times the number of parts of a value.
Few bytes of schema can unfold into any number of parts, and one that refers to itself into infinitely many, so
they are counted, up to a limit, before a validator sees them. Nothing is ever fetched, and patterns are matched in
time linear in the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from openrun.core.errors import JsonError
from openrun.core.kinds import kind_of
from openrun.core.strict_json import canonical, plain, pointer_token
from openrun.core.types import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FORM_BYTES = 64 * 2**10
MOST_FAULTS = 100

_MESSAGE_LENGTH = 300
_DEPTH = 64
_PARTS = 20_000
_UNFOLDED = 4
"""How often its parts may count, references followed, so that a document of many small forms is soon checked."""
_UNFOLDED_ANYHOW = 500
_PATTERNS = 100
_UNEVALUATED = 3
"""Each of these has everything around it evaluated again, those inside it included."""
_PATTERN_BYTES = 256 * 2**10
"""Of one pattern, compiled."""
_WORK = 20_000_000
"""Parts of the form times those of the value; what takes about a second."""
_MULTIPLE = 1_000
"""Parts that a `multipleOf` counts for."""
_WORK_OF_TELLING = 200_000
"""The same, where each fault is told: telling one takes far longer than finding out that there is one."""
_MATCHING = 200_000
"""Patterns times characters they may have to look at."""
_CHARACTERS_A_PART = 100
_REFUSED = frozenset({"$id", "$schema", "$dynamicRef", "$recursiveRef"})
"""What would let a reference mean something else; the first two of the schema itself are dropped."""


class _UnusableError(Exception):
    """The form cannot be used; the message says why."""


def form_fault(schema: Any) -> str | None:
    """Why this is no usable form, or None: a JSON Schema 2020-12 of bounded size that refers only to itself."""
    try:
        _usable(schema)
    except _UnusableError as fault:
        return _shortened(str(fault))
    return None


def check_form(schema: Any, value: Json, *, work: int = _WORK) -> list[tuple[str, str]]:
    """Where a value does not fit a form, as JSON Pointer and message: all faults at once, up to 100.

    `work` bounds parts of the form times parts of the value: 20 million take about a second. A value that is too large to be checked does not fit, and nothing fits a form that cannot be used.
    """
    try:
        form = _usable(schema)
        clean = plain(value)
    except (_UnusableError, JsonError) as fault:
        return [("", _shortened(str(fault)))]
    size, characters = _size(clean)
    needed = form.parts * size
    if needed > work or form.patterns * characters > _MATCHING:
        return [("", "the value is too large to be checked against its form")]
    # Messages say "the value" for it: it may be long, and it is not for every log.
    validator = _validator(form.schema, mask="the value")
    if validator.is_valid(clean):
        return []
    if needed > _WORK_OF_TELLING:
        return [("", "the value does not fit its form, and is too large to say where")]
    found = validator.iter_errors(clean)
    told = {(_pointer(each.instance_path), _shortened(each.message)): None for each in found}
    return list(told)[:MOST_FAULTS]


@dataclass(slots=True)
class _Form:
    """A schema, and how much of it there is once its references are followed."""

    schema: dict[str, Any] | bool
    most: int
    parts: int = 0
    patterns: int = 0
    unevaluated: int = 0

    def count(self, part: Json, depth: int = 0) -> None:
        """Count everything under a part, as if all of it were schemas: rather too much than too little."""
        self.parts += 1
        if self.parts > self.most:
            raise _UnusableError(f"with its references followed the form has more than {self.most:,} parts")
        if depth > _DEPTH:
            raise _UnusableError(
                f"the form refers to itself, or is nested deeper than {_DEPTH} levels with its references followed"
            )
        for key, each in _held(part):
            if key == "$ref" and isinstance(each, str):
                self.count(self._target(each), depth + 1)
            else:
                self._note(key, each)
                self.count(each, depth + 1)

    def _note(self, key: str, value: Json) -> None:
        if key == "multipleOf":
            # Exact arithmetic, on numbers of any size.
            self.parts += _MULTIPLE
        if key == "pattern":
            self.patterns += 1
        elif key == "patternProperties" and isinstance(value, dict):
            self.patterns += len(value)
        elif key in {"unevaluatedProperties", "unevaluatedItems"}:
            self.unevaluated += 1
        elif key in _REFUSED and isinstance(value, str):
            raise _UnusableError(f"`{key}` has no place inside a form; refer to its parts as '#/$defs/NAME'")
        if self.patterns > _PATTERNS:
            raise _UnusableError(f"the form has more than {_PATTERNS} patterns")
        if self.unevaluated > _UNEVALUATED:
            raise _UnusableError(f"the form says `unevaluated…` more than {_UNEVALUATED} times")

    def _target(self, reference: str) -> Json:
        if reference != "#" and not reference.startswith("#/"):
            raise _UnusableError(
                f"a form refers only to its own parts, as '#/$defs/NAME', not to {reference!r}"
            )
        found: Json = self.schema
        for token in reference.split("/")[1:]:
            key = unquote(token).replace("~1", "/").replace("~0", "~")
            held = dict(_held(found))
            if key not in held:
                raise _UnusableError(f"the form has no part {reference!r}")
            found = held[key]
        return found


def _held(part: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(part, dict):
        yield from part.items()
    elif isinstance(part, list):
        for index, each in enumerate(part):
            yield str(index), each


def _usable(schema: Any) -> _Form:
    """The form of a schema. Raises `_UnusableError` if it cannot be used."""
    if not isinstance(schema, dict | bool):
        raise _UnusableError(f"a form is a JSON Schema, an object or a boolean, not {kind_of(schema)}")
    try:
        clean = plain(schema)
    except JsonError as error:
        raise _UnusableError(str(error)) from None
    if len(canonical(clean).encode()) > FORM_BYTES:
        raise _UnusableError(f"the form is larger than {FORM_BYTES:,} bytes")
    if isinstance(clean, dict):
        clean.pop("$id", None)
        if str(clean.pop("$schema", DIALECT)).rstrip("#") != DIALECT:
            raise _UnusableError(
                f"a form is of JSON Schema 2020-12: leave out `$schema`, or write {DIALECT!r}"
            )
    form = _Form(clean, most=min(_PARTS, _UNFOLDED_ANYHOW + _UNFOLDED * _size(clean)[0]))
    form.count(clean)
    try:
        _validator(clean)
    except ValidationError as error:
        raise _UnusableError(f"{_cut(error.message)} (at {_pointer(error.instance_path) or '/'})") from None
    return form


def _validator(schema: dict[str, Any] | bool, mask: str | None = None) -> Draft202012Validator:
    patterns = RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
    return Draft202012Validator(
        schema, offline=True, pattern_options=patterns, validate_formats=True, mask=mask
    )


def _size(value: Json) -> tuple[int, int]:
    """The parts of a value, long text as several, and the characters in it."""
    parts = characters = 0
    pending = [value]
    while pending:
        part = pending.pop()
        parts += 1
        if isinstance(part, str):
            characters += len(part)
        elif isinstance(part, dict):
            characters += sum(map(len, part))
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return parts + characters // _CHARACTERS_A_PART, characters


def _pointer(path: list[str | int]) -> str:
    return "".join(map(pointer_token, path))


def _cut(message: str) -> str:
    """The message, short enough to stand in another."""
    return message if len(message) <= _MESSAGE_LENGTH // 2 else message[: _MESSAGE_LENGTH // 2] + "…"


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE_LENGTH else message[: _MESSAGE_LENGTH - 1] + "…"
