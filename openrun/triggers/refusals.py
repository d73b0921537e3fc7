"""Why a request starts no run. The message of each is for the caller; `status` is the HTTP status it goes with."""

from typing import ClassVar

from openrun.core.errors import OpenRunError


class Refusal(OpenRunError):
    """A request that starts no run."""

    status: ClassVar[int] = 400


class BadSignature(Refusal):
    """The caller did not prove who it is. `reason` is for our own log, never for the caller."""

    status: ClassVar[int] = 401

    def __init__(self, reason: str) -> None:
        super().__init__("the request does not prove that it comes from who may send it")
        self.reason = reason


class MissingSecret(Refusal):
    """The operator gave no usable value for a secret; `secret` names it and `reason` says more, for our own log."""

    status: ClassVar[int] = 503

    def __init__(self, secret: str, reason: str) -> None:
        super().__init__("this webhook cannot check its callers at the moment; try again later")
        self.secret = secret
        self.reason = reason


class MalformedRequest(Refusal):
    """The query, or a header that counts, is not what it has to be."""


class MalformedBody(MalformedRequest):
    """The body is not what its type says; `code` is that of a `JsonError`, where there was one."""

    def __init__(self, message: str, *, code: str = "INVALID_BODY") -> None:
        super().__init__(message)
        self.code = code


class BodyTooLarge(MalformedBody):
    """The body is well-formed, and is or holds more than a run can be given."""

    status: ClassVar[int] = 413


class UnsupportedBody(Refusal):
    """A body of a type that webhooks do not take."""

    status: ClassVar[int] = 415


class InvalidInput(Refusal):
    """The body does not fit the trigger's schema; `faults` are pairs of JSON Pointer into the body and message."""

    status: ClassVar[int] = 422

    def __init__(self, faults: tuple[tuple[str, str], ...]) -> None:
        count = f"{len(faults)} place{'s' if len(faults) != 1 else ''}"
        super().__init__(f"the body does not fit the schema of this webhook in {count}")
        self.faults = faults
