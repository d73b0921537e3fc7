"""The generated parts of docs/steps.md: what the catalogue says of each step. The prose around them is by hand.

`python -m tests.docs.steps_page` writes them anew, between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from openrun.core.retry import RetryPolicy
from openrun.steps.base import Step, StepConfig
from openrun.steps.catalog import builtin_steps
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "steps.md"

_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OF_EVERY_STEP = "every-step"
_OF_RETRY = "retry"


def names_in(text: str) -> list[str]:
    """The generated parts that a page asks for, in order."""
    return [match[2] for match in _PART.finditer(text)]


def rendered(text: str) -> str:
    """The page with its generated parts as they have to be."""
    return _PART.sub(lambda match: f"{match[1]}{_part(match[2])}\n{match[3]}", text)


def _part(name: str) -> str:
    if name == _OF_EVERY_STEP:
        return _table(Step, skipped={"config"})
    if name == _OF_RETRY:
        return _table(RetryPolicy)
    return "\n".join(_step(name, builtin_steps()[name]))


def _step(key: str, cls: type[Step]) -> Iterator[str]:
    config = cls.config_model()
    yield f"{cls.info().description}"
    yield ""
    yield f"*Python:* `{cls.__module__}.{cls.__name__}`, config `{config.__name__}`"
    yield ""
    yield f"*Ports:* {_ports(cls)}"
    yield ""
    yield _table(config) if config.model_fields else "It has no config."
    for example in cls.info().examples:
        yield ""
        yield "```json"
        yield _document({"id": key, "type": key, **({"config": example} if example else {})})
        yield "```"


def _ports(cls: type[Step]) -> str:
    if cls.config_model().static_fields >= {"cases"}:
        return "one per case, `default`, `error`"
    return ", ".join(f"`{port}`" for port in (*cls.model_fields["ports"].default, "error"))


def _document(step: Mapping[str, Any]) -> str:
    """A step as people write it: on one line if it fits, else with its config on the next."""
    line = json.dumps(step, ensure_ascii=False)
    return line if len(line) <= 100 else line.replace(', "config": ', ',\n "config": ', 1)


def _table(model: type[BaseModel], skipped: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if field.exclude or name in skipped:
            continue
        given = schema["properties"][name]
        default = "required" if name in required else _default(given)
        rows.append(
            f"| `{name}` | {_type(given, schema)} | {default} | {field.description}{_marks(model, name)} |"
        )
    return "\n".join(rows)


def _marks(model: type[BaseModel], name: str) -> str:
    if not issubclass(model, StepConfig):
        return ""
    if name in model.static_fields:
        return " *Literal.*"
    return " *May name secrets.*" if name in model.secret_fields else ""


def _default(given: Mapping[str, Any]) -> str:
    value = given.get("default")
    if value is None or value in ({}, [], ""):
        return ""
    return f"`{json.dumps(value)}`"


def _type(given: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in given:
        return _type(schema["$defs"][given["$ref"].rsplit("/", 1)[1]], schema)
    if "enum" in given:
        return ", ".join(f"`{value}`" for value in given["enum"])
    if "oneOf" in given:
        return "object"
    if "anyOf" in given:
        return _union([_type(each, schema) for each in given["anyOf"]])
    kind = given.get("type", "any")
    if kind == "object":
        return _object(given)
    if kind == "array":
        return f"list of {_type(given['items'], schema)}" if given.get("items") else "list"
    return {"string": "text", "null": "null", "any": "any"}.get(kind, str(kind))


def _object(given: Mapping[str, Any]) -> str:
    names = given.get("properties")
    return f"`{{{', '.join(names)}}}`" if names else "object"


def _union(kinds: list[str]) -> str:
    some = list(dict.fromkeys(kind for kind in kinds if kind != "null"))
    # How durations look in a schema.
    return "duration" if some in (["number", "text"], ["duration"]) else " or ".join(some)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(rendered(PAGE.read_text()))


if __name__ == "__main__":
    main()
