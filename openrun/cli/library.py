"""The flows of --flows: those that the flow to run refers to, over any number of steps, and no others."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openrun.cli.refusal import Faulty, Refusal
from openrun.cli.source import load_flow, read_text
from openrun.core.errors import InvalidFlow
from openrun.core.types import Json
from openrun.definition.draft import slug
from openrun.definition.program import body_document
from openrun.definition.reader import examine, load_document
from openrun.flow import Flow
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A flow that may be run by another one; read from a folder only when it is asked for."""

    source: str
    flow: Flow | None


class Library:
    """Flows by id."""

    def __init__(self, catalog: StepCatalog) -> None:
        self._catalog = catalog
        self._shelves: dict[str, Shelf] = {}

    @classmethod
    def of(cls, paths: Iterable[str], catalog: StepCatalog) -> "Library":
        """The flows at these paths; JSON files in a folder that are no flows do not matter."""
        library = cls(catalog)
        for path in paths:
            if Path(path).is_dir():
                for file in sorted(Path(path).glob("*.json")):
                    flow_id = _flow_id(str(file))
                    if flow_id is not None:
                        library._put(flow_id, Shelf(source=str(file), flow=None))
            else:
                flow = load_flow(path, catalog)
                library._put(flow.id, Shelf(source=path, flow=flow))
        return library

    @property
    def ids(self) -> list[str]:
        return list(self._shelves)

    def needed_by(self, flow: Flow) -> list[Flow]:
        """The flow itself and all that it refers to. Raises `Faulty` for one of them that is not valid."""
        found = {flow.id: flow}
        pending = [flow]
        while pending:
            for ref in sorted(set(flow_refs(pending.pop().steps, self._catalog))):
                if ref not in found and ref in self._shelves:
                    found[ref] = self._take(self._shelves[ref], {flow.id, *self.ids})
                    pending.append(found[ref])
        return list(found.values())

    def every(self, known: Iterable[str] = ()) -> list[Flow]:
        """All of them; `known` are others that they may refer to. Raises `Faulty` for one that is not valid."""
        ids = {*self.ids, *known}
        return [self._take(shelf, ids) for shelf in self._shelves.values()]

    def _put(self, flow_id: str, shelf: Shelf) -> None:
        other = self._shelves.setdefault(flow_id, shelf)
        if Path(other.source) != Path(shelf.source):
            message = f"two flows have the id {flow_id!r}: {other.source} and {shelf.source}"
            raise Refusal(message, hint="give one another `id`, or name one file in place of its folder")

    def _take(self, shelf: Shelf, known: set[str]) -> Flow:
        flow = shelf.flow or load_flow(shelf.source, self._catalog)
        faults = flow.errors(known)
        if faults:
            raise Faulty(shelf.source, faults)
        return flow


def flow_refs(steps: Iterable[Step], catalog: StepCatalog) -> Iterator[str]:
    """Ids of the flows that these steps run, those in bodies included."""
    for step in steps:
        yield from step.flow_refs()
        if step.compensation is not None:
            yield from step.compensation.flow_refs()
        body = step.body()
        draft = examine(body_document(body), catalog)[0] if body is not None else None
        if draft is not None:
            yield from flow_refs(draft.steps, catalog)


def _flow_id(source: str) -> str | None:
    """The id of the flow in a file, or None when the file holds something else."""
    try:
        document: Json = load_document(read_text(source))
    except InvalidFlow:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("steps"), list):
        return None
    flow_id, name = document.get("id"), document.get("name")
    if isinstance(flow_id, str) and flow_id:
        return flow_id
    return slug(name) if isinstance(name, str) else None
