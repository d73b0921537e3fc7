"""Flows whose steps call a receiver."""

from itertools import pairwise
from typing import Any

from openrun import Flow
from openrun.core.types import Json

from .process import catalog

Part = dict[str, Json]


def call(receiver: str, step_id: str, path: str | None = None, **more: Json) -> Part:
    """A step that posts to the receiver, at its own id or another path."""
    config: Json = {"method": "POST", "url": f"http://{receiver}/{path or step_id}"}
    return {"id": step_id, "type": "request", "config": config, **more}


def errand(receiver: str, step_id: str, *todo: str, config: Part | None = None, **more: Json) -> Part:
    """A step that calls these paths, one effect each, and asks where one is "?key"; see `steps.errands`."""
    settings: Part = {"receiver": receiver, "todo": list(todo), **(config or {})}
    return {"id": step_id, "type": "errands", "config": settings, **more}


def a_flow(flow_id: str, parts: list[Part], edges: list[tuple[str, ...]], **more: Any) -> Flow:
    wired = [dict(zip(("source", "target", "source_port"), each, strict=False)) for each in edges]
    start: Part = {"id": "start", "type": "trigger_manual"}
    document = {"id": flow_id, "name": flow_id, "steps": [start, *parts], "edges": wired, **more}
    return Flow.from_dict(document, catalog=catalog())


def a_row(flow_id: str, *parts: Part, **more: Any) -> Flow:
    """These steps one after another."""
    ids = ["start", *(str(each["id"]) for each in parts)]
    return a_flow(flow_id, list(parts), list(pairwise(ids)), **more)


def calls(receiver: str, *step_ids: str, flow_id: str = "short") -> Flow:
    return a_row(flow_id, *(call(receiver, each) for each in step_ids))


def ten(receiver: str) -> tuple[Flow, Flow]:
    """Ten steps: requests, a retry, a branch, a foreach, a timer and a child run; and the flow of the child."""
    below = a_row(
        "below",
        call(receiver, "in_child"),
        {"id": "kept", "type": "set_state", "config": {"key": "kept", "value": "<<body.asked>>"}},
    )
    item = {"steps": [call(receiver, "item", "item/<<item>>")]}
    soon: Json = {"max_attempts": 3, "base_ms": 100, "jitter": 0}
    parts: list[Part] = [
        {"id": "prepare", "type": "set_state", "config": {"values": {"n": 1, "list": ["a", "b", "c"]}}},
        call(receiver, "first"),
        {"id": "check", "type": "conditional", "config": {"left": "<<n>>", "operator": "equals", "right": 1}},
        call(receiver, "never"),
        call(receiver, "flaky", retry=soon),
        {"id": "items", "type": "foreach", "config": {"items": "<<list>>", "body": item}},
        {"id": "nap", "type": "delay", "config": {"seconds": 0.2}},
        {"id": "child", "type": "subflow", "config": {"flow": "below", "input": {"asked": "<<n>>"}}},
        call(receiver, "last"),
        {"id": "sum", "type": "transform", "config": {"value": {"all": "<<steps.items>>", "n": "<<n>>"}}},
    ]
    edges: list[tuple[str, ...]] = [
        ("start", "prepare"),
        ("prepare", "first"),
        ("first", "check"),
        ("check", "never", "false"),
        ("check", "flaky", "true"),
        *zip(
            ("flaky", "items", "nap", "child", "last"), ("items", "nap", "child", "last", "sum"), strict=True
        ),
    ]
    return a_flow("ten", parts, edges), below
