"""The catalogue over HTTP: the step types that flows may use here."""

import asyncio
from typing import Any

from pydantic import BaseModel, Field
from pydantic.errors import PydanticUserError

from openrun.core.near import did_you_mean
from openrun.core.types import ERROR_PORT, EffectClass
from openrun.schemas.config import TEMPLATE_DEFINITION, config_schema
from openrun.server.access import Scope
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Route
from openrun.steps.base import Step

_TAG = "steps"


class StepTypeView(BaseModel):
    """A step type."""

    key: str = Field(title="Key", description="What a step's `type` says.", examples=["request"])
    name: str = Field(title="Name", description="A title for people.", examples=["HTTP request"])
    description: str = Field(
        title="Description", description="What such a step does.", examples=["Calls a URL."]
    )
    category: str = Field(title="Category", description="Where editors list it.", examples=["execution"])
    is_trigger: bool = Field(title="Trigger", description="Whether it starts runs.", examples=[False])
    ports: list[str] = Field(title="Ports", description="Its output ports.", examples=[["default", "error"]])
    ports_depend_on_config: bool = Field(
        title="Ports depend on the config",
        description="Whether `ports` are those of an example, and a step's own follow from its config.",
        examples=[False],
    )
    effect: EffectClass = Field(
        title="Effect",
        description="What may happen when such a step is run again after a crash, unless the step says otherwise.",
        examples=["external"],
    )
    compensates: bool = Field(
        title="Compensates", description="Whether it can undo what it did by itself.", examples=[False]
    )
    examples: list[dict[str, Any]] = Field(
        title="Examples",
        description="Configs that are valid as they stand.",
        examples=[[{"url": "https://api.example.com/users/<<path.user_id>>"}]],
    )
    config_schema: dict[str, Any] | None = Field(
        title="Config schema",
        description="JSON Schema (2020-12) of its config; null when its author's model has none.",
        examples=[{"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}],
    )


async def list_step_types(call: Call) -> Answer:
    after = position(call, str)
    known = sorted(call.house.app.catalog.items())
    rows = [(key, cls) for key, cls in known if after is None or key > after][: call.query.room]
    views = await asyncio.to_thread(lambda: [_view(key, cls) for key, cls in rows])
    return paged(call, views, lambda view: view, lambda view: view.key)


async def get_step_type(call: Call) -> Answer:
    key, catalog = call.path["key"], call.house.app.catalog
    if key not in catalog:
        hint = did_you_mean(key, catalog.keys())
        raise Problem(404, f"there is no step type {key[:80]!r}" + (f"; {hint}" if hint else ""))
    return Answer(body=_view(key, catalog.get(key)))


def _view(key: str, cls: type[Step]) -> StepTypeView:
    info = cls.info()
    ports, is_fixed = _ports(cls)
    return StepTypeView(
        key=key,
        name=info.name,
        description=info.description,
        category=info.category,
        is_trigger=cls.is_trigger,
        ports=[*ports, ERROR_PORT],
        ports_depend_on_config=not is_fixed,
        effect=cls.default_effect,
        compensates=cls.compensates(),
        examples=[dict(each) for each in info.examples],
        config_schema=_schema(key, cls),
    )


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


def _schema(key: str, cls: type[Step]) -> dict[str, Any] | None:
    definitions: dict[str, Any] = {"template": TEMPLATE_DEFINITION}
    try:
        schema = config_schema(cls.config_model(), key, definitions)
    except (PydanticUserError, ValueError):
        return None
    return {**schema, "$defs": definitions}


ROUTES = (
    Route(
        method="GET",
        path="/v1/steps",
        operation="steps.list",
        summary="List step types",
        description="What a flow's steps may be here, by key, with the schemas of their configs.",
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=list_step_types,
        query=PageQuery,
        answer=Page[StepTypeView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/steps/{key}",
        operation="steps.get",
        summary="Get a step type",
        tag=_TAG,
        scope=Scope.FLOWS_READ,
        handler=get_step_type,
        answer=StepTypeView,
        problems=(404,),
    ),
)
