"""The schemas of events, where the API's document shows a run's."""

from typing import Final

import msgspec

from openrun.schemas import event_schema
from openrun.server.run_events import EventsPage
from openrun.server.shapes import PLACE, Schema, with_references

EVENT: Final = "Event"
"""What a page of events has items of, and what the `data` of a stream's events is."""

EVENTS_PAGE: Final = EventsPage.__name__


def event_shapes() -> dict[str, Schema]:
    """The union of all kinds of events, and each of them, under the names they have in the event schema."""
    # Its defaults are values of the structs until they are written down.
    whole: Schema = msgspec.json.decode(msgspec.json.encode(event_schema()))
    union = {key: whole[key] for key in ("title", "description", "oneOf")}
    return {name: _moved(each) for name, each in {EVENT: union, **whole["$defs"]}.items()}


def _moved(schema: Schema) -> Schema:
    moved: Schema = with_references(schema, lambda name: name.replace("#/$defs/", PLACE))
    return moved


def with_events(page: Schema) -> Schema:
    """The schema of a page whose items are events."""
    items = {**page["properties"]["items"], "items": {"$ref": PLACE + EVENT}}
    return {**page, "properties": {**page["properties"], "items": items}}
