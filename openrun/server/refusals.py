"""The problems that an operation may be answered with, as the API's document has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from openrun.server.problem import PROBLEM_TYPE, Problem
from openrun.server.route import Route

REQUEST_ID: Final = "0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"


class ProblemError(BaseModel):
    """One thing that is wrong in what was sent."""

    model_config = ConfigDict(extra="allow")

    pointer: str = Field(
        title="Pointer",
        description="Where: a JSON Pointer (RFC 6901) into the body or the query, as a URI fragment.",
        examples=["#/steps/3/config/url"],
    )
    detail: str = Field(title="Detail", description="What is wrong there.", examples=["Field required"])


class ProblemDocument(BaseModel):
    """Why a request was refused (RFC 9457). A kind of problem may have members of its own beside these."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(
        title="Type",
        description="A URI that stands for the kind of problem, and stays the same.",
        examples=["https://openrun.dev/problems/invalid"],
    )
    title: str = Field(title="Title", description="The status in words.", examples=["Not Found"])
    status: int = Field(title="Status", description="The HTTP status.", ge=400, le=599, examples=[404])
    detail: str = Field(
        title="Detail",
        description="What is wrong with this request, and the way out; for people.",
        examples=["there is no run '0192c2f4'"],
    )
    code: str = Field(
        default="",
        title="Code",
        description="The last part of `type` as one word, for programs.",
        examples=["not_found"],
    )
    request_id: str = Field(
        default="",
        title="Request id",
        description="What the server's log knows it by.",
        examples=[REQUEST_ID],
    )
    errors: list[ProblemError] = Field(
        default_factory=list, title="Errors", description="All that is wrong with what was sent."
    )
    retryable: bool = Field(
        default=False,
        title="Retryable",
        description="Whether the same request may succeed later.",
        examples=[True],
    )


@dataclass(frozen=True, slots=True)
class _Refusal:
    name: str
    when: str
    example: str
    headers: Mapping[str, str] | None = None


_RETRY_AFTER = {"Retry-After": "Seconds after which to try again."}
_REFUSALS: Final = {
    400: _Refusal("Malformed", "The request cannot be read.", "the body is no JSON: it ends too early"),
    401: _Refusal(
        "Unauthenticated",
        "There is no key, or one that is unknown, has expired or was revoked.",
        "a key is needed: Authorization: Bearer KEY; `openrun keys create` makes one",
        {"WWW-Authenticate": "How to send a key."},
    ),
    403: _Refusal(
        "Forbidden",
        "The key does not have the scope, or is for another namespace; or the Host or Origin is a stranger's.",
        "this needs the scope 'flows:write', which your key does not have",
    ),
    404: _Refusal("NotFound", "There is nothing under this name in the namespace.", "there is no flow 'ordres'"),
    405: _Refusal(
        "MethodNotAllowed",
        "The path does not take this method.",
        "/v1/flows takes GET, POST",
        {"Allow": "The methods that it takes."},
    ),
    406: _Refusal("NotAcceptable", "None of the media types asked for can be had.", "ask for application/json"),
    408: _Refusal("TooSlow", "The body did not come in time.", "the body was not complete after 30 seconds"),
    409: _Refusal("Conflict", "What is asked for does not fit the state that things are in.", "the run has ended"),
    410: _Refusal("Gone", "It was there, and is not kept any more.", "the events of this run are gone"),
    412: _Refusal(
        "PreconditionFailed",
        "It is not any more what `If-Match` or `If-None-Match` says.",
        "somebody else has changed it, so read it again before you do",
        {"ETag": "What it is now."},
    ),
    413: _Refusal("TooLarge", "The body is larger than what is taken here.", "the body is larger than 1048576 bytes"),
    415: _Refusal(
        "UnsupportedMediaType", "The body is of another media type, or compressed twice.",
        "the body has to be application/json",
    ),
    422: _Refusal(
        "Invalid",
        "The body can be read and is not what this call takes; `errors` say where. Also: an Idempotency-Key that "
        "was sent with another request before.",
        "the body is not what this call takes",
    ),
    428: _Refusal("PreconditionRequired", "This needs `If-Match`.", "send If-Match"),
    429: _Refusal(
        "RateLimited", "So many runs are being started that this one was not.",
        "1,000 runs are being started and are not on disk yet", _RETRY_AFTER,
    ),
    500: _Refusal("Internal", "This is our fault.", "this is our fault; the log says more under this request_id"),
    503: _Refusal(
        "Unavailable", "The store does not answer, or the server is stopping.",
        "the store cannot be reached at the moment", _RETRY_AFTER,
    ),
    507: _Refusal("OutOfSpace", "The store is full.", "the store has no room for more", _RETRY_AFTER),
}  # fmt: skip


def statuses_of(route: Route) -> list[int]:
    """Every status that the route may be refused with; 405 and what the connection refuses are none of its own."""
    found = {400, 403, 500, *(each for each in route.problems if each >= 400)}
    if route.scope is not None:
        found |= {401, 503}
    if route.parameters:
        found |= {404}
    if route.body is not None:
        found |= {408, 413, 415, 422}
    if route.method == "POST" and route.idempotent:
        found |= {422}
    if route.mutates:
        found |= {507}
    return sorted(found)


def references(statuses: Iterable[int]) -> dict[str, Any]:
    """Responses of an operation, by status."""
    return {str(each): {"$ref": f"#/components/responses/{_REFUSALS[each].name}"} for each in statuses}


def responses() -> dict[str, Any]:
    """The components that `references` lead to."""
    return {refusal.name: _response(status, refusal) for status, refusal in _REFUSALS.items()}


def _response(status: int, refusal: _Refusal) -> dict[str, Any]:
    errors = [("/name", "Field required")] if status == 422 else ()
    example = Problem(status, refusal.example, errors=errors).document(REQUEST_ID)
    return {
        "description": refusal.when,
        "headers": {
            "X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"},
            **headers(refusal.headers or {}),
        },
        "content": {
            PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example},
        },
    }


def headers(words: Mapping[str, str]) -> dict[str, Any]:
    """Response headers by name, out of what they say."""
    return {name: {"description": about, "schema": {"type": "string"}} for name, about in words.items()}
