"""A run per HTTP request to a path."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.triggers.payload import request_payload

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATH_LENGTH = 256

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

    static_fields: ClassVar[frozenset[str]] = frozenset({"path", "methods", "method", "description"})

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
            examples=({"path": "/orders"}, {"path": "/users/{user_id}", "methods": ["GET", "POST"]}),
        )
