"""Who a request says it is from."""

from base64 import b64encode

from pydantic import BaseModel, ConfigDict, Field


class BearerAuth(BaseModel):
    """A token, sent as `Authorization: Bearer …`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    bearer: str = Field(
        min_length=1, repr=False, description="The token.", examples=["<<secrets.shop_token>>"]
    )

    def header(self) -> str:
        return f"Bearer {self.bearer}"


class BasicAuth(BaseModel):
    """A name and a password, sent as `Authorization: Basic …`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    username: str = Field(
        pattern=r"^[^:]*$", repr=False, description="The name; it has no colon.", examples=["shop"]
    )
    password: str = Field(repr=False, description="The password.", examples=["<<secrets.shop_password>>"])

    def header(self) -> str:
        return f"Basic {b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


Auth = BearerAuth | BasicAuth
AUTH_FIELDS = (frozenset(BearerAuth.model_fields), frozenset(BasicAuth.model_fields))
"""The fields of each kind, to check an auth that still has templates in it."""
