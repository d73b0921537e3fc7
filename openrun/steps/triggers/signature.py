"""How the caller of a webhook proves who it is. Secrets are named here, never written out."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    GetPydanticSchema,
    model_validator,
)

from openrun.steps.spelling import Duration

MOST_SECRETS = 8
TOLERANCE_SECONDS = 300.0

HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$")]

_PLACEHOLDER = re.compile(r"\{([a-z]*)\}")
_SEPARATOR = re.compile(r"[ -/:-@\[-`|~]{1,16}")
_PARTS = ("body", "timestamp", "id")


def _secret_name(name: str) -> str:
    if name.startswith(("whsec_", "whsk_", "whpk_", "sk_live_", "sk_test_", "rk_live_")):
        # Without the text itself, which is in all likelihood what it looks like.
        raise ValueError("this looks like a secret itself; write its name, and give its value to the server")
    return name


SecretName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$"), AfterValidator(_secret_name)]


def _one_of_two(schema: dict[str, Any]) -> None:
    schema["required"].remove("secrets")
    schema["anyOf"] = [{"required": ["secrets"]}, {"required": ["secret"]}]


class _Proof(BaseModel):
    """`secret="a"` may be given in place of `secrets=("a",)`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra=_one_of_two
    )

    brings_id: ClassVar[bool] = False
    """Deliveries have an id by the scheme's own rules."""

    scheme: str
    secrets: tuple[SecretName, ...] = Field(
        min_length=1,
        max_length=MOST_SECRETS,
        description="Names of the secrets; each of them is accepted, so that one can take over from another.",
        examples=[["shop_2026", "shop_2025"]],
    )
    secret: SecretName | None = Field(
        default=None,
        repr=False,
        description="The only one of `secrets`, in place of them.",
        examples=["shop"],
    )

    @model_validator(mode="before")
    @classmethod
    def _one_secret(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("secret") is None:
            return data
        if "secrets" in data:
            raise ValueError("give either `secret` or `secrets`")
        rest = {name: value for name, value in data.items() if name != "secret"}
        return {**rest, "secrets": (data["secret"],)}


class _Timed(_Proof):
    tolerance_seconds: Duration = Field(
        default=TOLERANCE_SECONDS,
        ge=1,
        le=86_400,
        description="How far the sender's clock may be from ours.",
        examples=["5m"],
    )


class StandardSignature(_Timed):
    """Standard Webhooks 1.0 with symmetric keys (`v1`, `whsec_…`); `v1a` signatures are passed over."""

    brings_id: ClassVar[bool] = True

    scheme: Literal["standard"] = Field(
        description="Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature.",
        examples=["standard"],
    )


class GitHubSignature(_Proof):
    brings_id: ClassVar[bool] = True

    scheme: Literal["github"] = Field(description="GitHub: X-Hub-Signature-256.", examples=["github"])


class StripeSignature(_Timed):
    brings_id: ClassVar[bool] = True

    scheme: Literal["stripe"] = Field(description="Stripe: Stripe-Signature.", examples=["stripe"])


class SlackSignature(_Timed):
    brings_id: ClassVar[bool] = True

    scheme: Literal["slack"] = Field(description="Slack: X-Slack-Signature.", examples=["slack"])


class HmacSignature(_Timed):
    """An HMAC of the raw body, and of a timestamp and an id where `signed` says so."""

    scheme: Literal["hmac"] = Field(description="An HMAC in a header of your choice.", examples=["hmac"])
    header: HeaderName = Field(description="Header with the signature.", examples=["X-Signature"])
    algorithm: Literal["sha1", "sha256", "sha512"] = Field(
        default="sha256", description="Hash of the HMAC.", examples=["sha512"]
    )
    encoding: Literal["hex", "base64"] = Field(
        default="hex", description="How the signature is written.", examples=["base64"]
    )
    prefix: str = Field(
        default="",
        max_length=64,
        pattern=r"^[!-~]*$",
        description="What stands before the signature in its header.",
        examples=["sha256="],
    )
    signed: str = Field(
        default="{body}",
        max_length=200,
        pattern=r"^[ -~]*$",
        description="What is signed, with {body}, {timestamp} and {id} filled in.",
        examples=["{timestamp}.{body}"],
    )
    timestamp_header: HeaderName | None = Field(
        default=None, description="Header with the timestamp, in Unix seconds.", examples=["X-Timestamp"]
    )
    id_header: HeaderName | None = Field(
        default=None,
        description="Header with the delivery's id, where it is signed; else see `delivery_id_header`.",
        examples=["X-Delivery"],
    )

    @model_validator(mode="after")
    def _unambiguous(self) -> Self:
        pieces = _PLACEHOLDER.split(self.signed)
        literals, names = pieces[::2], pieces[1::2]
        self._check_names(literals, names)
        for name, header in (("timestamp", self.timestamp_header), ("id", self.id_header)):
            if (header is None) != (name not in names):
                raise ValueError(f"`{name}_header` and {{{name}}} in `signed` go together")
        # Else the same bytes could be read as another timestamp, id and body.
        if any(_SEPARATOR.fullmatch(each) is None for each in literals[1:-1]):
            raise ValueError("`signed` needs a mark such as '.' or ':' between any two of its parts")
        return self

    def _check_names(self, literals: list[str], names: list[str]) -> None:
        if any("{" in each or "}" in each for each in literals) or not set(names) <= set(_PARTS):
            raise ValueError("`signed` has {body}, {timestamp} and {id}, and no other braces")
        if "body" not in names or len(set(names)) < len(names):
            raise ValueError("`signed` has {body} once, {timestamp} and {id} once at most")

    def parts(self) -> tuple[str, ...]:
        """`signed` in pieces: text, the name of a part, text, and so on, with text at both ends."""
        return tuple(_PLACEHOLDER.split(self.signed))


class HeaderSecret(_Proof):
    """No signature: the secret itself comes in a header."""

    scheme: Literal["header"] = Field(description="The secret itself, in a header.", examples=["header"])
    name: HeaderName = Field(description="Name of the header.", examples=["X-Api-Key", "Authorization"])
    prefix: str = Field(
        default="",
        max_length=64,
        pattern=r"^[ -~]*$",
        description="What stands before the secret in its header.",
        examples=["Bearer "],
    )


class BasicSecret(_Proof):
    """No signature: a name and a password, `Authorization: Basic …`; the secrets are passwords."""

    scheme: Literal["basic"] = Field(description="A name and a password.", examples=["basic"])
    username: str = Field(
        max_length=200, pattern=r"^[^:\x00-\x1f\x7f]*$", description="The name.", examples=["shop"]
    )


def _schema(schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    # Its mapping is of places that definitions are moved away from; `scheme` is a constant in each anyway.
    return {key: each for key, each in handler(schema).items() if key != "discriminator"}


Signature = Annotated[
    StandardSignature
    | GitHubSignature
    | StripeSignature
    | SlackSignature
    | HmacSignature
    | HeaderSecret
    | BasicSecret,
    Field(discriminator="scheme"),
    GetPydanticSchema(get_pydantic_json_schema=_schema),
]
