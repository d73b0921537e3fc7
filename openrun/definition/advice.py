"""What a flow may do but seldom means to: warnings, found on the compiled graph."""

from collections.abc import Iterator, Sequence

from openrun.core.errors import Severity, ValidationError
from openrun.core.graph import Graph, Link
from openrun.core.types import ERROR_PORT, EffectClass, JoinMode, Losers
from openrun.definition.draft import Draft
from openrun.definition.program import graph_spec
from openrun.steps.catalog import StepCatalog

_MOST_WORK = 2_000_000
"""Branches times edges past which exclusive branches are not told apart any more."""


def advise(draft: Draft, catalog: StepCatalog) -> list[ValidationError]:
    """All warnings of a draft without errors."""
    graph = Graph.compile(graph_spec(draft, catalog))
    advice = _Advice(draft, graph)
    found = [*advice.unreachable(), *advice.unguarded(), *advice.twice(), *advice.races()]
    return sorted(found, key=lambda each: each.pointer)


class _Advice:
    def __init__(self, draft: Draft, graph: Graph) -> None:
        self.draft = draft
        self.graph = graph
        self.entries = [at for at, step in enumerate(draft.steps) if step.is_trigger]

    def warn(self, code: str, at: int, message: str, hint: str | None = None) -> ValidationError:
        step = self.graph.steps[at]
        return ValidationError(
            code=code,
            message=f"step {step.id!r} {message}",
            severity=Severity.WARNING,
            step_id=step.id,
            pointer=f"/steps/{at}",
            hint=hint,
        )

    def unreachable(self) -> Iterator[ValidationError]:
        """Steps no trigger leads to."""
        reached: set[int] = set()
        for entry in self.entries:
            reached |= self.graph.reachable(entry)
        for at in range(len(self.graph.steps)):
            if at not in reached:
                yield self.warn("UNREACHABLE", at, "is reached from no trigger", "connect it, or delete it")

    def unguarded(self) -> Iterator[ValidationError]:
        """Loops that only the limit ends."""
        for loop in self.graph.loops:
            header = loop.region.headers[0]
            capped = any(self.graph.steps[at].max_iterations for at in loop.region.headers)
            if not loop.exits and not capped:
                yield self.warn(
                    "UNGUARDED_LOOP",
                    header,
                    "begins a loop without a way out",
                    "add an exit, or max_iterations",
                )

    def races(self) -> Iterator[ValidationError]:
        """Races whose losers touch the outside world."""
        for at, step in enumerate(self.graph.steps):
            if step.join_mode is not JoinMode.FIRST_SUCCESS:
                continue
            risky = [
                self.graph.steps[loser].id
                for loser in sorted(self.graph.losers(at))
                if self.graph.steps[loser].effect in (EffectClass.EXTERNAL, EffectClass.AT_MOST_ONCE)
            ]
            if risky:
                fate = "stopped midway" if step.losers is Losers.CANCEL else "completed in vain"
                names = ", ".join(map(repr, risky))
                yield self.warn("RACE_SIDE_EFFECTS", at, f"is a race whose losers may be {fate}: {names}")

    def twice(self) -> Iterator[ValidationError]:
        """Plain steps that two edges may start, and joins that wait for such steps and for others."""
        repeated = [at for at in range(len(self.graph.steps)) if self._may_repeat(at)]
        for at in repeated:
            yield self.warn(
                "RUNS_TWICE", at, "runs once for each of several edges that may all fire", "set a join_mode"
            )
        downstream = [self.graph.token_reach(at) for at in repeated]
        for at, step in enumerate(self.graph.steps):
            if step.join_mode in (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE) and self._mixes(at, downstream):
                yield self.warn(
                    "MIXED_TOKENS", at, "joins a branch that may run several times with one that runs once"
                )

    def _mixes(self, at: int, downstream: Sequence[frozenset[int]]) -> bool:
        sources = {link.source for link in self.graph.inner[at]}
        return any(sources & reach and sources - reach for reach in downstream)

    def _may_repeat(self, at: int) -> bool:
        step = self.graph.steps[at]
        links = self.graph.inputs[at] or self.graph.inner[at]
        if step.join_mode is not JoinMode.NO_WAIT or step.always or len(links) < 2:
            return False
        return any(
            not self._exclusive(one, other) for place, one in enumerate(links) for other in links[place + 1 :]
        )

    def _exclusive(self, one: Link, other: Link) -> bool:
        """No single choice of any branch, or of the trigger, lets both edges fire."""
        if len(self.entries) > 1 and not any(self._both(one, other, [entry], None) for entry in self.entries):
            return True
        branches = [at for at in range(len(self.graph.steps)) if len(self._choices(at)) > 1]
        if len(branches) * len(self.graph.links) > _MOST_WORK:
            return one.source == other.source and one.port != other.port
        return any(
            not any(self._both(one, other, self.entries, (at, ports)) for ports in self._choices(at))
            for at in branches
        )

    def _choices(self, at: int) -> list[frozenset[str]]:
        """Sets of wired ports that may fire together."""
        ports = {link.port for link in self.graph.out[at]}
        plain = ports - {ERROR_PORT}
        groups = (
            [frozenset({port}) for port in sorted(plain)]
            if self.draft.steps[at].one_port
            else [frozenset(plain)]
        )
        return [
            *(group for group in groups if group),
            *([frozenset({ERROR_PORT})] if ERROR_PORT in ports else []),
        ]

    def _both(
        self, one: Link, other: Link, entries: list[int], choice: tuple[int, frozenset[str]] | None
    ) -> bool:
        seen = set(entries)
        pending = list(entries)
        fired: set[int] = set()
        while pending:
            at = pending.pop()
            for link in self.graph.out[at]:
                if choice is not None and at == choice[0] and link.port not in choice[1]:
                    continue
                fired.add(link.index)
                if link.target not in seen:
                    seen.add(link.target)
                    pending.append(link.target)
        return one.index in fired and other.index in fired
