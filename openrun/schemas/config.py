"""The schema of a step's config: what its model says, and templates wherever a value may be rendered.

A field that may hold templates takes one in place of its value, or of any value inside it. Models that a config
refers to become definitions of their own, one for places with templates and one for those without.
"""

from openrun.schemas.nodes import Schema, mapped, tidy
from openrun.steps.base import ConfigModel

TEMPLATE: Schema = {"$ref": "#/$defs/template"}
TEMPLATE_DEFINITION: Schema = {
    "type": "string",
    "title": "Template",
    "description": "Text with references, <<path>>, or expressions, {{ expression }}, filled in when the step runs.",
    "pattern": r"<<[\s\S]*>>|\{\{[\s\S]*\}\}",
    "examples": ["<<body.user.name>>", "Hello, {{ user.name | title }}!"],
}

_PREFIX = "#/$defs/"
_ANYTHING = frozenset({"title", "description", "examples", "default"})
_ABOUT = ("title", "description", "default", "examples")


def config_schema(model: ConfigModel, key: str, definitions: dict[str, Schema]) -> Schema:
    """The schema of a config model; definitions are added under names that begin with the step's key."""
    whole = tidy(model.model_json_schema(ref_template=_PREFIX + "{model}"))
    config = _Config(whole.pop("$defs", {}), key, definitions)
    whole["properties"] = {
        name: config.field(each, templated=name not in model.static_fields)
        for name, each in whole.get("properties", {}).items()
    }
    return whole


class _Config:
    """Moves the parts of one config's schema to where they belong."""

    def __init__(self, own: dict[str, Schema], key: str, definitions: dict[str, Schema]) -> None:
        self.own = own
        self.key = key
        self.definitions = definitions

    def field(self, schema: Schema, *, templated: bool) -> Schema:
        """A field of the config itself."""
        return self.with_template(schema) if templated else self.plain(schema)

    def plain(self, schema: Schema) -> Schema:
        return self.moved(mapped(schema, self.plain), templated=False)

    def with_template(self, schema: Schema) -> Schema:
        """The schema, or a template in place of all of it."""
        if schema.keys() <= _ANYTHING:
            return schema
        about = {key: schema[key] for key in _ABOUT if key in schema}
        inner = self.inside({key: each for key, each in schema.items() if key not in about})
        choices = inner["anyOf"] if inner.keys() == {"anyOf"} else [inner]
        return {**about, "anyOf": [*(each for each in choices if each != TEMPLATE), TEMPLATE]}

    def inside(self, schema: Schema) -> Schema:
        """The schema, with templates in place of what it holds."""
        if "anyOf" in schema:
            return {**schema, "anyOf": [self.inside(each) for each in schema["anyOf"]]}
        return self.moved(mapped(schema, self.with_template), templated=True)

    def moved(self, schema: Schema, *, templated: bool) -> Schema:
        """The schema with its reference leading to the definition's new place."""
        if "$ref" not in schema:
            return schema
        name = schema["$ref"].removeprefix(_PREFIX)
        target = self.own[name]
        variant = f"{self.key}.{name}" + (".template" if templated and "properties" in target else "")
        if variant not in self.definitions:
            # Before what it holds, which may refer to it.
            self.definitions[variant] = {}
            made = self.inside(target) if variant.endswith(".template") else self.plain(target)
            self.definitions[variant].update(made)
        return {**schema, "$ref": _PREFIX + variant}
