"""What starts a flow, read out of its document: nothing is compiled, and a step type may be one that is not known here."""

import json
from dataclasses import dataclass

import msgspec
from pydantic import ValidationError

from openrun.steps.catalog import StepCatalog
from openrun.steps.triggers.webhook import TriggerWebhook, TriggerWebhookConfig
from openrun.store.rows import VersionRow
from openrun.triggers.routes import Endpoint


class _Step(msgspec.Struct):
    id: str
    type: str
    config: msgspec.Raw = msgspec.Raw(b"{}")


class _Outline(msgspec.Struct):
    """Of a document only what is needed, so that the rest, which may be long, is passed over."""

    steps: list[_Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A step that starts runs; `endpoint` is what a webhook answers to."""

    id: str
    type: str
    endpoint: Endpoint | None = None


def triggers_of(row: VersionRow, catalog: StepCatalog) -> list[Trigger]:
    """The triggers of a version that this process knows, in the document's order."""
    outline = msgspec.json.decode(row.document, type=_Outline)
    return [
        Trigger(id=step.id, type=step.type, endpoint=_endpoint(step, row, catalog))
        for step in outline.steps
        if step.type in catalog and catalog.get(step.type).is_trigger
    ]


def _endpoint(step: _Step, row: VersionRow, catalog: StepCatalog) -> Endpoint | None:
    if not issubclass(catalog.get(step.type), TriggerWebhook):
        return None
    try:
        config = TriggerWebhookConfig.model_validate(json.loads(bytes(step.config)))
    except ValidationError:
        # Written where webhooks could be something that they cannot be here.
        return None
    return Endpoint(
        namespace=row.namespace, flow_id=row.flow_id, version=row.version, step_id=step.id, config=config
    )
