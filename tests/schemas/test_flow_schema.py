import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import BaseModel, Field

from openrun import Flow, Step, StepCatalog, StepConfig, step
from openrun.core.types import Json
from openrun.schemas import down_converted, flow_schema
from tests.definition.flows import flows
from tests.definition.given import START, Part, document, each, edge, refusals, transform

SCHEMA = flow_schema()
NEW = Draft202012Validator(SCHEMA)
OLD = Draft7Validator(down_converted(SCHEMA))
EXAMPLES = {
    path.name: value
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.json"))
    if "steps" in (value := json.loads(path.read_text()))
}
STEPS = StepCatalog.builtin().items()


def undone_by(compensate: Json) -> Part:
    return document(
        [{"id": "a", "type": "request", "config": {"url": "https://a.b"}, "compensate": compensate}]
    )


def is_valid(value: Json, schema: Json = SCHEMA) -> bool:
    """Whether both dialects take the document; they must agree."""
    if schema is not SCHEMA:
        return bool(Draft202012Validator(schema).is_valid(value))
    new, old = NEW.is_valid(value), OLD.is_valid(value)
    assert new == old
    return bool(new)


def parts(schema: Json, place: str = "#") -> Iterator[tuple[str, Part]]:
    """Every property of the schema with its place."""
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield f"{place}/properties/{name}", inner
        for name, inner in schema.items():
            if name not in ("examples", "default", "const", "enum"):
                yield from parts(inner, f"{place}/{name}")
    elif isinstance(schema, list):
        for at, inner in enumerate(schema):
            yield from parts(inner, f"{place}/{at}")


def test_the_schemas_themselves_are_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft7Validator.check_schema(down_converted(SCHEMA))
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "https://openrun.dev/schemas/flow/v1.json"


@pytest.mark.parametrize("schema", [SCHEMA, down_converted(SCHEMA)], ids=["2020-12", "draft-07"])
def test_every_property_has_a_title_a_description_and_examples(schema: Part) -> None:
    found = dict(parts(schema))
    assert len(found) > 200
    bare = [
        place
        for place, inner in found.items()
        if not all(inner.get(k) for k in ("title", "description", "examples"))
    ]
    assert bare == []


def test_every_example_of_a_property_is_valid_there() -> None:
    wrong = []
    for place, inner in parts(SCHEMA):
        validator = Draft202012Validator({**inner, "$defs": SCHEMA["$defs"]})
        wrong += [(place, example) for example in inner["examples"] if not validator.is_valid(example)]
    assert wrong == []


def test_no_reference_leads_nowhere_and_no_definition_is_left_over() -> None:
    text = json.dumps(SCHEMA)
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named == SCHEMA["$defs"].keys()


@pytest.mark.parametrize(
    ("key", "config"), [(key, config) for key, cls in STEPS for config in cls.info().examples]
)
def test_every_example_of_a_step_is_valid(key: str, config: Part) -> None:
    assert is_valid({"name": "n", "steps": [{"id": "a", "type": key, "config": config}], "edges": []})


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_flow_in_examples_is_valid(name: str) -> None:
    value = EXAMPLES[name]
    # Steps of an example's own are in the schema of its own catalogue.
    known = [part for part in value["steps"] if part["type"] in StepCatalog.builtin()]
    assert is_valid({**value, "steps": known})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows())
def test_every_document_that_a_flow_writes_is_valid(flow: Flow) -> None:
    assert is_valid(flow.to_dict())


REFUSED: list[Part] = [
    {},
    {"name": "n"},
    {"name": "", "steps": []},
    {"name": 7, "steps": []},
    {"name": "n", "steps": {}, "edges": []},
    {"name": "n", "steps": [], "nodes": []},
    {"name": "n", "steps": [], "on_failure": "explode"},
    {"name": "n", "steps": [], "id": "Not An Id"},
    {"name": "n", "steps": [], "max_activations": 0},
    {"name": "n", "steps": [], "timeout": -1},
    document([7], []),
    document([{"id": "a"}], []),
    document([{"id": "a", "type": "nope"}], []),
    document([{"id": "a", "type": "transform"}]),
    document([transform("A!")]),
    document([transform("a", odd=1)]),
    document([transform("a", ports=["x"])]),
    document([transform("a", join_mode="SOMETIMES")]),
    document([transform("a", retry={"attempts": 3})]),
    document([transform("a", retry=0)]),
    document([transform("a", timeout=0)]),
    document([transform("a", timeout=100_000)]),
    document([transform("a", position=[1])]),
    document([transform("a", max_iterations="many")]),
    document([{"id": "a", "type": "transform", "config": []}]),
    document([{"id": "a", "type": "transform", "config": {"value": 1, "odd": 1}}]),
    document([{"id": "a", "type": "transform", "config": {"value": 1, "x-odd": 1}}]),
    document([{"id": "a", "type": "reply", "config": {"status": 99}}]),
    document([{"id": "a", "type": "reply", "config": {"status": "ok"}}]),
    document([{"id": "a", "type": "request", "config": {"url": "https://a.b", "method": "<<body>>"}}]),
    document([{"id": "a", "type": "request", "config": {"url": "https://a.b", "headers": ["x"]}}]),
    document([{"id": "a", "type": "request", "config": {"url": "https://a.b", "auth": {"basic": "x"}}}]),
    document([{"id": "a", "type": "request", "config": {"url": "https://a.b", "timeout": -5}}]),
    document([{"id": "a", "type": "subflow", "config": {"flow": "<<body.flow>>"}}]),
    document([{"id": "a", "type": "switch", "config": {"value": 1, "cases": []}}]),
    undone_by(5),
    undone_by({}),
    undone_by({"type": "nope"}),
    undone_by({"type": "trigger_manual"}),
    undone_by({"type": "request"}),
    undone_by({"type": "request", "config": {"url": "https://a.b"}, "id": "b"}),
    undone_by({"type": "request", "config": {"url": "https://a.b"}, "always": True}),
    undone_by({"type": "request", "config": {"url": "https://a.b"}, "compensate": {"type": "fail"}}),
    undone_by({"type": "request", "config": {"url": "https://a.b", "odd": 1}}),
    {"name": "n", "steps": [{**START, "compensate": {"type": "delay", "config": {"seconds": 1}}}]},
    document([each("a", [START])]),
    document([each("a", [{"id": "b", "type": "nope"}])]),
    document([each("a", 7)]),
    document([], [7]),
    document([], [{"source": "start"}]),
    document([], [{"source": "start", "target": "start", "port": "x"}]),
    document([], [{"source": "start", "target": 7}]),
]


@pytest.mark.parametrize("value", REFUSED, ids=range(len(REFUSED)))
def test_what_the_reader_refuses_the_schema_refuses_too(value: Part) -> None:
    # Both `name` alone and no steps at all are flows that are begun, which only a check refuses.
    assert refusals(value)
    assert not is_valid(value)


TAKEN: list[Part] = [
    document([], **{"$schema": "https://openrun.dev/schemas/flow/v1.json", "x-owner": {"team": 1}}),
    document([transform("a", **{"x-note": 1, "$schema": "s"})], [{**edge("start", "a"), "x-c": 1}]),
    document([transform("a", timeout="5m", retry=3)]),
    document([transform("a", retry={"max_attempts": 3, "retry_on": ["*"]})]),
    document([{"id": "a", "type": "reply", "config": {"status": "<<body.status>>"}}]),
    document([{"id": "a", "type": "reply"}]),
    document([{"id": "a", "type": "delay", "config": {"seconds": "{{ body.n }}"}}]),
    document([{"id": "a", "type": "request", "config": {"url": "<<body>>", "headers": "<<body.headers>>"}}]),
    document(
        [{"id": "a", "type": "request", "config": {"url": "https://a.b", "auth": {"bearer": "{{ x }}"}}}]
    ),
    document([{"id": "a", "type": "request", "config": {"url": "https://a.b", "max_bytes": "<<n>>"}}]),
    document([{"id": "a", "type": "foreach", "config": {"items": "<<body>>", "flow": "other"}}]),
    document([each("a", [transform("b"), each("c", [transform("d")])], [edge("b", "c")])]),
    undone_by(None),
    undone_by({"type": "subflow", "config": {"flow": "refund-order", "input": {"id": "<<steps.a.id>>"}}}),
    undone_by(
        {
            "type": "request",
            "name": "Refund",
            "config": {"url": "https://a.b/<<steps.a.data.id>>", "method": "DELETE"},
            "retry": {"max_attempts": 5},
            "timeout": "10s",
            "effect": "idempotent",
            "x-note": 1,
        }
    ),
    {
        "name": "n",
        "steps": [{"id": "h", "type": "trigger_webhook", "config": {"path": "/a", "method": "GET"}}],
    },
]


@pytest.mark.parametrize("value", TAKEN, ids=range(len(TAKEN)))
def test_what_the_reader_takes_the_schema_takes_too(value: Part) -> None:
    assert refusals(value) == []
    assert is_valid(value)


@step
async def ship(
    weights: list[int], way: Literal["air", "sea"] = "sea", parts: dict[str, float] | None = None
) -> int:
    """Ships parcels."""
    return sum(weights) + len(way) + len(parts or {})


def test_custom_steps_are_part_of_the_schema_of_their_catalogue() -> None:
    catalog = StepCatalog.builtin()
    catalog.add("ship", ship)
    schema = flow_schema(catalog)
    Draft202012Validator.check_schema(schema)

    def taken(**config: Json) -> bool:
        return is_valid(document([{"id": "s", "type": "ship", "config": config}]), schema)

    assert taken(weights=[1, 2], way="air")
    assert taken(weights="<<body.weights>>", way="{{ body.way }}", parts={"a": "<<body.a>>", "b": 1.5})
    assert taken(weights=[1, "<<body.weight>>"])
    assert not taken(weights=[1, "heavy"])
    assert not taken(weights=[1], way="rail")
    assert not taken()
    assert not is_valid(document([{"id": "s", "type": "ship", "config": {"weights": [1]}}]))
    about = schema["$defs"]["step.ship"]
    assert about["description"] == "Ships parcels."


class Parcel(BaseModel):
    """Holds other parcels."""

    weight: int = Field(description="In grams.", examples=[500])
    inside: "list[Parcel]" = Field(default=[], description="What it holds.", examples=[[]])


class PackConfig(StepConfig):
    static_fields: ClassVar[frozenset[str]] = frozenset({"sample"})

    first: Parcel = Field(description="One.", examples=[{"weight": 1}])
    second: Parcel | None = Field(default=None, description="Another.", examples=[{"weight": 2}])
    sample: Parcel | None = Field(default=None, description="As it is.", examples=[{"weight": 3}])


class Pack(Step):
    """Packs."""

    config: PackConfig = Field(description="What to pack.")


def test_a_model_of_a_config_is_defined_once_with_templates_and_once_without() -> None:
    catalog = StepCatalog.builtin()
    catalog.add("pack", Pack)
    schema = flow_schema(catalog)
    Draft202012Validator.check_schema(schema)
    assert {name for name in schema["$defs"] if name.startswith("pack.")} == {
        "pack.Parcel",
        "pack.Parcel.template",
    }

    def taken(**config: Json) -> bool:
        return is_valid(document([{"id": "s", "type": "pack", "config": config}]), schema)

    deep = {"weight": 1, "inside": [{"weight": "<<body.weight>>", "inside": "<<body.inside>>"}]}
    assert taken(first=deep, second=deep)
    assert taken(first="<<body.parcel>>", sample={"weight": 1, "inside": [{"weight": 2}]})
    assert not taken(first={"weight": 1, "inside": [{"weight": "heavy"}]})
    assert not taken(first={"weight": 1}, sample=deep)
    assert not taken(first={"weight": 1}, sample="<<body.parcel>>")
