"""The schema of events, as streams show them and journals keep them, made of the structs themselves."""

from typing import Any

import msgspec

from openrun.core.events import Shown
from openrun.schemas.nodes import DIALECT, Schema, mapped

EVENT_URL = "https://openrun.dev/schemas/event/v1.json"

_TIME = "2030-01-31T09:00:00Z"
_RUN = "01936f2a-5b7c-7d10-8a4e-3f1b2c4d5e6f"
_ERROR = {"code": "TIMEOUT", "message": "the attempt took longer than 30 s", "retryable": True}
_WORDS: dict[str, tuple[str, Any]] = {
    "attempt": ("Number of the attempt; 1 is the first.", 1),
    "child_run_id": ("The child's run.", _RUN),
    "code": ("What went wrong, for programs.", "TIMEOUT"),
    "committed": ("Whether the work took place.", True),
    "concurrency": ("How many run at once.", 50),
    "data": ("What the step reported; JSON data.", {"done": 3, "of": 10}),
    "details": ("More of it, for programs.", {"status": 503}),
    "error": ("What it failed with.", _ERROR),
    "failures": (
        "All failures of the run.",
        [{"step_id": "fetch", "scope": "/", "error": _ERROR, "handled": True}],
    ),
    "flow": ("Id of the flow that is run.", "ship-order"),
    "flow_id": ("The flow.", "fetch-user"),
    "handled": ("Whether the flow took care of it.", True),
    "hard": ("Whether steps marked always are stopped, too.", False),
    "index": ("Place of the item or child, from 0.", 0),
    "input": ("The trigger's payload.", {"body": {"user_id": 7}}),
    "inputs": ("The payload of each child.", [{"id": 1}]),
    "items": ("The items, in order.", ["a", "b"]),
    "message": ("What went wrong, for people.", "the attempt took longer than 30 s"),
    "not_before": ("When the next attempt is due.", _TIME),
    "on_item_error": ("What the failure of one means for the others.", "fail"),
    "output": ("What came out; JSON data.", {"id": 7}),
    "parent_run_id": ("The run that started this one.", _RUN),
    "patch": ("Top-level keys of the state that were written.", {"user": {"id": 7}}),
    "ports": ("The ports that fired.", ["default"]),
    "reason": ("Why.", "cancelled"),
    "result": ("How the activation ended.", {"status": "success", "output": {"id": 7}}),
    "retry_after": ("The least wait before another attempt, in seconds.", 30),
    "retryable": ("Whether another attempt can help.", True),
    "rules": ("Version of the graph semantics the run was started under.", 1),
    "run_id": ("The run.", _RUN),
    "run_ids": ("The children's runs, one per input.", [_RUN]),
    "scope": ("The iterations and items the activation is in; / is the run itself.", "/"),
    "seq": ("Place in the run, from 1; of what is only shown, the place of its cause.", 4),
    "state": ("Keys of the state the run begins with.", {"retries": 0}),
    "status": ("How it ended.", "succeeded"),
    "step_id": ("The step.", "fetch"),
    "timestamp": ("When it was recorded; UTC.", _TIME),
    "trigger": ("The trigger step that started the run.", "hook"),
    "type": ("Which kind it is.", None),
    "until": ("The instant that is waited for.", _TIME),
    "version": ("Version of the flow: SHA-256 of its canonical JSON.", "9f86d081884c7d65"),
    "wait": ("What is waited for.", {"type": "until", "until": _TIME}),
}
_TIMES = frozenset({"timestamp", "not_before", "until"})
_SUCCESS = {"result": {"status": "success"}, "ports": {"status": "success"}}


def event_schema() -> Schema:
    """JSON Schema 2020-12 of the closed union of events, told apart by `type`."""
    (union,), components = msgspec.json.schema_components([Shown], ref_template="#/$defs/{name}")
    definitions = {name: _definition(each) for name, each in sorted(components.items())}
    return {
        "$schema": DIALECT,
        "$id": EVENT_URL,
        "title": "OpenRun event",
        "description": "A past-tense fact of a run, or something shown beside the facts.",
        "oneOf": union["anyOf"],
        "$defs": definitions,
    }


def _definition(schema: Schema) -> Schema:
    made = _unions(schema)
    if "properties" in made:
        made["properties"] = {
            name: _property(name, each, schema) for name, each in made["properties"].items()
        }
        made["additionalProperties"] = True
        made["description"] = " ".join(str(made.get("description", made["title"])).split())
    return made


def _property(name: str, schema: Schema, owner: Schema) -> Schema:
    about, example = _WORDS[name]
    made = dict(schema)
    if name == "type" and "enum" in made:
        made = {"const": made["enum"][0]}
        example = made["const"]
    if name in _TIMES:
        made["format"] = "date-time"
    if name == "status" and owner["title"] == "StepRunResult":
        example = "success"
    return {"title": name, "description": about, **made, "examples": [example]}


def _unions(schema: Schema) -> Schema:
    """Without OpenAPI's own word for unions."""
    made = mapped(schema, _unions)
    made.pop("discriminator", None)
    return made
