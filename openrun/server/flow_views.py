"""Flows as the API takes and tells them."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, RootModel

from openrun.core.errors import ValidationError
from openrun.core.types import Json
from openrun.server.hooks import PREFIX
from openrun.server.instants import instant
from openrun.server.outlines import Trigger
from openrun.server.translation import faults
from openrun.store.rows import FlowRow, VersionRow

_VERSION = "9f2c4e1ab07d5836e4c1f0a92b7d68c35e0f1a4b8c9d7e6f5a3b2c1d0e9f8a7b"
_DOCUMENT = {
    "id": "orders",
    "name": "Orders",
    "steps": [
        {"id": "hook", "type": "trigger_webhook", "config": {"path": "/orders"}},
        {"id": "total", "type": "transform", "config": {"value": "<<body.total>>"}},
    ],
    "edges": [{"source": "hook", "target": "total"}],
}
_DETAIL = "there is no step 'totla'"


class FlowDocument(RootModel[dict[str, Any]]):
    """A flow document; https://openrun.dev/schemas/flow/v1.json is its schema."""

    root: dict[str, Any] = Field(
        title="Flow document", description="Settings, steps and edges.", examples=[_DOCUMENT]
    )


class TriggerView(BaseModel):
    """What starts runs of a flow."""

    id: str = Field(title="Id", description="Id of the step.", examples=["hook"])
    type: str = Field(title="Type", description="Key of the step type.", examples=["trigger_webhook"])
    path: str | None = Field(
        default=None,
        title="Path",
        description="Of a webhook: the path of its URL, with its parameters.",
        examples=["/hooks/orders", "/hooks/@shop/users/{user_id}"],
    )
    methods: list[str] | None = Field(
        default=None,
        title="Methods",
        description="Of a webhook: the HTTP methods that start a run.",
        examples=[["POST"]],
    )


class FlowSummary(BaseModel):
    """A flow in short."""

    id: str = Field(title="Id", description="Short name of the flow.", examples=["orders"])
    name: str = Field(title="Name", description="A title for people.", examples=["Orders"])
    version: str = Field(
        title="Version",
        description="The current version, which new runs get: SHA-256 of its canonical document, in hex.",
        examples=[_VERSION],
    )
    enabled: bool = Field(
        title="Enabled",
        description="Whether its triggers start runs; by the API runs can be started anyway.",
        examples=[True],
    )
    created_at: datetime = Field(
        title="Created at",
        description="When the current version was kept first.",
        examples=["2026-11-21T11:30:46.123000Z"],
    )
    triggers: list[TriggerView] = Field(
        title="Triggers",
        description="What starts runs of it, as far as this server knows the step types.",
        examples=[[{"id": "hook", "type": "trigger_webhook", "path": "/hooks/orders", "methods": ["POST"]}]],
    )


class FlowView(FlowSummary):
    """A flow with the document of its current version."""

    document: dict[str, Any] = Field(
        title="Document",
        description="The canonical document: defaults left out.",
        examples=[_DOCUMENT],
    )


class Fault(BaseModel):
    """What is wrong with a document, or seldom meant."""

    pointer: str = Field(
        title="Pointer",
        description="Where: a JSON Pointer (RFC 6901) into the document, as a URI fragment.",
        examples=["#/edges/0/target"],
    )
    detail: str = Field(title="Detail", description="What is wrong.", examples=[_DETAIL])
    code: str = Field(
        title="Code", description="A word that stays the same in all versions.", examples=["UNKNOWN_STEP"]
    )
    severity: Literal["error", "warning"] = Field(
        title="Severity", description="A warning keeps no flow from running.", examples=["error"]
    )
    step_id: str | None = Field(
        default=None, title="Step", description="The step that it is about.", examples=["hook"]
    )
    hint: str | None = Field(
        default=None, title="Hint", description="The way out.", examples=["did you mean 'total'?"]
    )


class KeptFlow(FlowSummary):
    """A flow that was kept, or is another version now."""

    warnings: list[Fault] = Field(
        default_factory=list, title="Warnings", description="What the document says and seldom means."
    )


class Validation(BaseModel):
    """Everything that can be said of a document before its first run."""

    valid: bool = Field(title="Valid", description="Whether there is no error.", examples=[False])
    errors: list[Fault] = Field(title="Errors", description="All that keeps the flow from being kept.")
    warnings: list[Fault] = Field(
        title="Warnings", description="What is seldom meant; looked for once there is no error."
    )


class VersionSummary(BaseModel):
    """A version of a flow."""

    flow: str = Field(title="Flow", description="Id of the flow.", examples=["orders"])
    version: str = Field(
        title="Version", description="SHA-256 of the canonical document, in hex.", examples=[_VERSION]
    )
    name: str = Field(title="Name", description="The flow's title in this version.", examples=["Orders"])
    created_at: datetime = Field(
        title="Created at", description="When it was kept first.", examples=["2026-11-21T11:30:46.123000Z"]
    )
    current: bool = Field(title="Current", description="Whether new runs get it.", examples=[True])


class VersionView(VersionSummary):
    """A version of a flow with its document."""

    document: dict[str, Any] = Field(
        title="Document", description="The canonical document.", examples=[_DOCUMENT]
    )


class FieldView(BaseModel, from_attributes=True):
    """A value that is not the same in both versions."""

    pointer: str = Field(
        title="Pointer",
        description="Its place: a JSON Pointer (RFC 6901) into the flow, or into the step that has it.",
        examples=["/config/url"],
    )
    kind: Literal["added", "removed", "changed"] = Field(
        title="Kind", description="What became of it.", examples=["changed"]
    )
    old: Json = Field(
        default=None,
        title="Old",
        description="The older value; null when it was added.",
        examples=["https://old.example.com"],
    )
    new: Json = Field(
        default=None,
        title="New",
        description="The newer value; null when it was removed.",
        examples=["https://new.example.com"],
    )


class StepChangeView(BaseModel, from_attributes=True):
    """A step that both versions have."""

    id: str = Field(title="Id", description="Id of the step.", examples=["fetch"])
    fields: list[FieldView] = Field(title="Fields", description="What is not the same in it.")


class RenamingView(BaseModel, from_attributes=True):
    """A step that has another id and is the same otherwise."""

    old: str = Field(title="Old", description="Its id in the older version.", examples=["fetch"])
    new: str = Field(title="New", description="Its id in the newer version.", examples=["fetch-user"])


class EdgeView(BaseModel, from_attributes=True):
    """An edge."""

    source: str = Field(title="Source", description="Id of the step that it leaves.", examples=["hook"])
    source_port: str = Field(title="Source port", description="The port there.", examples=["default"])
    target: str = Field(title="Target", description="Id of the step that it leads to.", examples=["fetch"])


class FlowDiffView(BaseModel, from_attributes=True):
    """What is different between two versions of a flow."""

    fields: list[FieldView] = Field(
        title="Fields", description="What is not the same in the flow itself, beside steps and edges."
    )
    added: list[str] = Field(title="Added", description="Ids of new steps.", examples=[["audit"]])
    removed: list[str] = Field(title="Removed", description="Ids of steps that are gone.", examples=[["log"]])
    renamed: list[RenamingView] = Field(
        title="Renamed", description="Steps that are equal but for their ids."
    )
    changed: list[StepChangeView] = Field(
        title="Changed", description="Steps that both have, and that are not the same."
    )
    moved: list[str] = Field(
        title="Moved",
        description="Ids of steps that are only drawn elsewhere.",
        examples=[["fetch"]],
    )
    edges_added: list[EdgeView] = Field(title="Edges added", description="New edges.")
    edges_removed: list[EdgeView] = Field(
        title="Edges removed", description="Edges that are gone; those of renamed steps follow them."
    )
    patch: list[dict[str, Any]] = Field(
        title="Patch",
        description="JSON Patch (RFC 6902) that makes the newer document out of the older one.",
        examples=[[{"op": "replace", "path": "/name", "value": "Orders"}]],
    )


class VersionDiff(FlowDiffView):
    """Which versions were compared, and what is different in the newer one."""

    from_version: str = Field(title="From", description="The older version.", examples=[_VERSION])
    to_version: str = Field(title="To", description="The newer version.", examples=[_VERSION[::-1]])


def trigger_view(trigger: Trigger) -> TriggerView:
    """A trigger in short; a webhook with the path of its URL."""
    its = trigger.endpoint
    if its is None:
        return TriggerView(id=trigger.id, type=trigger.type)
    methods = list(its.config.methods)
    return TriggerView(id=trigger.id, type=trigger.type, path=PREFIX + its.path, methods=methods)


def summary_members(row: FlowRow, triggers: Iterable[Trigger]) -> dict[str, Any]:
    """What each view of a flow begins with."""
    return {
        "id": row.flow_id,
        "name": row.name,
        "version": row.version,
        "enabled": row.enabled,
        "created_at": instant(row.created_at),
        "triggers": [trigger_view(each) for each in triggers],
    }


def version_members(row: VersionRow, current: str) -> dict[str, Any]:
    """What each view of a version begins with."""
    return {
        "flow": row.flow_id,
        "version": row.version,
        "name": row.name,
        "created_at": instant(row.created_at),
        "current": row.version == current,
    }


def document_of(row: VersionRow) -> dict[str, Json]:
    """The document of a version."""
    # It was bounded when it was kept, and the strict decoder takes ten times as long.
    document: dict[str, Json] = json.loads(row.document)
    return document


def fault_views(found: Sequence[ValidationError]) -> list[Fault]:
    """Faults as a problem has them, too."""
    return [Fault.model_validate(each) for each in faults(tuple(found))]
