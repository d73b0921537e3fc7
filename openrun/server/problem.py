"""Problems: how a request is refused, as RFC 9457 has it (`application/problem+json`)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from openrun.core.types import Json

PROBLEM_TYPE = "application/problem+json"
_BASE = "https://openrun.dev/problems/"

_SLUGS = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "conflict",
    410: "gone",
    412: "precondition-failed",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid",
    428: "precondition-required",
    429: "rate-limited",
    500: "internal",
    503: "unavailable",
    507: "out-of-space",
}


class Problem(Exception):
    """Raised anywhere while a request is answered: the answer is this."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        slug: str | None = None,
        errors: Sequence[tuple[str, str] | Mapping[str, Json]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Json,
    ) -> None:
        """`errors` are (JSON Pointer, what is wrong there), or whole; `more` become members of the document."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.slug = slug or _SLUGS.get(status, "error")
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.more = more

    def document(self, request_id: str) -> dict[str, Any]:
        """The document, without members that say nothing."""
        errors = [
            {"pointer": f"#{each[0]}", "detail": each[1]} if isinstance(each, tuple) else dict(each)
            for each in self.errors
        ]
        return {
            "type": _BASE + self.slug,
            "title": title(self.status),
            "status": self.status,
            "detail": self.detail,
            "code": self.slug.replace("-", "_"),
            "request_id": request_id,
            **({"errors": errors} if errors else {}),
            **self.more,
        }


def title(status: int) -> str:
    """The status in words."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def unavailable(detail: str, *, full: bool = False) -> Problem:
    """The store cannot be reached, or has no room."""
    return Problem(507 if full else 503, detail, headers={"Retry-After": "5"}, retryable=True)
