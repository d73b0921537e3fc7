"""What a flow may do but seldom means to: warnings, found on the compiled graph.

Two edges *exclude* each other if some branch decides between them: whatever it chooses, not both can fire. What
can fire under a choice is one walk of the graph, and kept as a bit per edge in question. Walks are counted: on a
large graph with many branches, where they would take long, nothing is said.
"""

from collections.abc import Iterator, Sequence

from openrun.core.errors import Severity, ValidationError
from openrun.core.graph import Graph, Link
from openrun.core.types import ERROR_PORT, EffectClass, JoinMode, Losers
from openrun.definition.draft import Draft
from openrun.definition.spec import graph_spec
from openrun.definition.undisturbed import undisturbed
from openrun.steps.base import StepConfig
from openrun.steps.catalog import StepCatalog
from openrun.steps.triggers.webhook import TriggerWebhookConfig

_MOST_WORK = 500_000
"""Edges visited past which one kind of warning is given up."""

_MOST_NAMES = 10
_ALL_MODES = (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE)


@undisturbed
def advise(draft: Draft, catalog: StepCatalog) -> list[ValidationError]:
    """All warnings of a draft without errors."""
    graph = Graph.compile(graph_spec(draft, catalog))
    advice = _Advice(draft, graph)
    found = [
        *advice.unreachable(),
        *advice.unguarded(),
        *advice.twice(),
        *advice.races(),
        *advice.harmless(),
        *advice.unanswered(),
    ]
    return [warning for _, warning in sorted(found, key=lambda each: each[0])]


_Found = Iterator[tuple[int, ValidationError]]
_Choice = tuple[list[int], int | None, frozenset[str]]
"""The triggers that may start the run, and which ports a branch fires."""


def _keeps_callers(config: StepConfig) -> bool:
    return isinstance(config, TriggerWebhookConfig) and config.mode == "respond"


class _Advice:
    """Finds the warnings, each with the index of its step."""

    def __init__(self, draft: Draft, graph: Graph) -> None:
        self.draft = draft
        self.graph = graph
        self.entries = [at for at, step in enumerate(draft.steps) if step.is_trigger]

    def warn(self, code: str, at: int, message: str, hint: str | None = None) -> tuple[int, ValidationError]:
        step = self.graph.steps[at]
        return at, ValidationError(
            code=code,
            message=f"step {step.id!r} {message}",
            severity=Severity.WARNING,
            step_id=step.id,
            pointer=f"/steps/{at}",
            hint=hint,
        )

    def unreachable(self) -> _Found:
        """Steps no trigger leads to."""
        reached, _ = self._walk(self.entries)
        for at in range(len(self.graph.steps)):
            if at not in reached:
                yield self.warn("UNREACHABLE", at, "is reached from no trigger", "connect it, or delete it")

    def unguarded(self) -> _Found:
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

    def races(self) -> _Found:
        """Races whose losers touch the outside world."""
        joins = [at for at, step in enumerate(self.graph.steps) if step.join_mode is JoinMode.FIRST_SUCCESS]
        for at in joins[: self._affordable()]:
            step = self.graph.steps[at]
            risky = [
                self.graph.steps[loser].id
                for loser in sorted(self.graph.losers(at))
                if self.graph.steps[loser].effect in (EffectClass.EXTERNAL, EffectClass.AT_MOST_ONCE)
            ]
            if risky:
                fate = "stopped midway" if step.losers is Losers.CANCEL else "completed in vain"
                more = f" and {len(risky) - _MOST_NAMES} more" if len(risky) > _MOST_NAMES else ""
                names = ", ".join(map(repr, risky[:_MOST_NAMES])) + more
                yield self.warn("RACE_SIDE_EFFECTS", at, f"is a race whose losers may be {fate}: {names}")

    def harmless(self) -> _Found:
        """Steps that say how they are undone, and do nothing outside."""
        for at, step in enumerate(self.draft.steps):
            acts = step.effect_class() is not EffectClass.PURE or step.flow_refs() or step.body() is not None
            if self.graph.steps[at].compensation is not None and not acts:
                yield self.warn("COMPENSATES_NOTHING", at, "is pure, so that there is nothing to undo")

    def unanswered(self) -> _Found:
        """Webhooks whose callers wait for a reply that no step gives."""
        kept = [at for at in self.entries if _keeps_callers(self.draft.steps[at].config)]
        if not kept or any(
            step.replies or step.body() is not None or step.flow_refs() for step in self.draft.steps
        ):
            return
        for at in kept:
            hint = "add a reply step, or answer with the output of the run: mode last_step"
            yield self.warn("NO_REPLY", at, "lets its callers wait for a reply that no step gives", hint)

    def twice(self) -> _Found:
        """Plain steps that two edges may start, and joins that wait for such steps and for others."""
        repeated = self._repeated()
        for at in repeated:
            yield self.warn(
                "RUNS_TWICE", at, "runs once for each of several edges that may all fire", "set a join_mode"
            )
        mixed: set[int] = set()
        for at in repeated[: self._affordable()]:
            mixed |= self._mixed(self.graph.token_reach(at))
        for at in sorted(mixed):
            yield self.warn(
                "MIXED_TOKENS", at, "joins a branch that may run several times with one that runs once"
            )

    def _affordable(self) -> int:
        """How many walks over the whole graph are quick."""
        return _MOST_WORK // (len(self.graph.links) + 1)

    def _mixed(self, reach: frozenset[int]) -> set[int]:
        """Joins that some of these steps lead to, and other steps too."""
        joins = {
            link.target
            for at in reach
            for link in self.graph.out[at]
            if self.graph.steps[link.target].join_mode in _ALL_MODES
        }
        return {at for at in joins if any(link.source not in reach for link in self.graph.inner[at])}

    def _repeated(self) -> list[int]:
        """Plain steps with two inbound edges that nothing keeps from firing both."""
        merges = {
            at: links for at in range(len(self.graph.steps)) if len(links := self._plain_inputs(at)) > 1
        }
        decisions = self._decisions() if merges else []
        if sum(map(len, decisions)) > self._affordable():
            return []
        fired = [[self._fired(*choice) for choice in decision] for decision in decisions]
        return [at for at, links in merges.items() if _together(links, fired)]

    def _plain_inputs(self, at: int) -> tuple[Link, ...]:
        step = self.graph.steps[at]
        if step.join_mode is not JoinMode.NO_WAIT or step.always:
            return ()
        return self.graph.inputs[at] or self.graph.inner[at]

    def _decisions(self) -> list[list[_Choice]]:
        """What is decided: which trigger starts the run, and which ports each branch fires."""
        triggers: list[_Choice] = [([entry], None, frozenset()) for entry in self.entries]
        branches: list[list[_Choice]] = [
            [(self.entries, at, ports) for ports in choices]
            for at in range(len(self.graph.steps))
            if len(choices := self._choices(at)) > 1
        ]
        return [triggers, *branches]

    def _choices(self, at: int) -> list[frozenset[str]]:
        """Sets of wired ports that may fire together."""
        ports = {link.port for link in self.graph.out[at]}
        plain = ports - {ERROR_PORT}
        groups = (
            [frozenset({port}) for port in sorted(plain)]
            if self.draft.steps[at].one_port
            else [frozenset(plain)] * bool(plain)
        )
        return [*groups, frozenset({ERROR_PORT})] if ERROR_PORT in ports else groups

    def _fired(self, entries: list[int], at: int | None, ports: frozenset[str]) -> bytes:
        """Per edge, 1 if it may fire when step `at` fires these ports."""
        fired = bytearray(len(self.graph.links))
        for link in self._walk(entries, at, ports)[1]:
            fired[link] = 1
        return bytes(fired)

    def _walk(
        self, entries: Sequence[int], at: int | None = None, ports: frozenset[str] = frozenset()
    ) -> tuple[set[int], list[int]]:
        """The steps and edges that can be reached; of step `at`, by these ports only."""
        seen = set(entries)
        pending = list(entries)
        links: list[int] = []
        while pending:
            step = pending.pop()
            for link in self.graph.out[step]:
                if step == at and link.port not in ports:
                    continue
                links.append(link.index)
                if link.target not in seen:
                    seen.add(link.target)
                    pending.append(link.target)
        return seen, links


def _together(links: Sequence[Link], fired: list[list[bytes]]) -> bool:
    """Whether two of these edges may both fire whatever is decided: no decision keeps every such pair apart."""
    masks = [
        [sum(1 << at for at, link in enumerate(links) if edges[link.index]) for edges in choices]
        for choices in fired
    ]
    for at in range(len(links)):
        bit = 1 << at
        others = (1 << len(links)) - 1 - bit
        for choices in masks:
            both = 0
            for mask in choices:
                if mask & bit:
                    both |= mask
            others &= both
        if others:
            return True
    return False
