from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from openrun import Flow, InvalidFlow, validate_flow
from openrun.definition.writer import version_of
from openrun.schemas import flow_schema
from openrun.steps.triggers import TriggerWebhook, TriggerWebhookConfig
from openrun.steps.triggers.signature import MOST_SECRETS, GitHubSignature

from .given import refusal

SCHEMA = Draft202012Validator(flow_schema())
HMAC = {"scheme": "hmac", "secret": "a", "header": "X-Sig"}

WHOLE: dict[str, Any] = {
    "path": "/orders",
    "signature": {"scheme": "hmac", "secrets": ["a", "b"], "header": "X-Sig", "algorithm": "sha512"},
    "mode": "last_step",
    "wait_seconds": 10,
    "input_schema": {"type": "object", "properties": {"a": {"const": "<<a>> {{b}}"}}},
    "delivery_id_header": "X-Event-Id",
    "max_body_bytes": 1_000,
}


def document(config: dict[str, Any]) -> dict[str, Any]:
    return {"name": "n", "steps": [{"id": "hook", "type": "trigger_webhook", "config": config}], "edges": []}


def written(config: dict[str, Any]) -> Any:
    """The config as a flow writes it, having read it."""
    (step,) = Flow.from_dict(document(config)).to_dict()["steps"]
    return step["config"]


@pytest.mark.parametrize(
    "proof",
    [
        {"scheme": "standard", "secrets": ["a"]},
        {"scheme": "github", "secrets": ["a", "b"]},
        {"scheme": "stripe", "secrets": ["a"], "tolerance_seconds": 60},
        {"scheme": "slack", "secrets": ["a"]},
        {"scheme": "hmac", "secrets": ["a"], "header": "X-Sig"},
        {
            "scheme": "hmac",
            "secrets": ["a"],
            "header": "X-Sig",
            "algorithm": "sha1",
            "encoding": "base64",
            "prefix": "v0=",
            "signed": "{id}.{timestamp}.{body}",
            "timestamp_header": "X-Time",
            "id_header": "X-Id",
        },
        {"scheme": "header", "secrets": ["a"], "name": "Authorization", "prefix": "Bearer "},
        {"scheme": "basic", "secrets": ["a"], "username": "shop"},
    ],
)
def test_every_scheme_is_read_and_written_alike(proof: dict[str, Any]) -> None:
    config = {"path": "/orders", "signature": proof}
    assert written(config) == config
    assert SCHEMA.is_valid(document(config))


def test_a_config_with_everything_is_read_and_written_alike() -> None:
    assert written(WHOLE) == WHOLE
    assert SCHEMA.is_valid(document(WHOLE))


def test_defaults_are_not_written() -> None:
    defaults = {
        "signature": None, "mode": "accepted", "wait_seconds": "30s", "input_schema": None, "delivery_id_header": None,
        "max_body_bytes": None,
    }  # fmt: skip
    assert written({"path": "/orders", **defaults}) == {"path": "/orders"}
    spelled = {
        **HMAC,
        "algorithm": "sha256",
        "encoding": "hex",
        "prefix": "",
        "signed": "{body}",
        "tolerance_seconds": "5m",
    }
    assert written({"path": "/orders", "signature": spelled}) == {
        "path": "/orders",
        "signature": {"scheme": "hmac", "secrets": ["a"], "header": "X-Sig"},
    }


@pytest.mark.parametrize(
    ("config", "version"),
    [
        ({"path": "/orders"}, "ef6b0a39ef65661fcee17110f8d27f691e91f3d8e6ca9cd556f82f02f8aa3ba9"),
        (
            {"path": "/users/{user_id}", "methods": ["GET", "POST"]},
            "2ca9b2160edd61e1b23dc1b5922d067676fd915edfc2a3eb4c82c3a03222554f",
        ),
    ],
)
def test_flows_written_before_webhooks_had_signatures_keep_their_version(
    config: dict[str, Any], version: str
) -> None:
    steps = [{"id": "a", "type": "trigger_webhook", "config": config}]
    assert version_of(Flow.from_dict({"name": "n", "steps": steps, "edges": []}).to_dict()) == version


def test_one_secret_may_be_given_in_place_of_several() -> None:
    config = TriggerWebhookConfig(path="/", signature={"scheme": "github", "secret": "a"})
    assert config.proof() == GitHubSignature(scheme="github", secrets=("a",))
    assert TriggerWebhookConfig(path="/", signature=config.proof()).proof() == config.proof()
    assert TriggerWebhookConfig(path="/").proof() is None
    assert SCHEMA.is_valid(document({"path": "/", "signature": {"scheme": "github", "secret": "a"}}))


REFUSED: list[tuple[Any, str]] = [
    ({"scheme": "github"}, "Field required"),
    ({"scheme": "github", "secret": "a", "secrets": ["b"]}, "either `secret` or `secrets`"),
    ({"scheme": "github", "secrets": []}, "at least 1 item"),
    ({"scheme": "github", "secrets": ["a"] * (MOST_SECRETS + 1)}, "at most 8 items"),
    ({"scheme": "github", "secret": ""}, "match pattern"),
    ({"scheme": "github", "secret": "<<secrets.a>>"}, "match pattern"),
    ({"scheme": "github", "secret": "acme/a"}, "match pattern"),
    ({"scheme": "github", "secret": "a", "tolerance_seconds": 5}, "not permitted"),
    ({"scheme": "github", "secret": 7}, "valid string"),
    ({"scheme": "gitlab", "secret": "a"}, "'standard', 'github', 'stripe', 'slack', 'hmac', 'header', 'basic'"),
    ({"secret": "a"}, "'scheme'"),
    ("github", "valid dictionary"),
    ({"scheme": "stripe", "secret": "a", "tolerance_seconds": 0}, "greater than or equal to 1"),
    ({"scheme": "stripe", "secret": "a", "tolerance_seconds": "2d"}, "less than or equal to 86400"),
    ({"scheme": "header", "secret": "a"}, "Field required"),
    ({"scheme": "header", "secret": "a", "name": "X Key"}, "match pattern"),
    ({"scheme": "header", "secret": "a", "name": "X", "prefix": "a\tb"}, "match pattern"),
    ({"scheme": "basic", "secret": "a", "username": "a:b"}, "match pattern"),
    ({**HMAC, "algorithm": "md5"}, "'sha1', 'sha256' or 'sha512'"),
    ({**HMAC, "prefix": "a b"}, "match pattern"),
]  # fmt: skip


@pytest.mark.parametrize(("proof", "reason"), REFUSED)
def test_a_signature_that_cannot_be_is_refused(proof: Any, reason: str) -> None:
    assert reason in refusal(TriggerWebhookConfig, path="/", signature=proof)


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        ("", "has {body} once"),
        ("{timestamp}", "has {body} once"),
        ("{body}.{body}", "has {body} once"),
        ("{Body}", "no other braces"),
        ("{body}.{}", "no other braces"),
        ("{body}.{path}", "no other braces"),
        ("{{body}}", "no other braces"),
        ("{body}}", "no other braces"),
        ("{body", "no other braces"),
        ("{id}{timestamp}.{body}", "needs a mark such as '.'"),
        ("{id}.{timestamp}{body}", "needs a mark such as '.'"),
        ("{id}x{timestamp}.{body}", "needs a mark such as '.'"),
        ("{id}.0.{timestamp}.{body}", "needs a mark such as '.'"),
        ("{timestamp}.{body}", "`id_header` and {id} in `signed` go together"),
        ("{id}.{body}", "`timestamp_header` and {timestamp} in `signed` go together"),
        ("{body}", "`timestamp_header` and {timestamp} in `signed` go together"),
        ("{id}.{timestamp}.{body}\n", "match pattern"),
        ("é{id}.{timestamp}.{body}", "match pattern"),
    ],
)
def test_a_template_that_could_be_read_in_two_ways_is_refused(signed: str, reason: str) -> None:
    proof = {**HMAC, "signed": signed, "timestamp_header": "X-Time", "id_header": "X-Id"}
    assert reason in refusal(TriggerWebhookConfig, path="/", signature=proof)


def test_parts_that_no_header_has_are_refused() -> None:
    for signed in ("{timestamp}.{body}", "{id}.{body}"):
        assert "go together" in refusal(TriggerWebhookConfig, path="/", signature={**HMAC, "signed": signed})


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_abc", "sk_live_abc"])
def test_a_secret_where_its_name_belongs_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValidationError, match="looks like a secret itself; write its name") as caught:
        TriggerWebhookConfig(path="/", signature={"scheme": "stripe", "secret": secret})
    assert secret not in str(caught.value)
    with pytest.raises(InvalidFlow, match="looks like a secret itself") as said:
        Flow.from_dict(document({"path": "/", "signature": {"scheme": "stripe", "secrets": [secret]}}))
    assert secret not in str(said.value)


@pytest.mark.parametrize(
    "proof",
    [
        {"scheme": "standard", "secret": "a"},
        {"scheme": "github", "secret": "a"},
        {**HMAC, "signed": "{id}.{body}", "id_header": "X-Id"},
    ],
)
def test_a_header_with_an_id_has_no_place_where_the_scheme_has_one(proof: dict[str, Any]) -> None:
    assert "give no `delivery_id_header`" in refusal(
        TriggerWebhookConfig, path="/", signature=proof, delivery_id_header="X-Event-Id"
    )
    TriggerWebhookConfig(path="/", signature=proof)
    TriggerWebhookConfig(path="/", signature=HMAC, delivery_id_header="X-Event-Id")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("mode", "later", "'accepted', 'last_step', 'respond' or 'stream'"),
        ("mode", "<<mode>>", "'accepted'"),
        ("wait_seconds", 0.5, "greater than or equal to 1"),
        ("wait_seconds", "6m", "less than or equal to 300"),
        ("input_schema", True, "valid dictionary"),
        ("delivery_id_header", "X Id", "match pattern"),
        ("max_body_bytes", 0, "greater than or equal to 1"),
        ("max_body_bytes", 2**40, "less than or equal to"),
    ],
)
def test_settings_that_cannot_be_are_refused(field: str, value: Any, reason: str) -> None:
    assert reason in refusal(TriggerWebhookConfig, path="/", **{field: value})


def test_a_path_under_the_mark_of_namespaces_is_refused() -> None:
    for path in ("/@acme", "/@", "/@acme/orders"):
        assert "where the webhooks of other namespaces are" in refusal(TriggerWebhookConfig, path=path)
    assert TriggerWebhookConfig(path="/a/@acme").path == "/a/@acme"


def test_a_schema_that_cannot_be_used_is_a_fault_of_the_flow() -> None:
    def faults(schema: dict[str, Any]) -> list[tuple[str, str]]:
        return TriggerWebhook(config=TriggerWebhookConfig(path="/", input_schema=schema)).faults()

    assert faults({"type": "object"}) == []
    assert TriggerWebhook(config=TriggerWebhookConfig(path="/")).faults() == []
    ((pointer, message),) = faults({"type": "objekt"})
    assert pointer == "/config/input_schema"
    assert "objekt" in message
    ((_, endless),) = faults({"$ref": "#"})
    assert "refers to itself" in endless


def test_a_flow_with_such_a_schema_does_not_run() -> None:
    flow = Flow.from_dict(document({"path": "/", "input_schema": {"$ref": "https://example.com/s.json"}}))
    (error,) = validate_flow(flow)
    assert error.pointer == "/steps/0/config/input_schema"
    assert "only to its own parts" in error.message


def test_what_the_documents_schema_shows_is_what_is_read() -> None:
    # Of a duration as text it knows no bounds, and of two fields in place of each other only that one is needed.
    beyond = {"'2d'", "'secrets'"}
    shown = [
        proof
        for proof, _ in REFUSED
        if not ("secret" in proof and any(each in str(proof) for each in beyond))
    ]
    assert len(shown) == len(REFUSED) - 2
    taken = [proof for proof in shown if SCHEMA.is_valid(document({"path": "/", "signature": proof}))]
    assert taken == []
