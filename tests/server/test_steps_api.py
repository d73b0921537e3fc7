"""The step catalogue over HTTP."""

from collections.abc import AsyncIterator

import pytest_asyncio
from jsonschema_rs import Draft202012Validator

from openrun.core.types import StepType
from openrun.server.catalogue import ROUTES
from openrun.steps.catalog import StepCatalog
from openrun.steps.function import step
from tests.server.site import Site, site


@step
async def charge(amount: int) -> int:
    """Charges a card."""
    return amount


@pytest_asyncio.fixture
async def catalogued() -> AsyncIterator[Site]:
    catalog = StepCatalog.builtin()
    catalog.add("charge", charge)
    async with site(routes=ROUTES, catalog=catalog) as made:
        yield made


async def test_every_step_type_is_listed_by_key(catalogued: Site) -> None:
    shown, path = [], "/v1/steps?limit=7"
    while path:
        got = await catalogued.call("GET", path)
        shown += [each["key"] for each in got.json["items"]]
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert shown == sorted(["charge", *(each.value for each in StepType)])


async def test_a_step_type_says_what_an_editor_needs(catalogued: Site) -> None:
    hook = (await catalogued.call("GET", "/v1/steps/trigger_webhook")).json
    assert (hook["is_trigger"], hook["category"], hook["effect"]) == (True, "trigger", "pure")
    branch = (await catalogued.call("GET", "/v1/steps/conditional")).json
    assert branch["ports"] == ["true", "false", "error"]
    own = (await catalogued.call("GET", "/v1/steps/charge")).json
    assert (own["description"], own["effect"]) == ("Charges a card.", "external")
    assert "amount" in own["config_schema"]["properties"]


async def test_the_examples_of_each_step_type_fit_its_schema(catalogued: Site) -> None:
    for shown in (await catalogued.call("GET", "/v1/steps")).json["items"]:
        schema = {"$defs": {"body": {}, "step": {}}, **shown["config_schema"]}
        validator = Draft202012Validator(schema, offline=True)
        for example in shown["examples"]:
            assert validator.is_valid(example), (shown["key"], example)


async def test_a_step_type_that_is_not_there_is_not_found_and_a_near_one_named(catalogued: Site) -> None:
    got = await catalogued.call("GET", "/v1/steps/requst")
    assert got.status == 404
    assert "did you mean 'request'?" in got.json["detail"]
