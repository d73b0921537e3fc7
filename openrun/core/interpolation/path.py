"""Paths into plain data, as in `user.name`, `items.0.name` and `items[0]["odd key"]`.

A step made of digits reads an element of a list and, in an object, the key of that spelling. A quoted step
is always a key.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from openrun.core import kinds
from openrun.core.errors import JsonError, TemplateError
from openrun.core.interpolation.fault import FaultError, shorten, suggestion
from openrun.core.interpolation.reader import MISSING, Reader
from openrun.core.strict_json import canonical, decode
from openrun.core.types import Json

_BARE = re.compile(r"[\w-]++")
_INDEX = re.compile(r"0|-?[1-9][0-9]{0,9}")
BRACKET = re.compile(
    r"""\[\s*+(?:(-?[0-9]{1,10})|("[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^'\\]*+(?:\\.[^'\\]*+)*+'))\s*+\]""",
    re.DOTALL,
)


class Step(NamedTuple):
    """One step down: `key` in an object, `position` (when it can be one) in a list."""

    key: str
    position: int | None

    def __str__(self) -> str:
        if self.position is not None:
            return f"[{self.position}]"
        return f".{self.key}" if _BARE.fullmatch(self.key) else f"[{canonical(self.key)}]"


@dataclass(frozen=True, slots=True)
class Path:
    """A root and the steps down from it; `source` is how it was written."""

    source: str
    root: str
    steps: tuple[Step, ...]

    def read(self, reader: Reader) -> Json:
        """What is at the path, or `MISSING`."""
        if self.root == "steps" and self.steps:
            return down(reader.step_output(self.steps[0].key), self.steps[1:])
        return down(reader.read(self.root), self.steps)

    def step_refs(self) -> frozenset[str]:
        """The step whose output the path names, as in `steps.fetch.data`."""
        if self.root == "steps" and self.steps:
            return frozenset({self.steps[0].key})
        return frozenset()


def down(value: Json, steps: tuple[Step, ...]) -> Json:
    """What is below a value, or `MISSING`."""
    for key, position in steps:
        if type(value) is dict:
            value = value.get(key, MISSING)
        elif position is not None and type(value) is list and -len(value) <= position < len(value):
            value = value[position]
        else:
            return MISSING
    return value


def kind_of(value: Json) -> str:
    """The word for what a value is, or that there is none."""
    return "missing" if value is MISSING else kinds.kind_of(value)


def named_step(name: str) -> Step:
    return Step(name, int(name) if _INDEX.fullmatch(name) else None)


def parse_path(source: str, start: int = 0) -> tuple[Path, int]:
    """The longest path at `start`, and where it ends."""
    steps: list[Step] = []
    position = start
    while True:
        step, end = _step(source, position, first=not steps)
        if step is None:
            break
        steps.append(step)
        position = end
    if not steps:
        raise FaultError("a path is expected, as in user.name or items[0]")
    return Path(source[start:position], steps[0].key, tuple(steps[1:])), position


def _step(source: str, position: int, *, first: bool) -> tuple[Step | None, int]:
    if source.startswith("[", position):
        return bracket_step(source, position)
    if not first:
        if not source.startswith(".", position):
            return None, position
        position += 1
    match = _BARE.match(source, position)
    if match is None:
        if first:
            return None, position
        raise FaultError(f"a name is expected after '.' at {shorten(source[position - 1 :])!r}")
    return named_step(match[0]), match.end()


def bracket_step(source: str, position: int) -> tuple[Step, int]:
    match = BRACKET.match(source, position)
    if match is None:
        raise FaultError(
            f'an index or a quoted key is expected, as in [0] or ["odd key"], at {shorten(source[position:])!r}'
        )
    if match[1]:
        return Step(match[1], int(match[1])), match.end()
    return Step(unquote(match[2]), None), match.end()


def unquote(quoted: str) -> str:
    """A string in JSON's quotes, or the same in single quotes."""
    if quoted.startswith("'"):
        body = re.sub(
            r'\\.|"', lambda m: {"\\'": "'", '"': '\\"'}.get(m[0], m[0]), quoted[1:-1], flags=re.DOTALL
        )
        quoted = f'"{body}"'
    try:
        return str(decode(quoted))
    except JsonError as error:
        raise FaultError(f"a bad string {shorten(quoted)}: {error}") from None


def missing_path(path: Path, reader: Reader, template: str) -> TemplateError:
    """The error for a path that leads nowhere: where it stopped, and what there is instead."""
    at, reason = _stop(path, reader)
    return TemplateError(
        f"template {shorten(template)!r}: path {shorten(path.source)!r} is missing: {reason}",
        code="MISSING_PATH",
        details={"path": path.source, "stopped_at": at},
    )


def _stop(path: Path, reader: Reader) -> tuple[str, str]:
    value = reader.read(path.root)
    if value is MISSING:
        return "", f"there is no {path.root!r}{suggestion(path.root, reader.roots())}"
    depth = next(n for n in range(len(path.steps)) if down(value, path.steps[: n + 1]) is MISSING)
    at = path.root + "".join(map(str, path.steps[:depth]))
    return at, f"{shorten(at)!r} {_lack(down(value, path.steps[:depth]), path.steps[depth])}"


def _lack(value: Json, step: Step) -> str:
    if type(value) is dict:
        return f"has no {step.key!r}{suggestion(step.key, value)}"
    if type(value) is list:
        return f"is a list of {len(value)}, so it has no {str(step)!r}"
    return f"is {kind_of(value)}, so it has no {str(step)!r}"
