"""The schema of events, as streams show them and journals keep them, made of the structs themselves."""

from typing import Any

import msgspec

from openrun.core.events import Shown
from openrun.schemas.nodes import DIALECT, Schema, mapped

EVENT_URL = "https://openrun.dev/schemas/event/v1.json"

_TIME = "2030-01-31T09:00:00Z"
_RUN = "01936f2a-5b7c-7d10-8a4e-3f1b2c4d5e6f"
_ERROR = {"code": "TIMEOUT", "message": "the attempt took longer than 30 s", "retryable": True}
_ASK_ID = "4f5c9d1e8a7b4c3d9e2f1a0b8c7d6e5f"
_ANSWER = {"ask": _ASK_ID, "decision": "approved", "by": "user:ada"}
_WORDS: dict[str, tuple[str, Any]] = {
    "aborts": ("Whether the run ends aborted by it.", False),
    "answer": ("What was said, and to which ask.", _ANSWER),
    "approvers": ("Who may answer; anyone, when there is none.", ["role:finance", "user:ada"]),
    "args_hash": ("SHA-256 of the arguments of the call.", "9f86d081884c7d65"),
    "ask": ("Id of what it answers; none, for a signal that nobody has asked for yet.", _ASK_ID),
    "asks": (
        "What somebody outside is asked.",
        [{"kind": "approval", "id": _ASK_ID, "title": "Pay 500 EUR?"}],
    ),
    "at": ("The place in the other run at which it was forked.", 12),
    "attempt": ("Number of the attempt; 1 is the first.", 1),
    "by": ("Who said so.", "user:ada"),
    "child_run_id": ("The child's run.", _RUN),
    "code": ("What went wrong, for programs.", "TIMEOUT"),
    "comment": ("What whoever did it says about it.", "with the right address"),
    "committed": ("Whether the work took place.", True),
    "compensate": ("Whether what was done is undone, too.", True),
    "compensation": ("What became of undoing what was done.", "completed"),
    "concurrency": ("How many run at once.", 50),
    "correlation": ("What the event has to be about.", "order-7"),
    "data": ("What the step reported; JSON data.", {"done": 3, "of": 10}),
    "decision": ("What the answer says.", "approved"),
    "details": ("More of it, for programs.", {"status": 503}),
    "effect": ("What may happen when the call is made again.", "at_most_once"),
    "error": ("What it failed with.", _ERROR),
    "failures": (
        "All failures of the run.",
        [{"step_id": "fetch", "scope": "/", "error": _ERROR, "handled": True}],
    ),
    "flow": ("Id of the flow that is run.", "ship-order"),
    "flow_id": ("The flow.", "fetch-user"),
    "form": ("JSON Schema that a value has to fit.", {"type": "object"}),
    "handled": ("Whether the flow took care of it.", True),
    "hard": ("Whether steps marked always are stopped, too.", False),
    "hops": ("How many events stand between the run and what came from outside.", 1),
    "id": ("Id of the ask.", _ASK_ID),
    "index": ("Place of the item or child, from 0.", 0),
    "input": ("The trigger's payload.", {"body": {"user_id": 7}}),
    "inputs": ("The payload of each child.", [{"id": 1}]),
    "items": ("The items, in order.", ["a", "b"]),
    "key": ("Idempotency key of the effect.", "9f86d081884c7d65"),
    "kind": ("Who or what may answer.", "approval"),
    "message": ("What went wrong, for people.", "the attempt took longer than 30 s"),
    "name": ("What it is called in its flow.", "paid"),
    "not_before": ("When the next attempt is due.", _TIME),
    "on_item_error": ("What the failure of one means for the others.", "fail"),
    "ordinal": ("Which of the effects of that name in the activation, from 0.", 0),
    "origin": ("The run it was forked from.", _RUN),
    "output": ("What came out; JSON data.", {"id": 7}),
    "outputs": ("Outputs of steps that were replaced, by step.", {"fetch": {"id": 7}}),
    "parent_run_id": ("The run that started this one.", _RUN),
    "patch": ("Top-level keys of the state that were written.", {"user": {"id": 7}}),
    "payload": ("What is shown; JSON data.", {"amount": 500}),
    "ports": ("The ports that fired.", ["default"]),
    "quorum": ("How many have to agree.", 2),
    "reason": ("Why.", "cancelled"),
    "removed": ("Top-level keys of the state that were taken out.", ["draft"]),
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
    "title": ("The question, for people.", "Pay 500 EUR?"),
    "traceparent": (
        "Who asked for the run, as W3C Trace Context has it.",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    "tracestate": ("What tracing systems carry along with it.", "congo=t61rcWkgMzE"),
    "trigger": ("The trigger step that started the run.", "hook"),
    "type": ("Which kind it is.", None),
    "until": ("The instant that is waited for.", _TIME),
    "value": ("What was said, or came back; JSON data.", {"amount": 450}),
    "values": ("Top-level keys of the state that were set.", {"user": {"id": 7}}),
    "version": ("Version of the flow: SHA-256 of its canonical JSON.", "9f86d081884c7d65"),
    "wait": ("What is waited for.", {"type": "until", "until": _TIME}),
}
_TIMES = frozenset({"timestamp", "not_before", "until"})
_STATUSES = {
    "CompensationCompleted": "completed",
    "EffectRecorded": "committed",
    "StepRunResult": "success",
}
"""Examples of what is no status of a run."""


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
    if name == "status":
        example = _STATUSES.get(owner["title"], example)
    return {"title": name, "description": about, **made, "examples": [example]}


def _unions(schema: Schema) -> Schema:
    """Without OpenAPI's own word for unions."""
    made = mapped(schema, _unions)
    made.pop("discriminator", None)
    return made
