"""The API's document (OpenAPI 3.1.0), made of its routes and of the webhooks that are mounted."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from openrun.server.event_shapes import EVENTS_PAGE, event_shapes, with_events
from openrun.server.hook_paths import ACCEPTED, TAG, hook_paths
from openrun.server.operations import operation
from openrun.server.refusals import REQUEST_ID, responses
from openrun.server.repetition import HEADER as IDEMPOTENCY_KEY
from openrun.server.repetition import REPLAYED
from openrun.server.route import Route
from openrun.server.shapes import Schema, Shapes
from openrun.server.subscriptions import TAG as NOTIFICATIONS
from openrun.server.told import PAYLOAD, payload, webhooks
from openrun.triggers.routes import Endpoint
from openrun.version import __version__

_DESCRIPTION: Final = """\
Flows are started, watched and steered over HTTP.

**Keys.** Every call needs an API key, `Authorization: Bearer KEY` or `X-API-Key: KEY`, whose role has the scope of the \
operation. Without one every path is answered with 401, whether or not there is anything; those that need no key say so.

**Namespaces.** A call sees the flows and runs of one namespace alone: that of its key, or the one that the header \
`OpenRun-Namespace` names, if the key is for all of them.

**Problems.** What is refused is answered with `application/problem+json` (RFC 9457). `code` is for programs, `detail` \
for people, `errors` say what is wrong where, and `retryable` that the same request may succeed later. A path that does \
not take a method is answered with 405; GET stands for HEAD, too.

**Lists.** A page has `items`, and in `next` the cursor of the page that follows; `Link: rel="next"` has its whole address.

**Repetition.** A POST with an `Idempotency-Key` may be sent again after any failure: it gets the answer that the first one \
got, for 24 hours.

**Webhooks** are below `/hooks`. They are called without a key, and prove by signatures who calls. Asked with a key that \
may read flows, this document has the webhooks of its namespace, too.
"""

_TAGS: Final = {
    "health": "Whether the server works, and what it counts.",
    "documents": "What describes this API.",
    "flows": "Documents, their versions, and which of them start runs.",
    "lanes": "How full the limits of flows are.",
    "schedules": "What starts runs at its time: the next times, what became of the past ones, pause and backfill.",
    "runs": "Starting runs, looking at them, and steering them.",
    "past": "What a run was at any of its events, and why.",
    "approvals": "Questions to people, and their answers.",
    "effects": "What steps did outside, and what of it nobody knows for certain.",
    "compensations": "What is undone after a failure.",
    "dead letters": "Runs that nobody has taken care of since they failed.",
    "deliveries": "What came in at webhooks, and sending it through again.",
    "events": "What happened: publishing it for flows and runs that listen, and what became of it.",
    "notifications": "Who is told of what runs do, and what became of that.",
    "steps": "The types of steps that flows are made of.",
    "keys": "API keys: who may do what.",
    "audit": "Who has changed what.",
    TAG: "What other systems call; each starts runs of one flow.",
}

_PARAMETERS: Final[dict[str, Schema]] = {
    "OpenRun-Namespace": {
        "name": "OpenRun-Namespace",
        "in": "header",
        "description": "The namespace that is asked about; the key's own, or `default`, when left out.",
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"},
        "example": "default",
    },
    IDEMPOTENCY_KEY: {
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "description": "What all repetitions of this request have in common, quoted or not.",
        "schema": {"type": "string", "pattern": r"^[!#$%&'()*+,./0-9:;<=>?@A-Z\[\]^_`a-z{|}~-]{1,255}$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N`: wait for the run, at most N seconds; `respond-async`: do not wait (RFC 7240).",
        "schema": {"type": "string"},
        "example": "wait=10",
    },
    "X-Request-ID": {
        "name": "X-Request-ID",
        "in": "header",
        "description": (
            "What this request is to be called in logs, in 1 to 128 printable ASCII characters; a new name, when left "
            "out or anything else."
        ),
        "schema": {"type": "string"},
        "example": REQUEST_ID,
    },
}

_HEADERS: Final[dict[str, Schema]] = {
    "X-Request-ID": {
        "description": "What this request is called in logs: as it was sent, or a new name.",
        "schema": {"type": "string"},
    },
    REPLAYED: {
        "description": "`true`, if this is the answer to an earlier request of the same key or delivery id.",
        "schema": {"type": "string"},
    },
}

_SECURITY: Final[dict[str, Schema]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `openrun keys create` shows it once.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, for clients that cannot set `Authorization`.",
    },
}


def document(routes: Sequence[Route], endpoints: Iterable[Endpoint] = ()) -> dict[str, Any]:
    """The whole document, in the order of the routes; `endpoints` are the webhooks that it shows."""
    shapes = Shapes(routes)
    hooks = hook_paths(endpoints)
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route, shapes)
    schemas: dict[str, Schema] = dict(shapes.components)
    if EVENTS_PAGE in schemas:
        schemas = {**event_shapes(), **schemas, EVENTS_PAGE: with_events(schemas[EVENTS_PAGE])}
    if hooks.paths:
        schemas["Accepted"] = ACCEPTED
    tags = dict.fromkeys(each.tag for each in routes)
    told = webhooks() if NOTIFICATIONS in tags else {}
    if told:
        schemas[PAYLOAD] = payload()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpenRun",
            "version": __version__,
            "summary": "A durable flow engine.",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [_tag(name) for name in (*tags, *([TAG] if hooks.paths else []))],
        "paths": {**paths, **hooks.paths},
        **({"webhooks": told} if told else {}),
        "components": {
            "schemas": {**dict(sorted(schemas.items())), **hooks.schemas},
            "responses": responses(),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def _tag(name: str) -> Schema:
    return {"name": name, "description": _TAGS[name.lower()]}
