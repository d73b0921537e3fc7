"""`openrun steps`: the catalogue."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from pydantic.errors import PydanticUserError
from rich import box
from rich.table import Table
from rich.text import Text

from openrun.cli.modules import catalog_with
from openrun.cli.options import AsJson, ModuleNames
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.screen import Screen, screen
from openrun.cli.text import clean, compact, pretty, safe_json
from openrun.core.near import did_you_mean
from openrun.core.types import ERROR_PORT, Json
from openrun.steps.base import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsOptions:
    """Which steps are to be shown."""

    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Step type to show in full.")] = None
    modules: ModuleNames = None
    as_json: AsJson = False


def steps(options: StepsOptions) -> None:
    """List the step types that flows may use; with KEY, show one in full."""
    catalog = catalog_with(options.modules or ())
    known = dict(catalog.items())
    if options.key is None:
        if options.as_json:
            _write([_described(key, cls) for key, cls in known.items()])
        else:
            _show_all(screen(), known)
        return
    if options.key not in known:
        hint = did_you_mean(options.key, known)
        raise Refusal(f"there is no step type {options.key!r}", code=ExitCode.NOT_FOUND, hint=hint)
    if options.as_json:
        _write(_described(options.key, known[options.key]))
    else:
        _show_one(screen(), options.key, known[options.key])


def _show_all(out: Screen, known: dict[str, type[Step]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("key", no_wrap=True, style="bold")
    for name in ("name", "category", "ports", "description"):
        table.add_column(name)
    for key, cls in known.items():
        info = cls.info()
        ports, is_fixed = _ports(cls)
        table.add_row(
            clean(key),
            Text(clean(info.name)),
            Text(clean(info.category)),
            Text(", ".join(clean(port, 40) for port in ports) if is_fixed else "by its config"),
            Text(clean(info.description, 400)),
        )
    out.print(table)
    out.print(
        Text(f"Every step has the port {ERROR_PORT!r} too. openrun steps KEY shows one in full.", "dim")
    )


def _show_one(out: Screen, key: str, cls: type[Step]) -> None:
    info = cls.info()
    ports, is_fixed = _ports(cls)
    out.print(Text.assemble((clean(key), "bold"), f"  {clean(info.name)} · {clean(info.category)}"))
    out.print(Text(clean(info.description, 400)))
    listed = ", ".join(clean(port, 40) for port in ports)
    out.print(
        Text.assemble(
            ("\nports  ", "bold"), listed if is_fixed else f"by its config, such as {listed}", ", error"
        )
    )
    _show_fields(out, cls)
    for example in _examples(key, cls):
        out.print(Text("\nin a document", "bold"))
        out.print(Text(pretty(example)))


def _show_fields(out: Screen, cls: type[Step]) -> None:
    fields = _fields(cls)
    if not fields:
        return
    out.print(Text("\nconfig", "bold"))
    for field in fields:
        default = "required" if field["required"] else f"default {compact(field['default'], 60)}"
        out.print(
            Text.assemble(
                "  ", (clean(field["name"]), "bold cyan"), f"  {clean(field['type'])}  ", (default, "dim")
            )
        )
        if field["description"]:
            out.print(Text(f"      {clean(field['description'], 400)}"))
        if field["examples"]:
            shown = "  ".join(compact(each, 100) for each in field["examples"])
            out.print(Text(f"      e.g. {shown}", "dim"))


def _described(key: str, cls: type[Step]) -> dict[str, Json]:
    info = cls.info()
    ports, is_fixed = _ports(cls)
    return {
        "key": key,
        "name": info.name,
        "category": info.category,
        "description": info.description,
        "is_trigger": cls.is_trigger,
        "ports": [*ports, ERROR_PORT],
        "ports_depend_on_config": not is_fixed,
        "config": _fields(cls),
        "examples": _examples(key, cls),
    }


def _examples(key: str, cls: type[Step]) -> list[Json]:
    return [{"id": key[:64].lower(), "type": key, "config": dict(each)} for each in cls.info().examples]


def _ports(cls: type[Step]) -> tuple[list[str], bool]:
    """The output ports, and whether they are the same whatever the config says."""
    default = [str(port) for port in cls.model_fields["ports"].default]
    for example in cls.info().examples:
        try:
            ports = list(cls.model_validate({"id": "example", "config": example}).ports)
        except ValueError:
            continue
        if ports != default:
            return ports, False
    return default, True


def _fields(cls: type[Step]) -> list[dict[str, Any]]:
    """The config's fields in their order."""
    model = cls.config_model()
    types = _types(cls)
    return [
        {
            "name": name,
            "type": types.get(name) or str(field.annotation),
            "required": field.is_required(),
            "default": None
            if field.is_required()
            else _plain(field.get_default(call_default_factory=True, validated_data={})),
            "description": field.description or "",
            "examples": list(field.examples or ()),
        }
        for name, field in model.model_fields.items()
    ]


def _types(cls: type[Step]) -> dict[str, str]:
    """The type of each field as its JSON Schema says it."""
    try:
        schema = cls.config_model().model_json_schema()
    except (PydanticUserError, ValueError):
        return {}
    shared = schema.get("$defs", {})
    return {name: _type(each, shared) for name, each in schema.get("properties", {}).items()}


def _type(schema: dict[str, Any], shared: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _type(shared.get(schema["$ref"].rpartition("/")[2], {}), {})
    if "enum" in schema or "const" in schema:
        return " | ".join(str(each) for each in schema.get("enum", [schema.get("const")]))
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(each, shared) for each in options))
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'], shared)}"
    kind = str(schema.get("type", "any"))
    return "list" if kind == "array" else kind


def _plain(value: Any) -> Json:
    return json.loads(json.dumps(value, default=str))


def _write(value: Json) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
