"""Flows to be served: those of files, of folders of JSON and Python, and of modules, with what is wrong with the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from openrun.cli.modules import catalog_with
from openrun.cli.python_file import execute, flows_in
from openrun.cli.refusal import Faulty, Refusal
from openrun.cli.source import load_flow, read_text
from openrun.core.errors import InvalidFlow
from openrun.core.types import Json
from openrun.definition.reader import load_document
from openrun.flow import Flow
from openrun.steps.catalog import StepCatalog, StepTypeConflict

_PYTHON = ".py"
_JSON = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A flow, and where it was found."""

    source: str
    flow: Flow


@dataclass(slots=True)
class Collection:
    """What was found; it grows while places are looked at."""

    catalog: StepCatalog
    found: list[Found] = field(default_factory=list)
    refused: list[tuple[str, Refusal]] = field(default_factory=list)
    """Sources that cannot be served, and why."""
    named: set[str] = field(default_factory=set)
    """Sources that the command line names; the others were found in folders."""

    @classmethod
    def of(cls, names: Iterable[str], catalog: StepCatalog) -> "Collection":
        """Look at all these places: Python first, for its steps may stand in documents."""
        collection = cls(catalog)
        sources = [*dict.fromkeys(source for name in names for source in collection._sources(name))]
        for source in sorted(sources, key=lambda each: not each.endswith(_PYTHON)):
            collection._trying(source, collection._python if source.endswith(_PYTHON) else collection._other)
        return collection

    @property
    def ids(self) -> set[str]:
        return {each.flow.id for each in self.found}

    @property
    def sources(self) -> list[str]:
        """All that was looked at, served or not."""
        return [*(each.source for each in self.found), *(source for source, _refusal in self.refused)]

    def of_source(self, source: str) -> list[Flow]:
        return [each.flow for each in self.found if each.source == source]

    def look_again(self, source: str, known: Iterable[str], *, is_named: bool) -> Flow | None:
        """The flow of a JSON file that has changed, None when it holds something else. Raises `Refusal`.

        What was found in it before stays when it is refused.
        """
        if not is_named and not holds_a_flow(Path(source)):
            return None
        flow = load_flow(source, self.catalog)
        faults = flow.errors({*self.ids, *known, flow.id})
        if faults:
            raise Faulty(source, faults)
        before = self.found
        self.found = [each for each in before if each.source != source]
        try:
            self._put(source, flow)
        except Refusal:
            self.found = before
            raise
        return flow

    def check(self, known: Iterable[str]) -> None:
        """Refuse the flows that have errors; `known` are ids of flows that they may refer to, beside these."""
        ids = self.ids | set(known)
        for each in list(self.found):
            faults = each.flow.errors(ids)
            if faults:
                self.found.remove(each)
                self.refused.append((each.source, Faulty(each.source, faults)))

    def _sources(self, name: str) -> Iterator[str]:
        path = Path(name)
        if not path.is_dir():
            self.named.add(name)
            yield name
            return
        files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        yield from (str(each) for each in files if is_offered(each))

    def _trying(self, source: str, load: Callable[[str], None]) -> None:
        try:
            load(source)
        except InvalidFlow as invalid:
            self.refused.append((source, Faulty(source, invalid.errors)))
        except StepTypeConflict as conflict:
            self.refused.append((source, Refusal(f"{source}: {conflict}")))
        except Refusal as refusal:
            self.refused.append((source, refusal))

    def _python(self, source: str) -> None:
        module = execute(Path(source))
        self.catalog = catalog_with([module.__name__], self.catalog)
        for flow in flows_in(module):
            self._put(source, flow)

    def _other(self, source: str) -> None:
        if source in self.named or holds_a_flow(Path(source)):
            self._put(source, load_flow(source, self.catalog))

    def _put(self, source: str, flow: Flow) -> None:
        for key, cls in flow.catalog.items():
            self.catalog.add(key, cls)
        other = next((each for each in self.found if each.flow.id == flow.id), None)
        if other is None:
            self.found.append(Found(source=source, flow=flow))
        elif other.flow is not flow:
            hint = "give one another `id`"
            raise Refusal(f"two flows have the id {flow.id!r}: {other.source} and {source}", hint=hint)


def is_offered(path: Path) -> bool:
    """A file of a folder is looked into: JSON, or Python whose name does not begin with _."""
    return path.suffix == _JSON or (path.suffix == _PYTHON and not path.name.startswith("_"))


def holds_a_flow(path: Path) -> bool:
    """A JSON file is meant to be a flow: it has `steps`, or cannot even be read. Raises `Refusal`."""
    try:
        document: Json = load_document(read_text(str(path)))
    except InvalidFlow:
        return True
    return isinstance(document, dict) and "steps" in document


def require_some(collection: Collection) -> None:
    """Raises `Refusal` when nothing of it can be served, or the command line names what cannot be."""
    for source, refusal in collection.refused:
        if source in collection.named or not collection.found:
            raise refusal
