"""A flow compiled to look-ups: integers for steps and edges, what each edge leaves, repeats and enters.

Compiled once per version and shared by all its runs; nothing here changes afterwards but caches of
values derived from it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Self

from openrun.core.regions import Region, find_regions
from openrun.core.retry import RetryPolicy
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, EffectClass, JoinMode, Losers, OnFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """What the machine needs to know of a step; times in seconds."""

    id: str
    ports: tuple[str, ...] = (DEFAULT_PORT,)
    join_mode: JoinMode = JoinMode.NO_WAIT
    losers: Losers = Losers.DETACH
    retry: RetryPolicy | None = None
    timeout: float | None = None
    allow_failure: bool = False
    always: bool = False
    effect: EffectClass = EffectClass.EXTERNAL
    max_iterations: int | None = None
    is_trigger: bool = False
    replies: bool = False
    body: "GraphSpec | None" = None
    compensation: "GraphSpec | None" = None
    """A graph of one step that undoes this one, under this one's id."""
    as_run: bool = False
    """It reads the state as the step that it undoes did when it ran, not as that left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSpec:
    source: str
    target: str
    port: str = DEFAULT_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """A flow as the machine sees it; all ids and ports are known to exist."""

    steps: tuple[StepSpec, ...]
    edges: tuple[EdgeSpec, ...]
    on_failure: OnFailure = OnFailure.DRAIN
    max_activations: int = 100_000
    loop_limit: int = 1_000
    """For loops whose headers say nothing; `loop_limit_max` bounds what they say."""
    loop_limit_max: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """A compiled edge.

    `exits` are the regions it leaves, innermost first; `back` is the region it repeats, `enters` the one it
    enters. `plain` says that it does none of these.
    """

    index: int
    source: int
    port: str
    target: int
    exits: tuple[int, ...] = ()
    back: int | None = None
    enters: int | None = None
    plain: bool = True
    sole: bool = False
    """Plain, and the only edge its target decides by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A region with its edges: `inputs` come from outside into headers, `exits` leave it at any depth."""

    region: Region
    limit: int
    inputs: tuple[Link, ...]
    exits: tuple[Link, ...]


@dataclass(slots=True, eq=False)
class Graph:
    """The look-ups of one flow version (or of a foreach body)."""

    spec: GraphSpec
    steps: tuple[StepSpec, ...]
    index: dict[str, int]
    links: tuple[Link, ...]
    out: tuple[tuple[Link, ...], ...]
    inner: tuple[tuple[Link, ...], ...]
    """Per step, the inbound edges it decides by inside a frame: neither back edges nor entries of a loop."""
    inputs: tuple[tuple[Link, ...], ...]
    """Per step, the inbound edges from outside the loop whose header it is."""
    loops: tuple[Loop, ...]
    home: tuple[int | None, ...]
    """Per step, the innermost loop that holds it."""
    error_wired: tuple[bool, ...]
    bodies: dict[int, "Graph"]
    compensations: dict[int, "Graph"]
    """Per step that can be undone, the graph that does it."""
    protected: frozenset[int]
    """Steps that still run after a cancel: those marked always, and what only they lead to."""
    _ruled_out: dict[tuple[int, ...], tuple[tuple[int, ...], tuple[Link, ...]]] = field(default_factory=dict)
    _hopeless: frozenset[int] | None = None
    _reach: dict[int, frozenset[int]] = field(default_factory=dict)
    _losers: dict[int, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def compile(cls, spec: GraphSpec) -> Self:
        """Compile; costs O(steps + edges) beside the loops."""
        index = {step.id: at for at, step in enumerate(spec.steps)}
        pairs = [(index[edge.source], index[edge.target]) for edge in spec.edges]
        regions = find_regions(len(spec.steps), pairs)
        links = _links(spec, pairs, regions)
        out = _group(len(spec.steps), links, by_target=False)
        return cls(
            spec=spec,
            steps=spec.steps,
            index=index,
            links=links,
            out=out,
            inner=_group(len(spec.steps), [k for k in links if k.back is None and k.enters is None]),
            inputs=_group(len(spec.steps), [k for k in links if k.enters is not None]),
            loops=_loops(regions, links, spec),
            home=tuple(chain[0] if chain else None for chain in _chains(len(spec.steps), regions)),
            error_wired=tuple(any(link.port == ERROR_PORT for link in each) for each in out),
            bodies={at: cls.compile(step.body) for at, step in enumerate(spec.steps) if step.body},
            compensations={
                at: cls.compile(step.compensation) for at, step in enumerate(spec.steps) if step.compensation
            },
            protected=_protected(spec, links),
        )

    def entries(self) -> tuple[int, ...]:
        """Steps without any inbound edge: where a foreach body begins."""
        entered = {link.target for link in self.links}
        return tuple(at for at in range(len(self.steps)) if at not in entered)

    def ruled_out(self, sources: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[Link, ...]]:
        """Steps that no path from `sources` leads to, and their edges into steps that one does."""
        found = self._ruled_out.get(sources)
        if found is None:
            reached = _walk(sources, self.out, lambda _link: True)
            steps = tuple(at for at in range(len(self.steps)) if at not in reached)
            links = tuple(k for at in steps for k in self.out[at] if k.target in reached)
            found = self._ruled_out[sources] = steps, links
        return found

    def token_reach(self, source: int) -> frozenset[int]:
        """Steps that a repeated run of `source` leads to within its frame, itself included."""
        found = self._reach.get(source)
        if found is None:
            home = self.home[source]
            found = _walk(
                (source,), self.out, lambda k: home is None or (k.back != home and home not in k.exits)
            )
            self._reach[source] = found
        return found

    def hopeless(self) -> frozenset[int]:
        """Steps behind which a failure that arrives cannot be handled, whatever else happens."""
        if self._hopeless is None:
            spared: set[int] = set()
            for at, step in enumerate(self.steps):
                if step.join_mode is JoinMode.FIRST_SUCCESS and step.losers is Losers.CANCEL:
                    # The race may take them out of the way before they run.
                    spared |= self.losers(at)
            self._hopeless = _hopeless(self.spec, self.out, spared)
        return self._hopeless

    def losers(self, join: int) -> frozenset[int]:
        """Steps from which every path leads to `join` within its frame."""
        found = self._losers.get(join)
        if found is None:
            found = self._losers[join] = self._led_to(join)
        return found

    def _led_to(self, join: int) -> frozenset[int]:
        home = self.home[join]
        leaves = {k for k in self.links if home is not None and (k.back == home or home in k.exits)}
        backwards: dict[int, set[int]] = {}
        for link in self.links:
            if link not in leaves:
                backwards.setdefault(link.target, set()).add(link.source)
        upstream = _spread({join}, backwards) - {join}
        strays = {
            step
            for step in upstream
            if any(k in leaves or (k.target != join and k.target not in upstream) for k in self.out[step])
        }
        backwards.pop(join, None)
        return frozenset(upstream - _spread(strays, backwards))


def _spread(seeds: set[int], backwards: dict[int, set[int]]) -> set[int]:
    seen = set(seeds)
    pending = list(seeds)
    while pending:
        for source in backwards.get(pending.pop(), ()):
            if source not in seen:
                seen.add(source)
                pending.append(source)
    return seen


def _walk(
    sources: Collection[int], out: tuple[tuple[Link, ...], ...], follow: Callable[[Link], bool]
) -> frozenset[int]:
    seen = set(sources)
    pending = list(sources)
    while pending:
        for link in out[pending.pop()]:
            if link.target not in seen and follow(link):
                seen.add(link.target)
                pending.append(link.target)
    return frozenset(seen)


def _chains(size: int, regions: Sequence[Region]) -> list[tuple[int, ...]]:
    """Per step, the regions that hold it, innermost first."""
    chains: list[tuple[int, ...]] = [()] * size
    for region in regions:
        for step in region.steps:
            chains[step] = (region.index, *chains[step])
    return chains


def _links(spec: GraphSpec, pairs: list[tuple[int, int]], regions: Sequence[Region]) -> tuple[Link, ...]:
    chains = _chains(len(spec.steps), regions)
    arity = Counter(target for _source, target in pairs)
    links = []
    for at, ((source, target), edge) in enumerate(zip(pairs, spec.edges, strict=True)):
        exits, back, enters = _crossing(chains[source], chains[target], target, regions)
        plain = not exits and back is None and enters is None
        links.append(
            Link(
                index=at,
                source=source,
                port=edge.port,
                target=target,
                exits=exits,
                back=back,
                enters=enters,
                plain=plain,
                sole=plain and arity[target] == 1,
            )
        )
    return tuple(links)


def _crossing(
    source: tuple[int, ...], target: tuple[int, ...], step: int, regions: Sequence[Region]
) -> tuple[tuple[int, ...], int | None, int | None]:
    """The regions an edge leaves, the one it repeats and the one it enters, by the chains of its ends."""
    if not source and not target:
        return (), None, None
    exits = tuple(region for region in source if region not in target)
    enters = next((region for region in target if region not in source), None)
    common = next((region for region in source if region in target), None)
    back = common if common is not None and step in regions[common].headers else None
    return exits, back, enters


def _group(size: int, links: Sequence[Link], *, by_target: bool = True) -> tuple[tuple[Link, ...], ...]:
    lists: list[list[Link]] = [[] for _ in range(size)]
    for link in links:
        lists[link.target if by_target else link.source].append(link)
    return tuple(map(tuple, lists))


def _loops(regions: Sequence[Region], links: Sequence[Link], spec: GraphSpec) -> tuple[Loop, ...]:
    inputs: list[list[Link]] = [[] for _ in regions]
    exits: list[list[Link]] = [[] for _ in regions]
    for link in links:
        if link.enters is not None:
            inputs[link.enters].append(link)
        for region in link.exits:
            exits[region].append(link)
    return tuple(
        Loop(
            region=region,
            limit=_limit(region, spec),
            inputs=tuple(inputs[region.index]),
            exits=tuple(exits[region.index]),
        )
        for region in regions
    )


def _limit(region: Region, spec: GraphSpec) -> int:
    given = [spec.steps[header].max_iterations for header in region.headers]
    asked = min((limit for limit in given if limit is not None), default=spec.loop_limit)
    return min(asked, spec.loop_limit_max)


def _protected(spec: GraphSpec, links: Sequence[Link]) -> frozenset[int]:
    """The steps marked always and, as a fixed point, those with inbound edges from protected steps only."""
    marked = {at for at, step in enumerate(spec.steps) if step.always}
    if not marked:
        return frozenset()
    sources = _group(len(spec.steps), links)
    out = _group(len(spec.steps), links, by_target=False)
    found = {at for at in range(len(spec.steps)) if sources[at]} | marked
    # Each step is taken away once, and takes away with it what it leads to.
    pending = [at for at in range(len(spec.steps)) if at not in found]
    while pending:
        for link in out[pending.pop()]:
            if link.target in found and link.target not in marked:
                found.discard(link.target)
                pending.append(link.target)
    # A cycle that no marked step leads to supports itself in the fixed point; only what they reach counts.
    return frozenset(found & _walk(marked, out, lambda _link: True))


def _hopeless(spec: GraphSpec, out: tuple[tuple[Link, ...], ...], spared: set[int]) -> frozenset[int]:
    """A least fixed point: steps that run in spite of a failure, and those that can only pass it on to such.

    Edges that leave or repeat a loop leave hope: where they lead is told by the loop's end.
    """
    paths = [[k for k in links if k.port != ERROR_PORT] for links in out]
    found = {at for at, step in enumerate(spec.steps) if step.always or step.join_mode is JoinMode.ALL_DONE}
    passing = {
        at
        for at, step in enumerate(spec.steps)
        if not step.always
        and (
            step.join_mode is JoinMode.NO_WAIT
            or (
                step.join_mode is JoinMode.ALL_SUCCESS
                and not step.allow_failure
                and not any(k.port == ERROR_PORT for k in out[at])
            )
        )
    }
    passing -= spared
    found = (found - spared) | {at for at in passing if not paths[at]}
    before: dict[int, list[int]] = {}
    for at in passing:
        for link in paths[at]:
            if not link.exits and link.back is None:
                before.setdefault(link.target, []).append(at)
    pending = list(found)
    while pending:
        for at in before.get(pending.pop(), ()):
            if at not in found:
                found.add(at)
                pending.append(at)
    return frozenset(found)
