"""The events of a namespace as an AsyncAPI 3.0 document: which there are, and which flows take and publish them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from pydantic import BaseModel

from openrun.bus.cloud_event import HOPS
from openrun.bus.cloud_message import STRUCTURED
from openrun.core.strict_json import pointer_token
from openrun.definition.event_uses import EventUse, event_uses
from openrun.server.access import Scope
from openrun.server.route import Call, Route
from openrun.server.shapes import Schema
from openrun.steps.execution.emit import CAUSATION, CORRELATION
from openrun.steps.triggers.event_types import ANY_WORD
from openrun.version import __version__

_MOST_KNOWN = 10_000
_SAFE = "/~!$&'()*+,;=:@"
_WORDS: Final = {
    "starts": "Starts runs of the flow `{flow}`.",
    "waits": "Runs of the flow `{flow}` wait for it.",
    "emits": "Runs of the flow `{flow}` publish it.",
}
_DESCRIPTION: Final = """\
Events between flows. A flow publishes one with a step `emit`, and everybody else with `POST /v1/events`; each starts a \
run of every flow that has a trigger for it, and is told to the runs that wait for it. Addresses are types of events: in \
those that triggers look for, `*` stands for any one word, and `**` for all the rest.
"""
_TEXT: Final = {"type": "string", "minLength": 1}
_ENVELOPE: Final[Schema] = {
    "type": "object",
    "description": "A CloudEvent 1.0 in structured mode; (source, id) names it once.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {**_TEXT, "maxLength": 256},
        "source": {**_TEXT, "maxLength": 1_024, "format": "uri-reference"},
        "type": {**_TEXT, "maxLength": 256},
        "datacontenttype": _TEXT,
        "dataschema": {**_TEXT, "format": "uri"},
        "subject": {**_TEXT, "maxLength": 1_024},
        "time": {**_TEXT, "format": "date-time"},
        "data": {"description": "What happened."},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
        CORRELATION: {**_TEXT, "description": "What it belongs to."},
        CAUSATION: {**_TEXT, "description": "The id of the event that led to it."},
        HOPS: {"type": "integer", "minimum": 0, "description": "How many events in a row led to it."},
        "traceparent": {**_TEXT, "description": "W3C Trace Context."},
        "tracestate": {**_TEXT, "description": "W3C Trace Context."},
    },
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
}


class EventsDescribed(BaseModel, extra="allow"):
    """An AsyncAPI 3.0 document."""

    asyncapi: str


@dataclass(frozen=True, slots=True)
class FlowUses:
    """What a flow has to do with events."""

    flow_id: str
    uses: tuple[EventUse, ...]


def document(flows: Iterable[FlowUses]) -> dict[str, Any]:
    """The whole document; the same flows give the same one, whatever their order."""
    ordered = sorted(flows, key=lambda each: each.flow_id)
    types = sorted({use.event_type for flow in ordered for use in flow.uses})
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "OpenRun events", "version": __version__, "description": _DESCRIPTION},
        "defaultContentType": STRUCTURED,
        "channels": {each: _channel(each) for each in types},
        "operations": {
            f"{use.kind}.{flow.flow_id}.{use.step_id}.{use.event_type}": _operation(flow.flow_id, use)
            for flow in ordered
            for use in sorted(flow.uses, key=lambda use: (use.step_id, use.event_type))
        },
        "components": {"schemas": {"CloudEvent": _ENVELOPE}},
    }


def _channel(event_type: str) -> Schema:
    exact = {} if ANY_WORD in event_type else {"properties": {"type": {"const": event_type}}}
    return {
        "address": event_type,
        "messages": {
            "event": {
                "name": event_type,
                "title": event_type,
                "contentType": STRUCTURED,
                "payload": {"allOf": [{"$ref": "#/components/schemas/CloudEvent"}, exact]},
            }
        },
    }


def _operation(flow_id: str, use: EventUse) -> Schema:
    channel = f"#/channels{quote(pointer_token(use.event_type), safe=_SAFE)}"
    made: Schema = {
        "action": "send" if use.kind == "emits" else "receive",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/event"}],
        "summary": _WORDS[use.kind].format(flow=flow_id),
        "x-openrun-flow": flow_id,
        "x-openrun-step": use.step_id,
    }
    return made if use.description is None else {**made, "description": use.description}


class EventCatalogue:
    """Reads the flows of a namespace; what a version uses is read once, for it never changes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[EventUse, ...]] = {}

    async def answer(self, call: Call) -> web.StreamResponse:
        """Of whoever may read flows, those of its namespace; nobody else is told of any."""
        flows = await self._flows(call) if Scope.FLOWS_READ in call.principal.scopes else ()
        body = msgspec.json.encode(document(flows))
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def _flows(self, call: Call) -> Sequence[FlowUses]:
        records, namespace = call.space.records, call.space.namespace
        found = []
        for row in await records.flows(namespace):
            uses = self._known.get(row.version)
            if uses is None:
                version = await records.version(row.flow_id, row.version, namespace=namespace)
                uses = () if version is None else _read(version.document)
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[row.version] = uses
            if row.enabled:
                found.append(FlowUses(row.flow_id, uses))
            else:
                found.append(FlowUses(row.flow_id, tuple(use for use in uses if use.kind != "starts")))
        return found


def _read(text: str) -> tuple[EventUse, ...]:
    whole: Mapping[str, Any] = msgspec.json.decode(text)
    return tuple(event_uses(whole))


_CATALOGUE = EventCatalogue()

ROUTES = (
    Route(
        method="GET",
        path="/asyncapi.json",
        operation="documents.asyncapi",
        summary="The events of the namespace",
        description=(
            "An AsyncAPI 3.0 document: which events there are, and which flows take and publish them. With a key that "
            "has the scope `flows:read`; without one it has none."
        ),
        tag="documents",
        scope=None,
        handler=_CATALOGUE.answer,
        answer=EventsDescribed,
    ),
)
