"""An HTTP request to the outside."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from openrun.core.errors import JsonError, PermanentError
from openrun.core.interpolation import has_template
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.net.http import HttpRequest
from openrun.net.status import failure_of
from openrun.net.url import parse_url, shown
from openrun.steps.base import RENDERED, Step, StepConfig, StepInfo
from openrun.steps.context import EffectCall, StepContext
from openrun.steps.execution.auth import AUTH_FIELDS, Auth, BasicAuth, BearerAuth
from openrun.steps.execution.incoming import received, with_body
from openrun.steps.execution.outgoing import encoded, pairs
from openrun.steps.spelling import Duration, OrTemplate, kept_as, seconds_in

TIMEOUT = 30.0
IDEMPOTENCY_HEADER = "Idempotency-Key"
EFFECT = "request"
"""Name of the effect in the ledger."""


Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


def _checked_url(url: str, info: ValidationInfo) -> str:
    """A literal URL is refused at once; a rendered one when it is sent, with a code of its own."""
    if info.context is not RENDERED:
        try:
            parse_url(url, place="url")
        except PermanentError as error:
            raise ValueError(str(error)) from None
    return url


def _as_given(auth: Auth, info: ValidationInfo) -> Auth | dict[str, str]:
    """An auth that has templates in it stays open, as one that is given as an object does, until it is rendered."""
    given = auth.model_dump()
    return given if info.context is not RENDERED and has_template(given) else auth


class StepRequestConfig(StepConfig):
    """Put untrusted values into `query`, where they are quoted; in `url` they are taken as they are."""

    static_fields: ClassVar[frozenset[str]] = frozenset({"method"})
    secret_fields: ClassVar[frozenset[str]] = frozenset({"url", "headers", "query", "body", "form", "auth"})

    url: Annotated[str, AfterValidator(_checked_url)] = Field(
        repr=False,
        description="Absolute http(s) URL.",
        examples=["https://api.example.com/users/{{user_id}}"],
    )
    method: Method = Field(default="GET", description="HTTP method.", examples=["GET", "POST"])
    headers: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Headers to send.", examples=[{"X-Api-Version": "2"}]
    )
    query: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,
        description="Parameters added to the URL; a list repeats its name, null leaves it out.",
        examples=[{"q": "{{body.search}}", "tag": ["a", "b"]}],
    )
    body: Any = Field(
        default=None,
        repr=False,
        description="Text is sent as it is, any other value as JSON.",
        examples=[{"name": "{{name}}"}],
    )
    form: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="Fields of an HTML form to send, in place of body.",
        examples=[{"grant_type": "client_credentials"}],
    )
    auth: Annotated[Auth | dict[str, str], kept_as(Auth), AfterValidator(_as_given)] | None = Field(
        default=None,
        repr=False,
        description="A bearer token, or a name and a password.",
        examples=[{"bearer": "<<secrets.shop_token>>"}],
    )
    timeout: Duration | None = Field(
        default=TIMEOUT,
        gt=0,
        le=DEFAULT_LIMITS.step_timeout_max,
        description="Longest time for everything, redirects included; null leaves it to the step's timeout.",
        examples=["10s"],
    )
    max_bytes: OrTemplate[int] = Field(
        default=DEFAULT_LIMITS.response_bytes,
        ge=1,
        le=DEFAULT_LIMITS.response_bytes,
        description="Largest body of a response, in bytes after decompression.",
        examples=[1_000_000],
    )
    follow_redirects: bool = Field(
        default=True, description="Whether redirects are followed, up to 5.", examples=[False]
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.form is not None and self.body is not None:
            raise ValueError("give either `body` or `form`")
        # What has a template in it is still as it was given.
        headers: Any = self.headers
        auth: Any = self.auth
        if auth is not None and isinstance(headers, dict) and _has(headers, "authorization"):
            raise ValueError("give either `auth` or an Authorization header")
        if isinstance(auth, dict) and auth.keys() not in AUTH_FIELDS:
            raise ValueError("`auth` has `bearer`, or `username` and `password`")
        return self


class StepRequest(Step):
    """Sends an HTTP request and keeps the response."""

    type: str = Field(default=StepType.REQUEST, exclude=True, repr=False)
    config: StepRequestConfig = Field(description="What to send, and where.")

    guarded: ClassVar[bool] = True

    async def run(
        self, state: StateContainer, config: StepRequestConfig, context: StepContext
    ) -> StepRunResult:
        """The output, and the state's key `response`, is {status, headers, body, data}."""
        call = EffectCall(
            name=EFFECT, call=self._exchange, args=(config, context), target=_origin(config.url), whole=True
        )
        try:
            answer = await context.only_effect(call)
            state.set("response", answer)
        except JsonError as error:
            place = f"{config.method} {shown(config.url)}"
            raise PermanentError(f"{place}: the response cannot be kept: {error}", code=error.code) from None
        return StepRunResult.success(self.id, answer)

    async def _exchange(self, config: StepRequestConfig, context: StepContext) -> dict[str, Json]:
        response = await context.http.send(self._request(config, context))
        failure = failure_of(
            response.status, response.headers, method=config.method, url=response.url, now=context.clock()
        )
        if failure is not None:
            raise with_body(failure, response)
        return received(response)

    def effect_class(self) -> EffectClass:
        if self.effect is not None:
            return EffectClass(self.effect)
        return EffectClass.IDEMPOTENT if self.config.method in _REPEATABLE else EffectClass.EXTERNAL

    def _request(self, config: StepRequestConfig, context: StepContext) -> HttpRequest:
        body, content_type = encoded(config.body, config.form)
        headers = dict(config.headers)
        if not _has(headers, "traceparent"):
            headers.update(context.trace_headers())
        if content_type is not None and not _has(headers, "content-type"):
            headers["Content-Type"] = content_type
        if isinstance(config.auth, BearerAuth | BasicAuth):
            headers["Authorization"] = config.auth.header()
        if config.method not in _REPEATABLE and not _has(headers, IDEMPOTENCY_HEADER.lower()):
            headers[IDEMPOTENCY_HEADER] = f'"{context.effect_key(EFFECT)}"'
        return HttpRequest(
            method=config.method,
            url=config.url,
            timeout=seconds_in(config.timeout or self.timeout or DEFAULT_LIMITS.step_timeout),
            headers=headers,
            query=pairs(config.query, "query"),
            body=body,
            max_bytes=int(config.max_bytes),
            follow_redirects=config.follow_redirects,
        )

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Request",
            description="Sends an HTTP request and keeps the response.",
            category="http",
            examples=(
                {"url": "https://api.example.com/users/{{user_id}}"},
                {
                    "url": "https://api.example.com/users",
                    "method": "POST",
                    "auth": {"bearer": "<<secrets.api_token>>"},
                    "body": {"name": "{{name}}"},
                },
            ),
        )


def _has(headers: dict[str, str], name: str) -> bool:
    return any(each.lower() == name for each in headers)


def _origin(url: str) -> str:
    """Whom the request is for: requests to one host and port share what guards them."""
    target = parse_url(url, place="url")
    return f"{target.raw_host}:{target.port}"
