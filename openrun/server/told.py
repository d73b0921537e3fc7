"""What subscribers are sent, as the `webhooks` of the API's document."""

from typing import Any, Final

from openrun.runtime.notices import NoticeType
from openrun.runtime.redelivery import MOST_ATTEMPTS
from openrun.server.run_views import RUN
from openrun.server.shapes import PLACE, Schema
from openrun.server.subscriptions import SUBSCRIPTION, TAG

PAYLOAD: Final = "Notification"
_INSTANT = "2026-11-21T11:30:46.123000Z"

_SAYS: Final = {
    NoticeType.STARTED: "A run was started.",
    NoticeType.SUCCEEDED: "A run succeeded.",
    NoticeType.FAILED: "A run failed.",
    NoticeType.CANCELLED: "A run was cancelled.",
    NoticeType.ABORTED: "A run was aborted on purpose.",
    NoticeType.NEEDS_REVIEW: "A person has to look at a run.",
    NoticeType.APPROVAL_REQUESTED: "A run asks people for an approval.",
    NoticeType.INPUT_REQUESTED: "A run asks people for something.",
    NoticeType.COMPENSATION_FAILED: "A step of a run could not be undone.",
}


def _text(about: str, example: Any, *, null: bool = False) -> Schema:
    kind = ["string", "null"] if null else "string"
    return {"type": kind, "description": about, "examples": [example]}


def _time(about: str, *, null: bool = False) -> Schema:
    return {**_text(about, _INSTANT, null=null), "format": "date-time"}


def payload() -> Schema:
    """The schema of what is posted."""
    return {
        "title": PAYLOAD,
        "description": "What a subscriber is sent. Members may be added.",
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"enum": [each.value for each in NoticeType], "description": "What it tells."},
            "timestamp": _time("When that happened."),
            "data": _data(),
        },
    }


def _data() -> Schema:
    always: Schema = {
        "run_id": _text("The run.", RUN),
        "flow_id": _text("Its flow.", "orders"),
        "version": _text("The version of the flow: a hash.", "9f2c4e…"),
        "namespace": _text("Where it is.", "default"),
        "trigger": _text("The trigger that began it.", "hook", null=True),
        "parent_run_id": _text("The run that started it.", RUN, null=True),
        "seq": {
            "type": "integer",
            "description": "The event of the run that this tells of.",
            "examples": [7],
        },
        "status": _text("Where the run stands.", "failed"),
        "error": {"type": ["object", "null"], "description": "What it failed with; secrets are masked."},
        "hops": {
            "type": "integer",
            "description": "Events between the run and what came from outside.",
            "examples": [0],
        },
        "started_at": _time("When the run was started."),
        "ended_at": _time("When it ended.", null=True),
    }
    sometimes: Schema = {
        "step_id": _text("The step that it is about.", "charge", null=True),
        "scope": _text("Where the step ran.", "/"),
        "reason": _text("Why a person has to look.", "unknown_outcome"),
        "forked_from": _text("The run that it was forked from.", RUN),
        "asks": {
            "type": "array",
            "description": "What is asked, without what it is about.",
            "items": {
                "type": "object",
                "properties": {
                    "wait_id": _text("Under which it is answered.", "4f0c9f6d2b1e4c7a8d3e5b6a7c8d9e0f"),
                    "kind": _text("approval or input.", "approval"),
                    "name": _text("The key of an input.", "", null=True),
                    "title": _text("What is asked.", "Refund 40 €?", null=True),
                    "approvers": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Who may answer.",
                    },
                    "quorum": {"type": "integer", "description": "How many have to agree."},
                    "expires_at": _time("When it is too late.", null=True),
                },
            },
        },
    }
    return {
        "type": "object",
        "description": "What happened; the run's output is not in it.",
        "required": list(always),
        "properties": {**always, **sometimes},
    }


def webhooks() -> dict[str, Schema]:
    """What is posted, by type."""
    return {kind.value: {"post": _operation(kind, says)} for kind, says in _SAYS.items()}


def _operation(kind: NoticeType, says: str) -> Schema:
    return {
        "operationId": f"notified.{kind.value}",
        "tags": [TAG],
        "summary": says,
        "description": (
            "Sent to the subscriptions to its type, at least once and in no order, as Standard Webhooks 1.0 has it. A "
            f"receiver that answers anything but 2xx within 20 seconds is tried again, {MOST_ATTEMPTS} times in all."
        ),
        "parameters": [
            _header("webhook-id", "Names it; the same at each attempt.", f"{RUN}-7-{SUBSCRIPTION}"),
            _header("webhook-timestamp", "When this attempt was made, in Unix seconds.", "1795260646"),
            _header(
                "webhook-signature",
                "`v1,` and the base64 of an HMAC-SHA256 over `{id}.{timestamp}.{body}`; one for each secret, with "
                "spaces between.",
                "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
                required=False,
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"{PLACE}{PAYLOAD}"}}},
        },
        "responses": {
            "2XX": {"description": "It was taken."},
            "410": {"description": "Nothing more is wanted: the subscription is disabled."},
        },
        "security": [{}],
    }


def _header(name: str, about: str, example: str, *, required: bool = True) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": about,
        "schema": {"type": "string"},
        "example": example,
    }
