"""Errors: what an activation failed with, what a flow is refused for, and what steps may raise."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

CANCELLED = "CANCELLED"
"""Code of what did not end because it was stopped."""

ABORTED = "ABORTED"
"""Code of what ended its run on purpose."""


class ErrorObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a failed activation failed with: the object on the `error` port, in events and in the API.

    `code` is a stable upper-case word, `message` says the thing, the place and the way out. `retryable`
    tells a retry policy whether another attempt can help; `retry_after` is the least wait in seconds.
    """

    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None
    type: str | None = None
    details: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The error as plain JSON data, as templates and streams see it."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class OpenRunError(Exception):
    """Base of every error that OpenRun raises on purpose."""


class StepError(OpenRunError):
    """Raise in a step to fail it with a code of your own; permanent unless a subclass says otherwise."""

    code = "STEP_FAILED"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.error = ErrorObject(
            code=code or self.code,
            message=message,
            retryable=self.retryable,
            retry_after=retry_after,
            details=details,
        )


class PermanentError(StepError):
    """Another attempt cannot help."""


class TransientError(StepError):
    """Another attempt may help; a retry policy honours it."""

    code = "TRANSIENT"
    retryable = True


class RateLimited(TransientError):
    """The other side asks for patience; `retry_after` is in seconds."""

    code = "RATE_LIMITED"


class Abort(StepError):
    """Raise in a step to end the run `aborted`, with a payload; no retry and no `error` port has a say."""

    code = ABORTED

    def __init__(self, payload: Any = None, *, reason: str = "aborted") -> None:
        super().__init__(reason)
        self.payload = payload


class InterruptExpired(PermanentError):
    """Nobody answered an interrupt in time."""

    code = "INTERRUPT_EXPIRED"


class TemplateError(PermanentError):
    """A template could not be rendered; the message names the path, and near names."""

    code = "TEMPLATE_ERROR"


class JsonError(OpenRunError, ValueError):
    """Text or a value that is not the JSON OpenRun accepts; `pointer` is where, when known."""

    def __init__(self, message: str, *, pointer: str = "", code: str = "INVALID_JSON") -> None:
        super().__init__(message)
        self.pointer = pointer
        self.code = code


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationError:
    """One fault of a flow: where (`pointer` is an RFC 6901 JSON Pointer), what, and the way out."""

    code: str
    message: str
    severity: Severity = Severity.ERROR
    step_id: str | None = None
    pointer: str = ""
    hint: str | None = None

    def __str__(self) -> str:
        place = f"step {self.step_id!r}" if self.step_id else self.pointer or "flow"
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {self.message}{hint} [{self.code}]"


class InvalidFlow(OpenRunError, ValueError):
    """A flow that cannot run; `errors` are all its faults."""

    def __init__(self, errors: tuple[ValidationError, ...] | list[ValidationError], flow: str = "") -> None:
        self.errors = tuple(errors)
        head = f"flow {flow!r}" if flow else "flow"
        count = f"{len(self.errors)} error{'s' if len(self.errors) != 1 else ''}"
        super().__init__("\n".join([f"{head} has {count}:", *(f"  {error}" for error in self.errors)]))
