"""References, `<<path>>`: the value itself, or what to take when there is none, or a clear error."""

from openrun.core.errors import JsonError
from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError, shorten
from openrun.core.interpolation.filling import EVERY_ROOT, Evaluate, Filling
from openrun.core.interpolation.jsonpath import Query, parse_jsonpath
from openrun.core.interpolation.path import Path, missing_path, parse_path
from openrun.core.interpolation.reader import MISSING, Reader
from openrun.core.limits import Limits
from openrun.core.strict_json import decode
from openrun.core.types import Json


def compile_reference(source: str, limits: Limits) -> Filling:
    """Parse what stands between `<<` and `>>`; raises `FaultError`."""
    text = source.strip()
    parse = parse_jsonpath if text.startswith("$") else parse_path
    path, end = parse(text)
    default = _default(text[end:].lstrip(), limits)
    if isinstance(path, Query):
        roots = {path.prefix.root} if path.prefix else {EVERY_ROOT}
        refs = path.prefix.step_refs() if path.prefix else frozenset()
        return Filling(evaluate=path.read, roots=frozenset(roots), step_refs=refs, null="null")
    evaluate = _required(path, f"<<{source}>>") if default is MISSING else _optional(path, default)
    return Filling(evaluate=evaluate, roots=frozenset({path.root}), step_refs=path.step_refs(), null="null")


def _default(rest: str, limits: Limits) -> Json:
    if not rest:
        return MISSING
    if rest == "?":
        return None
    if not rest.startswith("??"):
        raise FaultError(f"unexpected {shorten(rest)!r} after the path")
    try:
        return decode(rest[2:], limits=limits)
    except JsonError as error:
        raise FaultError(f'after ?? a JSON literal is expected, as in "text", 0 or null: {error}') from None


def _required(path: Path, template: str) -> Evaluate:
    read = path.read

    def evaluate(reader: Reader, _budget: Budget) -> Json:
        value = read(reader)
        if value is MISSING:
            raise missing_path(path, reader, template)
        return value

    return evaluate


def _optional(path: Path, default: Json) -> Evaluate:
    read = path.read

    def evaluate(reader: Reader, _budget: Budget) -> Json:
        value = read(reader)
        return default if value is MISSING else value

    return evaluate
