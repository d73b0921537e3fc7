"""A 2020-12 schema in the words of draft-07, which more editors know."""

from openrun.schemas.nodes import Schema, mapped

DIALECT = "http://json-schema.org/draft-07/schema#"


def down_converted(schema: Schema) -> Schema:
    """The same schema in draft-07; its `$id` says so."""
    converted = _converted(schema)
    whole = {**converted, "$schema": DIALECT, "$id": schema["$id"].replace(".json", ".draft-07.json")}
    return {key: whole[key] for key in ("$schema", "$id", *whole)}


def _converted(schema: Schema) -> Schema:
    made = mapped(schema, _converted)
    if "$defs" in made:
        made["definitions"] = made.pop("$defs")
    if "prefixItems" in made:
        made["items"] = made.pop("prefixItems")
        made["additionalItems"] = False
    if "$ref" in made:
        reference = {"$ref": made.pop("$ref").replace("#/$defs/", "#/definitions/")}
        # In draft-07 whatever stands beside a reference counts for nothing.
        made = {**made, "allOf": [reference]} if made else reference
    return made
