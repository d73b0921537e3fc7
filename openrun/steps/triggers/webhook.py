"""A run per HTTP request to a path."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.form import form_fault
from openrun.steps.spelling import Duration, kept_as
from openrun.steps.triggers.payload import request_payload
from openrun.steps.triggers.signature import HeaderName, HmacSignature, Signature

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATH_LENGTH = 256
WAIT_SECONDS = 30.0
Mode = Literal["accepted", "last_step", "respond", "stream"]

_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+", re.ASCII)
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}", re.ASCII)


def normal_path(path: str) -> str:
    """The path without a slash at its end. Raises ValueError for what cannot be matched exactly."""
    if not path.startswith("/"):
        raise ValueError(f"path {path[:80]!r} must begin with '/'")
    if len(path) > PATH_LENGTH:
        raise ValueError(f"path is longer than {PATH_LENGTH} characters")
    if path == "/":
        return path
    if path.startswith("/@"):
        raise ValueError(f"path {path[:80]!r} begins with '/@', where the webhooks of other namespaces are")
    segments = path.removesuffix("/")[1:].split("/")
    names = [name for segment in segments if (name := _parameter(segment)) is not None]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"path has two parameters {name!r}; give each a name of its own")
    return "/" + "/".join(segments)


def _parameter(segment: str) -> str | None:
    """The name a segment captures, or None for a literal one."""
    if match := _PARAMETER.fullmatch(segment):
        return match[1]
    if _LITERAL.fullmatch(segment) is None or segment in (".", ".."):
        raise ValueError(
            f"path segment {segment!r} is neither a {{name}} nor literal text "
            "(ASCII letters, digits and -._~!$&'()*+,;=:@, not . or .. alone)"
        )
    return None


def _methods(given: tuple[str, ...]) -> tuple[str, ...]:
    methods = tuple(dict.fromkeys(method.upper() for method in given))
    for method in methods:
        if method not in METHODS:
            raise ValueError(f"method {method[:20]!r} is none of {', '.join(METHODS)}")
    return methods


class TriggerWebhookConfig(StepConfig):
    """`method="GET"` may be given in place of `methods=("GET",)`."""

    # Somebody may have put a secret where its name belongs.
    model_config = ConfigDict(hide_input_in_errors=True)

    static_fields: ClassVar[frozenset[str]] = frozenset(
        {
            "path", "methods", "method", "signature", "mode", "wait_seconds", "input_schema",
            "delivery_id_header", "max_body_bytes", "description",
        }
    )  # fmt: skip

    path: Annotated[str, AfterValidator(normal_path)] = Field(
        description="Path below /hooks; a segment is literal or a {name} that is captured.",
        examples=["/orders", "/users/{user_id}"],
    )
    methods: Annotated[tuple[str, ...], AfterValidator(_methods)] = Field(
        default=("POST",), min_length=1, description="HTTP methods that start a run.", examples=[["POST"]]
    )
    method: str | None = Field(
        default=None, repr=False, description="The only one of `methods`, in place of them.", examples=["GET"]
    )
    signature: Annotated[Signature | dict[str, Any], kept_as(Signature)] | None = Field(
        default=None,
        description="How callers prove who they are; anyone may call, when left out.",
        examples=[
            {"scheme": "github", "secret": "github_webhook"},
            {"scheme": "header", "name": "X-Api-Key", "secrets": ["shop_2026", "shop_2025"]},
        ],
    )
    mode: Mode = Field(
        default="accepted",
        description="What the caller gets: the run's id at once, its output, what its reply step says, or its events.",
        examples=["respond"],
    )
    wait_seconds: Duration = Field(
        default=WAIT_SECONDS,
        ge=1,
        le=300,
        description="With `last_step` and `respond`: how long the caller is kept before it gets the run's id only.",
        examples=["10s"],
    )
    input_schema: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema (2020-12) that the body has to fit; any body does, when left out.",
        examples=[{"type": "object", "required": ["order_id"]}],
    )
    delivery_id_header: HeaderName | None = Field(
        default=None,
        description="Header with the sender's id of a delivery; two with the same id start one run.",
        examples=["X-Event-Id"],
    )
    max_body_bytes: int | None = Field(
        default=None,
        ge=1,
        le=DEFAULT_LIMITS.response_bytes,
        description="Largest body, where that is less than what the server takes.",
        examples=[65_536],
    )
    description: str | None = Field(
        default=None, description="What the webhook is for, for people.", examples=["Called by the shop"]
    )

    @model_validator(mode="before")
    @classmethod
    def _one_method(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("method") is None:
            return data
        if "methods" in data:
            raise ValueError("give either `method` or `methods`")
        rest = {name: value for name, value in data.items() if name != "method"}
        return {**rest, "methods": (data["method"],)}

    @model_validator(mode="after")
    def _one_id(self) -> Self:
        if self.delivery_id_header is not None and self.scheme_brings_id():
            raise ValueError(
                "give no `delivery_id_header`: deliveries have an id by the scheme of `signature`"
            )
        return self

    def proof(self) -> Signature | None:
        """`signature`, whichever way it was written."""
        return None if isinstance(self.signature, dict) else self.signature

    def scheme_brings_id(self) -> bool:
        """Whether `signature` says which id a delivery has."""
        proof = self.proof()
        return proof is not None and (
            proof.brings_id or (isinstance(proof, HmacSignature) and proof.id_header is not None)
        )


class TriggerWebhook(Step):
    """Starts a run for each HTTP request to a path."""

    type: str = Field(default=StepType.TRIGGER_WEBHOOK, exclude=True, repr=False)
    config: TriggerWebhookConfig = Field(description="What it answers to.")

    is_trigger: ClassVar[bool] = True
    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    def routes(self) -> tuple[str, ...]:
        """Each method with the path; parameters have no names there, for names tell no routes apart."""
        path = _PARAMETER.sub("{}", self.config.path)
        return tuple(f"{method} {path}" for method in self.config.methods)

    def faults(self) -> list[tuple[str, str]]:
        schema = self.config.input_schema
        fault = None if schema is None else form_fault(schema)
        return [] if fault is None else [("/config/input_schema", fault)]

    def payload(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """`body`, `query`, `path`, `headers` and `method`; raises PermanentError for any other key."""
        return request_payload(given, method=self.config.methods[0])

    async def run(
        self, state: StateContainer, config: TriggerWebhookConfig, context: StepContext
    ) -> StepRunResult:
        del config
        state.apply(context.input)
        return StepRunResult.success(self.id)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Webhook",
            description="Starts a run for each HTTP request to a path.",
            category="trigger",
            examples=(
                {"path": "/orders"},
                {"path": "/users/{user_id}", "methods": ["GET", "POST"]},
                {"path": "/github", "signature": {"scheme": "github", "secrets": ["github_webhook"]}},
            ),
        )
