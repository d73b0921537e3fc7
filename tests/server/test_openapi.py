import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from openrun.runtime.clock import SystemClock
from openrun.schemas import event_schema
from openrun.server import health, reference
from openrun.server.access import Role
from openrun.server.api import ROUTES
from openrun.server.curl import curl_line
from openrun.server.listing import Listed, listed
from openrun.server.openapi import document
from openrun.server.page import POLICY, page
from openrun.server.problem import Problem
from openrun.server.prose import as_html
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.triggers.routes import Endpoint
from openrun.version import __version__
from tests.server.site import Site, hook_flow, site

ALL = (*health.routes(SystemClock()), *ROUTES)
DOCUMENT = document(ALL)
ORDER = {
    "type": "object",
    "required": ["lines"],
    "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
    "$defs": {"line": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}},
}


def operations(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in made["paths"].values():
        yield from item.values()


def endpoint(path: str, flow_id: str = "orders", **config: Any) -> Endpoint:
    return Endpoint(
        flow_id=flow_id,
        version="1",
        step_id="hook",
        config=TriggerWebhookConfig.model_validate({"path": path, **config}),
    )


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == __version__


def test_the_document_is_the_same_each_time() -> None:
    assert json.dumps(document(ALL)) == json.dumps(DOCUMENT)


def test_every_route_is_an_operation_with_its_own_stable_name() -> None:
    found = [each["operationId"] for each in operations(DOCUMENT)]
    assert sorted(found) == sorted(route.operation for route in ALL)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("route", ALL, ids=lambda route: route.operation)
def test_every_operation_says_which_key_it_needs(route: Any) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert operation.get("x-openrun-scope") == (route.scope.value if route.scope else None)
    if route.scope is None and 401 not in route.problems:
        assert operation["security"] == [{}]
    else:
        scopes = [route.scope.value] if route.scope else []
        assert operation["security"] == [{"bearer": scopes}, {"apiKey": scopes}]
        assert "401" in operation["responses"]


@pytest.mark.parametrize("route", ALL, ids=lambda route: route.operation)
def test_every_operation_has_words_for_people(route: Any) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert operation["summary"]
    bare = [
        each["name"] for each in operation["parameters"] if "$ref" not in each and not each["description"]
    ]
    assert bare == []


def test_every_tag_is_told_of_once() -> None:
    tags = [each["name"] for each in DOCUMENT["tags"]]
    assert len(tags) == len(set(tags))
    assert {tag for each in operations(DOCUMENT) for tag in each["tags"]} == set(tags)


def test_every_reference_leads_somewhere() -> None:
    for reference_ in set(references(DOCUMENT)):
        found: Any = DOCUMENT
        for name in reference_.removeprefix("#/").split("/"):
            found = found[name]


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_names_are_fit_for_generated_code() -> None:
    names = [*DOCUMENT["components"]["schemas"], *DOCUMENT["components"]["responses"]]
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []


def test_a_problem_is_as_the_document_says() -> None:
    schema = {
        "$ref": "#/components/schemas/Problem",
        "components": {"schemas": DOCUMENT["components"]["schemas"]},
    }
    told = Problem(422, "no", errors=[("/name", "Field required")], repeats=[1], retryable=True)
    Draft202012Validator(schema).validate(told.document("r1"))


def test_events_are_what_the_event_schema_says() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["EventsPage"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/Event"}
    whole = event_schema()
    assert len(schemas["Event"]["oneOf"]) == len(whole["oneOf"])
    # Both have the statuses of runs and the classes of effects; as they are the same, once is enough.
    for name, each in whole["$defs"].items():
        if "enum" in each:
            assert sorted(schemas[name]["enum"]) == sorted(each["enum"])


# -- webhooks -------------------------------------------------------------------------------------


def test_a_webhook_is_a_path_with_its_input_schema() -> None:
    made = document(ALL, [endpoint("/orders/{shop}", input_schema=ORDER, methods=["POST", "PUT"])])
    OpenAPIV31SpecValidator(made).validate()
    item = made["paths"]["/hooks/orders/{shop}"]
    assert list(item) == ["post", "put"]
    assert item["post"]["operationId"] == "hooks.orders.hook.post"
    assert [each.get("name") for each in item["post"]["parameters"]][:1] == ["shop"]
    content = item["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/hooks.orders.hook"}
    assert {"401"} & item["post"]["responses"].keys() == set()
    assert "422" in item["post"]["responses"]


def test_what_an_input_schema_refers_to_is_found_in_the_document() -> None:
    made = document(ALL, [endpoint("/orders", input_schema=ORDER)])
    whole = {**made, "$ref": "#/components/schemas/hooks.orders.hook"}
    assert Draft202012Validator(whole).is_valid({"lines": [{"sku": "a"}]})
    assert not Draft202012Validator(whole).is_valid({"lines": [{}]})


def test_an_input_schema_may_have_a_property_named_ref() -> None:
    schema = {"type": "object", "properties": {"$ref": {"type": "string"}}, "examples": [{"$ref": "#/a"}]}
    made = document(ALL, [endpoint("/orders", input_schema=schema)])
    assert made["components"]["schemas"]["hooks.orders.hook"] == schema


def test_paths_that_differ_in_names_alone_are_one() -> None:
    made = document(
        ALL, [endpoint("/users/{id}", "a"), endpoint("/users/{name}", "b", methods=["POST", "GET"])]
    )
    OpenAPIV31SpecValidator(made).validate()
    item = made["paths"]["/hooks/users/{id}"]
    assert "/hooks/users/{name}" not in made["paths"]
    assert item["post"]["operationId"] == "hooks.a.hook"
    assert item["get"]["parameters"][0]["name"] == "id"


@pytest.mark.parametrize("mode", ["accepted", "last_step", "respond", "stream"])
def test_a_webhook_says_what_comes_back(mode: str) -> None:
    made = document(ALL, [endpoint("/orders", mode=mode)])
    OpenAPIV31SpecValidator(made).validate()
    answers = made["paths"]["/hooks/orders"]["post"]["responses"]
    assert [each for each in answers if each < "4" or each == "default"] == ["200", "202", "default"]
    kinds = ["text/event-stream", "application/json"] if mode == "stream" else ["application/json"]
    assert list(answers["200"]["content"]) == kinds


def test_a_webhook_with_a_signature_says_so_and_never_which_secret() -> None:
    proof = {"scheme": "github", "secrets": ["hub_2026"]}
    made = document(ALL, [endpoint("/github", signature=proof)])
    operation = made["paths"]["/hooks/github"]["post"]
    assert "X-Hub-Signature-256" in operation["description"]
    assert "401" in operation["responses"]
    assert "hub_2026" not in json.dumps(made)


# -- served ---------------------------------------------------------------------------------------


async def test_nobody_is_told_of_webhooks_without_a_key(greeting: Site) -> None:
    got = await greeting.call("GET", "/openapi.json", key=None)
    assert got.status == 200
    assert got.json == DOCUMENT
    assert "greet" not in got.text


async def test_a_key_shows_the_webhooks_of_its_namespace_alone(greeting: Site) -> None:
    got = await greeting.call("GET", "/openapi.json")
    OpenAPIV31SpecValidator(got.json).validate()
    assert got.json["paths"]["/hooks/greet/{name}"]["post"]["operationId"] == "hooks.greet.hook"
    other = await greeting.key_for(Role.ADMIN, "shop")
    assert "greet" not in (await greeting.call("GET", "/openapi.json", key=other)).text


async def test_webhooks_are_shown_of_the_namespace_that_is_asked_for(greeting: Site) -> None:
    got = await greeting.call("GET", "/openapi.json", headers={"OpenRun-Namespace": "shop"})
    assert got.json == DOCUMENT


async def test_a_webhook_that_was_disabled_is_not_shown() -> None:
    async with site(flows=[hook_flow()]) as made:
        await made.app.store.enable("greet", enabled=False)
        await made.server.flows_changed()
        assert (await made.call("GET", "/openapi.json")).json == DOCUMENT


async def test_the_page_needs_nothing_from_elsewhere(greeting: Site) -> None:
    got = await greeting.call("GET", "/docs", key=None)
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = got.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert re.findall(r"<script|<link|<img|<iframe|\bon[a-z]+=|style=|src=|@import|url\(", got.text) == []


def test_the_style_of_the_page_is_the_one_that_the_policy_lets_in() -> None:
    style = page(DOCUMENT).partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in POLICY


@pytest.mark.parametrize("each", listed(DOCUMENT), ids=lambda each: each.operation)
def test_every_operation_has_a_line_for_the_shell(each: Listed) -> None:
    words = shlex.split(curl_line(each))
    assert words[0] == "curl"
    assert ("Authorization: Bearer $KEY" in words) is (each.scope != "")
    assert not any("{" in word for word in words if word.startswith("http"))
    if each.bodies:
        assert isinstance(json.loads(words[words.index("-d") + 1]), dict)


def test_the_page_shows_every_operation() -> None:
    shown = page(DOCUMENT)
    for each in operations(DOCUMENT):
        assert f'id="{each["operationId"]}"' in shown
    ids = re.findall(r' id="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', shown)) <= set(ids)


def test_nothing_on_the_page_is_taken_for_html() -> None:
    made = document(ALL, [endpoint("/a", description="<script>alert(1)</script> `<b>`")])
    shown = page(made)
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <code>&lt;b&gt;</code>" in shown


def test_prose_has_paragraphs_code_and_bold_words() -> None:
    assert as_html("**a** `b`\nc\n\nd") == "<p><strong>a</strong> <code>b</code> c</p><p>d</p>"
    assert as_html("a\n\nb", inline=True) == "a<br>b"


def test_the_reference_is_fresh() -> None:
    assert reference.FILE.read_text(encoding="utf-8") == reference.reference(), (
        "run `python -m openrun.server.reference`"
    )
