"""The truth table of DESIGN section 3 for flows without cycles, tokens and races: written from the page, not the code.

One pass in the order of the steps (every edge leads to a later step) settles every edge; a second one follows
failures. `None` is returned for flows whose outcome the page lets depend on who is first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openrun.core.graph import EdgeSpec, GraphSpec, StepSpec
from openrun.core.results import StepRunResult
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, JoinMode, StepRunStatus

Names = frozenset[str]
NOBODY: Names = frozenset()


@dataclass
class Settled:
    """How an edge settled: "fired" with the firings it descends from, or a reason with the steps that caught."""

    state: str
    steps: Names = NOBODY


@dataclass
class Foreseen:
    ran: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    upstream: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    handled: dict[str, bool] = field(default_factory=dict)
    output: Any = None

    @property
    def status(self) -> str:
        return "succeeded" if all(self.handled.values()) else "failed"


class Ambiguous(Exception):
    """The page lets the outcome depend on the order of ends."""


class Oracle:
    def __init__(self, spec: GraphSpec, results: Mapping[str, StepRunResult]) -> None:
        self.spec = spec
        self.results = results
        self.steps = {step.id: step for step in spec.steps}
        self.edges: dict[EdgeSpec, Settled] = {}
        self.seen = Foreseen()
        self.leaves: dict[str, Any] = {}

    def foresee(self) -> Foreseen | None:
        reached = self._reached()
        try:
            for step in self.spec.steps:
                self._decide(step, is_trigger=step is self.spec.steps[0], is_reached=step.id in reached)
        except Ambiguous:
            return None
        for step_id in self.seen.failed:
            self.seen.handled[step_id] = self._is_handled(step_id)
        leaves = self.leaves
        self.seen.output = next(iter(leaves.values())) if len(leaves) == 1 else leaves or None
        return self.seen

    def _reached(self) -> set[str]:
        reached = {self.spec.steps[0].id}
        for step in self.spec.steps:
            if any(edge.source in reached for edge in self._inbound(step.id)):
                reached.add(step.id)
        return reached

    def _inbound(self, step_id: str) -> list[EdgeSpec]:
        return [edge for edge in self.spec.edges if edge.target == step_id]

    def _outbound(self, step_id: str) -> list[EdgeSpec]:
        return [edge for edge in self.spec.edges if edge.source == step_id]

    def _wired(self, step_id: str) -> bool:
        return any(edge.port == ERROR_PORT for edge in self._outbound(step_id))

    # -- the table: when a step runs --------------------------------------------------------------

    def _decide(self, step: StepSpec, *, is_trigger: bool, is_reached: bool) -> None:
        if is_trigger:
            self._runs(step, NOBODY)
            return
        if not is_reached:
            self._skips(step, "skipped", NOBODY)
            return
        edges = [self.edges[edge] for edge in self._inbound(step.id)]
        fired = [edge for edge in edges if edge.state == "fired"]
        descent = NOBODY.union(*(edge.steps for edge in fired))
        letters = {self._letter(edge, descent) for edge in edges}
        caught = NOBODY.union(*(edge.steps for edge in edges if edge.state == "caught"))
        if step.always:
            runs = bool(letters & set("FXCTK"))
        elif step.join_mode in (JoinMode.NO_WAIT, JoinMode.FIRST_SUCCESS):
            runs = "F" in letters
            if step.join_mode is JoinMode.NO_WAIT and len(fired) > 1:
                raise Ambiguous
            if len({edge.steps for edge in fired}) > 1:
                raise Ambiguous
        elif step.join_mode is JoinMode.ALL_SUCCESS:
            runs = "F" in letters and not letters & set("XCK")
        else:
            runs = bool(letters & set("FXCT"))
        if runs:
            self._runs(step, descent)
        elif "X" in letters and step.join_mode in (JoinMode.ALL_SUCCESS, JoinMode.FIRST_SUCCESS):
            self.seen.upstream.add(step.id)
            self._fails(step, descent)
        else:
            self._skips(
                step, "failed" if "X" in letters else "caught" if "C" in letters else "skipped", caught
            )

    @staticmethod
    def _letter(edge: Settled, descent: Names) -> str:
        if edge.state == "caught":
            return "T" if edge.steps <= descent else "C"
        return {"fired": "F", "failed": "X", "not_taken": "S", "skipped": "S"}[edge.state]

    # -- the table: how edges settle --------------------------------------------------------------

    def _runs(self, step: StepSpec, descent: Names) -> None:
        self.seen.ran.add(step.id)
        result = self.results[step.id]
        if result.status is StepRunStatus.ERROR:
            self._fails(step, descent)
        else:
            self._succeeds(step, result.ports, descent, step.id)

    def _succeeds(self, step: StepSpec, ports: tuple[str, ...], descent: Names, output: Any) -> None:
        fired = False
        for edge in self._outbound(step.id):
            if edge.port in ports:
                fired = True
                self.edges[edge] = Settled("fired", descent)
            else:
                self.edges[edge] = Settled("not_taken")
        if not fired:
            self.leaves[step.id] = output

    def _fails(self, step: StepSpec, descent: Names) -> None:
        self.seen.failed.add(step.id)
        if self._wired(step.id):
            for edge in self._outbound(step.id):
                is_error = edge.port == ERROR_PORT
                mine = frozenset({step.id})
                self.edges[edge] = Settled("fired", descent | mine) if is_error else Settled("caught", mine)
        elif step.allow_failure:
            self._succeeds(step, (DEFAULT_PORT,), descent, "the error")
        else:
            for edge in self._outbound(step.id):
                self.edges[edge] = Settled("failed")

    def _skips(self, step: StepSpec, reason: str, caught: Names) -> None:
        self.seen.skipped[step.id] = reason
        for edge in self._outbound(step.id):
            if edge.port == ERROR_PORT:
                self.edges[edge] = Settled("skipped")
            else:
                self.edges[edge] = Settled(reason, caught if reason == "caught" else NOBODY)

    # -- which failures are handled ---------------------------------------------------------------

    def _is_handled(self, step_id: str) -> bool:
        if self.steps[step_id].allow_failure:
            return True
        if self._wired(step_id):
            handlers = [edge.target for edge in self._outbound(step_id) if edge.port == ERROR_PORT]
            return any(handler in self.seen.ran for handler in handlers)
        return self._all_paths_end_well(step_id)

    def _all_paths_end_well(self, step_id: str) -> bool:
        failed = [edge for edge in self._outbound(step_id) if self.edges[edge].state == "failed"]
        return bool(failed) and all(self._ends_well(edge.target) for edge in failed)

    def _ends_well(self, target: str) -> bool:
        if target in self.seen.upstream:
            return self._is_handled(target)
        if target in self.seen.ran:
            return self.steps[target].join_mode is JoinMode.FIRST_SUCCESS
        return self._all_paths_end_well(target)
