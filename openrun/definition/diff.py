"""What is different between two documents of a flow, told as people think of it, and as a JSON Patch (RFC 6902).

Steps are known by their ids, wherever they stand in their list. A step that is gone and one that is new are one step
that was renamed when they are equal but for their ids; an edge that only follows a renaming has not changed. Where a
step is drawn says nothing about what it does, and is told apart.

The patch keeps the longest run of steps that are in the same order in both, so that a step put in front is one
operation; what has changed its place is removed and added again.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from openrun.core.patch import difference
from openrun.core.strict_json import canonical, pointer_token
from openrun.core.types import DEFAULT_PORT, Json

Document = Mapping[str, Json]

_POSITION = "/position"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A value that is not the same; `pointer` (RFC 6901) begins at the flow, or at the step that has it."""

    pointer: str
    kind: Literal["added", "removed", "changed"]
    old: Json = None
    new: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """A step that both have, and what is not the same in it; `id` is the new one."""

    id: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """A step that has another id and is the same otherwise."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeEnds:
    """An edge, from a port of one step to another step."""

    source: str
    source_port: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDiff:
    """What is different in the newer of two documents of a flow; steps by id, in the order of their documents."""

    fields: tuple[FieldChange, ...] = ()
    """Of the flow itself, not of its steps and edges."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: tuple[Renaming, ...] = ()
    changed: tuple[StepChange, ...] = ()
    moved: tuple[str, ...] = ()
    """Steps that are drawn elsewhere, and are the same otherwise."""
    edges_added: tuple[EdgeEnds, ...] = ()
    edges_removed: tuple[EdgeEnds, ...] = ()
    patch: tuple[Mapping[str, Json], ...] = ()
    """The operations that make the newer document out of the older one."""


def diff(old: Document, new: Document) -> FlowDiff:
    """What is different in `new`; only `patch` tells of another order of steps or edges, and of an edge's `x-` keys."""
    before, after = _by_id(old), _by_id(new)
    gone = [step_id for step_id in before if step_id not in after]
    come = [step_id for step_id in after if step_id not in before]
    renamed = _renamings(before, after, gone, come)
    names = {each.old: each.new for each in renamed}
    both = [
        StepChange(id=step_id, fields=found)
        for step_id, step in after.items()
        if step_id in before and (found := _changes(before[step_id], step))
    ]
    edges_before, edges_after = _edges(old, names), _edges(new, {})
    return FlowDiff(
        fields=_changes(_settings(old), _settings(new)),
        added=tuple(step_id for step_id in come if step_id not in names.values()),
        removed=tuple(step_id for step_id in gone if step_id not in names),
        renamed=renamed,
        changed=tuple(each for each in both if not _is_move(each)),
        moved=tuple(each.id for each in both if _is_move(each)),
        edges_added=tuple((edges_after - edges_before).elements()),
        edges_removed=tuple((edges_before - edges_after).elements()),
        patch=tuple(_patch(old, new)),
    )


def _by_id(document: Document) -> dict[str, dict[str, Json]]:
    return {step["id"]: step for step in document.get("steps", ())}


def _settings(document: Document) -> dict[str, Json]:
    return {key: value for key, value in document.items() if key not in ("steps", "edges")}


def _is_move(change: StepChange) -> bool:
    return all(field.pointer.startswith(_POSITION) for field in change.fields)


def _changes(before: Json, after: Json) -> tuple[FieldChange, ...]:
    """The values that are not the same, told by their places in the one that has them."""
    return tuple(_change(each, before) for each in difference(before, after))


def _change(operation: Mapping[str, Json], before: Json) -> FieldChange:
    pointer, new = operation["path"], operation.get("value")
    match operation["op"]:
        case "add":
            return FieldChange(pointer=pointer, kind="added", new=new)
        case "remove":
            return FieldChange(pointer=pointer, kind="removed", old=_at(before, pointer))
        case _:
            return FieldChange(pointer=pointer, kind="changed", old=_at(before, pointer), new=new)


def _at(value: Json, pointer: str) -> Json:
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def _renamings(
    before: Mapping[str, Document], after: Mapping[str, Document], gone: Iterable[str], come: Iterable[str]
) -> tuple[Renaming, ...]:
    """Steps that are gone and new ones that are equal but for their ids, in pairs and in order."""
    nameless: dict[str, list[str]] = defaultdict(list)
    for step_id in gone:
        nameless[_nameless(before[step_id])].append(step_id)
    found: list[Renaming] = []
    for step_id in come:
        equal = nameless.get(_nameless(after[step_id]))
        if equal:
            found.append(Renaming(old=equal.pop(0), new=step_id))
    return tuple(found)


def _nameless(step: Document) -> str:
    return canonical({key: value for key, value in step.items() if key != "id"})


def _edges(document: Document, names: Mapping[str, str]) -> Counter[EdgeEnds]:
    """The edges between steps, those of renamed ones by their new names."""
    return Counter(
        replace(ends, source=names.get(ends.source, ends.source), target=names.get(ends.target, ends.target))
        for ends in map(_ends, document.get("edges", ()))
    )


def _ends(edge: Document) -> EdgeEnds:
    port = edge.get("source_port", DEFAULT_PORT)
    return EdgeEnds(source=edge["source"], source_port=port, target=edge["target"])


def _patch(old: Document, new: Document) -> list[Json]:
    """A list of steps or edges that only one of them has is a value like any other."""
    lists = [key for key in ("steps", "edges") if key in old and key in new]
    found = difference(
        {key: value for key, value in old.items() if key not in lists},
        {key: value for key, value in new.items() if key not in lists},
    )
    for key in lists:
        found += _list_patch(_named(old[key]), _named(new[key]), f"/{key}")
    return found


_Named = Mapping[tuple[str, int], Json]
"""Items of a list in order, each by its name and by how many of that name are before it."""


def _named(items: Sequence[Document]) -> _Named:
    """A step's name is its id, an edge's is all of it."""
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Json] = {}
    for item in items:
        name = item["id"] if "id" in item else canonical(item)
        found[name, seen[name]] = item
        seen[name] += 1
    return found


def _list_patch(before: _Named, after: _Named, pointer: str) -> list[Json]:
    """Away with what does not stay in its place, from the end; then what is new or has changed, from the front."""
    places = {name: at for at, name in enumerate(before)}
    staying = _in_order([name for name in after if name in places], places)
    found: list[Json] = [
        {"op": "remove", "path": pointer + pointer_token(at)}
        for name, at in reversed(places.items())
        if name not in staying
    ]
    for at, (name, item) in enumerate(after.items()):
        place = pointer + pointer_token(at)
        if name not in staying:
            found.append({"op": "add", "path": place, "value": item})
            continue
        found += [{**each, "path": place + each["path"]} for each in difference(before[name], item)]
    return found


def _in_order(
    names: Sequence[tuple[str, int]], places: Mapping[tuple[str, int], int]
) -> set[tuple[str, int]]:
    """The most of these names whose places grow: a longest increasing subsequence."""
    ends: list[int] = []
    last: list[tuple[str, int]] = []
    previous: dict[tuple[str, int], tuple[str, int] | None] = {}
    for name in names:
        length = bisect_left(ends, places[name])
        previous[name] = last[length - 1] if length else None
        ends[length : length + 1] = [places[name]]
        last[length : length + 1] = [name]
    found: set[tuple[str, int]] = set()
    at = last[-1] if last else None
    while at is not None:
        found.add(at)
        at = previous[at]
    return found
