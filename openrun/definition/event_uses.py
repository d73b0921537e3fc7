"""Which events a flow's document says that it takes and publishes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from openrun.core.interpolation import has_template
from openrun.core.types import Json, StepType

UseKind = Literal["starts", "waits", "emits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventUse:
    """A step that has to do with events of a type; of a trigger, `event_type` may be a pattern."""

    kind: UseKind
    event_type: str
    step_id: str
    description: str | None = None


def event_uses(document: Mapping[str, Json]) -> Iterator[EventUse]:
    """All of a flow's, those in bodies and compensations too; types that only a run can tell are left out."""
    for step in _steps(document):
        for use in _uses(step):
            if not has_template(use.event_type):
                yield use


def _steps(document: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    for step in document.get("steps", ()):
        yield step
        body = _config(step).get("body")
        if step["type"] == StepType.FOREACH and isinstance(body, dict):
            yield from _steps(body)
        undoing = step.get("compensate")
        if isinstance(undoing, dict):
            yield {**undoing, "id": step["id"]}


def _uses(step: Mapping[str, Json]) -> Iterator[EventUse]:
    config = _config(step)
    wanted: tuple[UseKind, list[Json]]
    match step["type"]:
        case StepType.TRIGGER_EVENT:
            every = config.get("all_of") or [config]
            wanted = "starts", [each.get("event_type") for each in every]
        case StepType.WAIT:
            wanted = "waits", [config.get("event")]
        case StepType.EMIT:
            wanted = "emits", [config.get("event_type")]
        case _:
            return
    kind, types = wanted
    for each in types:
        if isinstance(each, str):
            about = config.get("description") or step.get("name")
            yield EventUse(kind=kind, event_type=each, step_id=step["id"], description=about)


def _config(step: Mapping[str, Json]) -> Mapping[str, Json]:
    config = step.get("config")
    return config if isinstance(config, dict) else {}
