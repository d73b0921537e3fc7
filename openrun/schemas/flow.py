"""The schema of flow documents, for editors and validators, made of the models that read documents."""

from typing import Any

from pydantic import BaseModel

from openrun.definition.draft import SCHEMA_URL
from openrun.definition.reader import EdgeFields, FlowSettings
from openrun.definition.undoing import UNDOING_KEYS
from openrun.schemas.config import TEMPLATE_DEFINITION, config_schema
from openrun.schemas.nodes import DIALECT, Schema, closed, tidy
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog

_EXAMPLE: dict[str, Any] = {
    "$schema": SCHEMA_URL,
    "name": "Fetch user",
    "steps": [
        {"id": "hook", "type": "trigger_webhook", "config": {"path": "/users/{user_id}"}},
        {
            "id": "fetch",
            "type": "request",
            "config": {"url": "https://api.example.com/users/<<path.user_id>>"},
        },
    ],
    "edges": [{"source": "hook", "target": "fetch"}],
}


def flow_schema(catalog: StepCatalog | None = None) -> Schema:
    """JSON Schema 2020-12 of the flow documents that this catalogue can read; the built-in one by default."""
    known = catalog or StepCatalog.builtin()
    definitions: dict[str, Schema] = {"template": TEMPLATE_DEFINITION}
    references: dict[str, Schema] = {}
    for key, cls in known.items():
        made = _step(key, cls, definitions)
        if not cls.is_trigger:
            definitions[f"compensation.{key}"] = _undoing(made)
            _add_compensate(made)
        definitions[f"step.{key}"] = made
        references[key] = {"$ref": f"#/$defs/step.{key}"}
    definitions["step"] = {
        "title": "Step",
        "description": "A node of the flow; `type` says which kind.",
        "oneOf": list(references.values()),
    }
    definitions["body_step"] = {
        "title": "Step of a body",
        "description": "A node of a body; a body has no trigger.",
        "oneOf": [references[key] for key, cls in known.items() if not cls.is_trigger],
    }
    definitions["compensation"] = {
        "title": "Compensation",
        "description": "A step without id and edges that undoes another.",
        "oneOf": [
            {"$ref": f"#/$defs/compensation.{key}"} for key, cls in known.items() if not cls.is_trigger
        ],
    }
    definitions["edge"] = closed(_model(EdgeFields, definitions) | {"title": "Edge"})
    settings = _model(FlowSettings, definitions)
    definitions["body"] = closed(
        {
            **_whole(_of_body(settings), "body_step", _EXAMPLE["steps"][1:], []),
            "title": "Body",
            "description": "A flow inside a step, which begins at the steps without inbound edges.",
            "required": ["steps"],
        }
    )
    whole = closed(_whole(settings, "step", _EXAMPLE["steps"], _EXAMPLE["edges"]))
    return {
        "$schema": DIALECT,
        "$id": SCHEMA_URL,
        **whole,
        "title": "OpenRun flow",
        "description": "A flow: steps, and edges from their ports to other steps.",
        "examples": [_EXAMPLE],
        "required": ["name", "steps"],
        "$defs": dict(sorted(definitions.items())),
    }


def _whole(settings: Schema, step: str, steps: list[Any], edges: list[Any]) -> Schema:
    """A document's own keys: settings, steps and edges."""
    properties = {
        **settings["properties"],
        "steps": {
            "type": "array",
            "title": "Steps",
            "description": "The nodes of the flow.",
            "examples": [steps],
            "items": {"$ref": f"#/$defs/{step}"},
        },
        "edges": {
            "type": "array",
            "title": "Edges",
            "description": "What leads where.",
            "examples": [edges],
            "items": {"$ref": "#/$defs/edge"},
        },
    }
    return {"type": "object", "properties": properties}


def _of_body(settings: Schema) -> Schema:
    """A body belongs to the run of its flow."""
    properties = {name: each for name, each in settings["properties"].items() if name != "flow_control"}
    return {**settings, "properties": properties}


def _step(key: str, cls: type[Step], definitions: dict[str, Schema]) -> Schema:
    info = cls.info()
    made = _model(cls, definitions)
    config = config_schema(cls.config_model(), key, definitions)
    about = made["properties"]["config"].get("description", "What the step does.")
    configs = list(info.examples) or [{}]
    if cls.body is not Step.body and "body" in config["properties"]:
        field = config["properties"]["body"]
        kept = {name: field[name] for name in ("title", "description", "examples") if name in field}
        config["properties"]["body"] = {**kept, "anyOf": [{"$ref": "#/$defs/body"}, {"type": "null"}]}
    definitions[f"config.{key}"] = {**config, "title": info.name, "description": about}
    made["properties"] = {
        "type": {"const": key, "title": info.name, "description": info.description, "examples": [key]},
        **made["properties"],
        "config": {
            "$ref": f"#/$defs/config.{key}",
            "title": "Config",
            "description": about,
            "examples": configs,
        },
    }
    made |= {"title": info.name, "description": info.description}
    made["examples"] = [{"id": key[:64].lower(), "type": key, "config": each} for each in configs]
    made["required"] = ["type", *(name for name in made.get("required", ()) if name != "type")]
    return closed(made)


def _undoing(made: Schema) -> Schema:
    """A step as it stands in `compensate`."""
    examples = [{key: each[key] for key in each if key in UNDOING_KEYS} for each in made["examples"]]
    properties = {name: each for name, each in made["properties"].items() if name in UNDOING_KEYS}
    return {**made, "properties": properties, "examples": examples}


def _add_compensate(made: Schema) -> None:
    field = Step.model_fields["compensation"]
    made["properties"]["compensate"] = {
        "title": "Compensate",
        "description": field.description,
        "examples": field.examples,
        "anyOf": [{"$ref": "#/$defs/compensation"}, {"type": "null"}],
    }


def _model(model: type[BaseModel], definitions: dict[str, Schema]) -> Schema:
    """The schema of a model that documents are read with; what it refers to is added to the definitions."""
    schema = tidy(model.model_json_schema(ref_template="#/$defs/{model}"))
    hidden = {field.alias or name for name, field in model.model_fields.items() if field.exclude}
    schema["properties"] = {name: each for name, each in schema["properties"].items() if name not in hidden}
    own = schema.pop("$defs", {})
    for name in _used({**schema["properties"], "config": {}}, own):
        definitions[name] = own[name]
    return schema


def _used(properties: Schema, own: dict[str, Schema]) -> set[str]:
    """The definitions that these properties lead to."""
    found: set[str] = set()
    pending: list[Any] = [properties]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        elif isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/$defs/")
            if name in own and name not in found:
                found.add(name)
                pending.append(own[name])
            pending += part.values()
    return found
