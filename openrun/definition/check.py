"""Checking a draft before its first run: every error at once. Nothing is imported, connected to or run."""

from collections.abc import Collection, Iterable

from openrun.core.errors import InvalidFlow, ValidationError
from openrun.core.interpolation import has_template
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.near import quoted
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, JoinMode, Json
from openrun.definition.draft import Draft, body_document, edge_port
from openrun.definition.faults import Faults
from openrun.definition.flow_control_plan import flow_control_faults
from openrun.definition.loops import count_loops
from openrun.definition.reader import draft_of
from openrun.definition.template import Load
from openrun.definition.undisturbed import undisturbed
from openrun.definition.undoing import TRIGGER_MESSAGE, misplaced
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog
from openrun.steps.execution.conditional import StepConditional

_ALL_MODES = (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE)
_BODY_DEPTH = 8


@undisturbed
def check(
    draft: Draft,
    catalog: StepCatalog,
    *,
    limits: Limits = DEFAULT_LIMITS,
    flows: Collection[str] | None = None,
) -> list[ValidationError]:
    """All errors of a draft; `flows` are the ids of the flows that children may run, when they are known."""
    faults = Faults(limits)
    if _fits(draft, faults):
        Checker(draft, catalog, faults, flows=flows).run()
    return faults.found


def require(
    draft: Draft,
    catalog: StepCatalog,
    *,
    limits: Limits = DEFAULT_LIMITS,
    flows: Collection[str] | None = None,
) -> None:
    """Raises `InvalidFlow` with all errors of a draft, if it has any."""
    faults = check(draft, catalog, limits=limits, flows=flows)
    if faults:
        raise InvalidFlow(faults, flow=draft.id or draft.name)


class Checker:
    """Checks one draft; bodies of foreach steps are checked by a checker of their own."""

    def __init__(
        self,
        draft: Draft,
        catalog: StepCatalog,
        faults: Faults,
        *,
        flows: Collection[str] | None = None,
        outer: frozenset[str] = frozenset(),
        depth: int = 0,
    ) -> None:
        self.draft = draft
        self.catalog = catalog
        self.faults = faults
        self.limits = faults.limits
        self.flows = flows
        self.outer = outer
        self.depth = depth
        self.ids: dict[str, Step] = {}
        for step in draft.steps:
            self.ids.setdefault(step.id, step)

    def run(self) -> None:
        """Find all errors, in the document's order as far as they have one."""
        self._entries()
        self._flow_control()
        for at, step in enumerate(self.draft.steps):
            if self.faults.full:
                return
            self._step(at, step, f"/steps/{at}")
        for at in range(len(self.draft.edges)):
            self._edge(at)
        self._webhooks()
        if not self.faults.any_here:
            self._loops()

    def _entries(self) -> None:
        entries = [step for step in self.draft.steps if step.is_trigger]
        if self.depth:
            if entries:
                hint = (
                    "an item enters at the steps without inbound edges; for a flow with a trigger use `flow`"
                )
                step = entries[0].id
                self.faults.add("TRIGGER_IN_BODY", "a body has no trigger", "/steps", step=step, hint=hint)
            entered = {edge.target for edge in self.draft.edges}
            begins = any(step.id not in entered for step in self.draft.steps)
        else:
            begins = bool(entries)
        if not begins:
            advice = 'add a trigger, such as {"id": "start", "type": "trigger_manual"}'
            hint = "an item enters at the steps without inbound edges" if self.depth else advice
            self.faults.add("NO_ENTRY", "the flow has no step to begin with", "/steps", hint=hint)

    def _flow_control(self) -> None:
        control, place = self.draft.flow_control, "/flow_control"
        if control is None:
            return
        if self.depth:
            message = "a body has no flow control: it belongs to the run of its flow"
            self.faults.add("FLOW_CONTROL_IN_BODY", message, place, hint="for a limit of its own use `flow`")
            return
        triggers = [step for step in self.draft.steps if step.is_trigger]
        for code, pointer, message, hint in flow_control_faults(control, triggers, self.limits):
            self.faults.add(code, message, place + pointer, hint=hint)

    def _step(self, at: int, step: Step, pointer: str) -> None:
        if not step.id:
            self.faults.add("MISSING_ID", "a step needs an id", f"{pointer}/id")
        elif self.ids[step.id] is not step:
            message = f"two steps have the id {step.id!r}"
            self.faults.add("DUPLICATE_ID", message, f"{pointer}/id", step=step.id)
        if step.allow_failure and DEFAULT_PORT not in step.ports:
            self.faults.add(
                "ALLOW_FAILURE_PORT",
                "allow_failure fires `default`, a port this step does not have",
                f"{pointer}/allow_failure",
                step=step.id,
                hint="wire its `error` port instead",
            )
        self._work(step, pointer, step.id)
        body = step.body()
        if body is not None:
            self._body(at, body, f"{pointer}/config/body")
        if step.compensation is not None:
            self._compensation(step, step.compensation, f"{pointer}/compensate")

    def _work(self, step: Step, pointer: str, step_id: str) -> None:
        """What the step itself does, wherever it stands."""
        for inner, message in step.faults():
            self.faults.add("INVALID_VALUE", message, pointer + inner, step=step_id)
        self._templates(step, f"{pointer}/config", step_id)
        self._flow_refs(step, pointer, step_id)

    def _compensation(self, step: Step, undoing: Step, pointer: str) -> None:
        if step.is_trigger:
            message = "a trigger does nothing that could be undone"
            self.faults.add("COMPENSATED_TRIGGER", message, pointer, step=step.id)
        if undoing.is_trigger:
            self.faults.add("TRIGGER_IN_COMPENSATION", TRIGGER_MESSAGE, f"{pointer}/type", step=step.id)
        for key in sorted(misplaced(undoing)):
            message = f"the compensation of step {step.id!r} has no field {key!r}"
            self.faults.add("UNKNOWN_FIELD", message, f"{pointer}/{key}", step=step.id)
        if undoing.body() is not None:
            message, hint = "a compensation has no body inside", "make it a flow, and name that as `flow`"
            here = f"{pointer}/config/body"
            self.faults.add("BODY_IN_COMPENSATION", message, here, step=step.id, hint=hint)
        self._work(undoing, pointer, step.id)

    def _templates(self, step: Step, pointer: str, step_id: str) -> None:
        parsed = self.draft.templates.of(step, self.limits)
        for field, inner, message in parsed.faults:
            self.faults.add("TEMPLATE", message, f"{pointer}/{field}{inner}", step=step_id)
        if parsed.template is None:
            return
        for field, compiled in parsed.template.named():
            if "secrets" in compiled.roots and field not in step.config.secret_fields:
                message = f"`{field}` may not name a secret"
                hint = "secrets go into headers, auth, URLs and bodies of requests"
                self.faults.add("SECRET_NOT_ALLOWED", message, f"{pointer}/{field}", step=step_id, hint=hint)
            for ref in sorted(compiled.step_refs):
                if ref not in self.ids and ref not in self.outer:
                    self._unknown("UNKNOWN_REFERENCE", ref, f"{pointer}/{field}", step_id)

    def _unknown(self, code: str, step_id: str, pointer: str, step: str | None = None) -> None:
        if self.faults.full:
            return
        hint = self.faults.near(step_id, self.ids.keys() | self.outer)
        self.faults.add(code, f"there is no step {quoted(step_id)}", pointer, step=step, hint=hint)

    def _flow_refs(self, step: Step, pointer: str, step_id: str) -> None:
        for ref in step.flow_refs():
            if self.flows is not None and ref not in self.flows:
                hint = self.faults.near(ref, self.flows)
                message = f"there is no flow {ref!r}"
                self.faults.add("UNKNOWN_FLOW", message, f"{pointer}/config/flow", step=step_id, hint=hint)

    def _body(self, at: int, body: dict[str, Json], pointer: str) -> None:
        step = self.draft.steps[at]
        if self.depth >= _BODY_DEPTH:
            message = f"bodies are nested more than {_BODY_DEPTH} deep"
            self.faults.add("TOO_DEEP", message, pointer, step=step.id)
            return
        if not self.faults.take("bodies", 1, pointer):
            return
        faults = self.faults.below(pointer, step.id)
        inner = self.draft.body_at(at, self.catalog)
        if inner is None:
            inner = draft_of(body_document(body), self.catalog, faults)
        elif not _take(inner, faults):
            return
        if inner is None or faults.any_here:
            return
        self.draft.bodies[at] = (self.catalog, inner)
        Checker(
            inner,
            self.catalog,
            faults,
            flows=self.flows,
            outer=self.outer | self.ids.keys(),
            depth=self.depth + 1,
        ).run()

    def _edge(self, at: int) -> None:
        edge = self.draft.edges[at]
        source, target = self.ids.get(edge.source), self.ids.get(edge.target)
        if source is None:
            self._unknown("UNKNOWN_STEP", edge.source, f"/edges/{at}/source")
        if target is None:
            self._unknown("UNKNOWN_STEP", edge.target, f"/edges/{at}/target")
        elif target.is_trigger:
            message = "no edge may lead to a trigger"
            self.faults.add("EDGE_INTO_TRIGGER", message, f"/edges/{at}/target", step=target.id)
        if source is None or edge.source_port in source.ports or edge.source_port == ERROR_PORT:
            return
        if edge_port(edge.source_port, source.ports) not in source.ports and not self.faults.full:
            known = [*source.ports, ERROR_PORT]
            near = self.faults.near(edge.source_port, known) or ""
            listed = near.startswith("known: ")
            hint = f"it has {', '.join(map(quoted, known))}"
            message = f"step {source.id!r} has no output port {quoted(edge.source_port)}"
            self.faults.add(
                "UNKNOWN_PORT",
                message,
                f"/edges/{at}/source_port",
                step=source.id,
                hint=hint if listed or not near else f"{near} {hint}",
            )

    def _webhooks(self) -> None:
        seen: dict[str, str] = {}
        for at, step in enumerate(self.draft.steps):
            for route in step.routes():
                if route in seen:
                    message = f"{route} is the route of {seen[route]!r} too"
                    self.faults.add("DUPLICATE_WEBHOOK", message, f"/steps/{at}/config/path", step=step.id)
                seen.setdefault(route, step.id)

    def _loops(self) -> None:
        steps, edges = self.draft.steps, self.draft.edges
        index = {step.id: at for at, step in enumerate(steps)}
        pairs = [(index[edge.source], index[edge.target]) for edge in edges]
        loops = count_loops(len(steps), pairs, self.limits.loop_depth)
        if loops.depth > self.limits.loop_depth:
            message = f"loops are nested more than {self.limits.loop_depth} deep"
            self.faults.add(
                "LOOPS_TOO_DEEP", message, "/edges", hint="move the inner ones to flows of their own"
            )
        elif loops.count * len(edges) > self.limits.loop_work:
            message = f"{loops.count:,} loops among {len(edges):,} edges are too many"
            self.faults.add("TOO_MANY", message, "/edges", hint="move some of them to flows of their own")
        for header in loops.headers:
            step = steps[header]
            if step.join_mode in _ALL_MODES or step.always:
                kind = "always" if step.always else str(step.join_mode)
                self.faults.add(
                    "LOOP_HEADER",
                    f"step {step.id!r} begins a loop and is {kind}: it would wait for its own end",
                    f"/steps/{header}/{'always' if step.always else 'join_mode'}",
                    step=step.id,
                    hint="use NO_WAIT or FIRST_SUCCESS, and join before the loop",
                )


def _fits(draft: Draft, faults: Faults) -> bool:
    """Whether there is not too much of anything; found out before any template or pattern is parsed."""
    fits = _take(draft, faults)
    limits = faults.limits
    load = Load()
    for value in _templated(draft):
        load.add(value, limits)
        if load.exceeds(limits):
            message = (
                f"too many templates: {limits.document_references:,} references and "
                f"{limits.document_expressions:,} expressions are allowed, fewer if they are long"
            )
            faults.add("TOO_MANY_TEMPLATES", message, hint="move a part of the flow to a flow of its own")
            return False
    patterns = sum(map(_pattern_length, draft.nodes()))
    if patterns > limits.document_pattern_chars:
        message = (
            f"patterns of {patterns:,} characters; at most {limits.document_pattern_chars:,} are allowed"
        )
        faults.add("TOO_MANY_PATTERNS", message, "/steps")
        return False
    return fits


def _take(draft: Draft, faults: Faults) -> bool:
    """Count what a draft has; reading a body counts it, too."""
    taken = [
        faults.take("steps", sum(1 for _ in draft.nodes())),
        faults.take("edges", len(draft.edges), "/edges"),
        faults.take("triggers", sum(step.is_trigger for step in draft.steps)),
    ]
    return all(taken)


def _templated(draft: Draft) -> Iterable[Json]:
    """What may have templates in it, bodies whole."""
    for step in draft.nodes():
        for name in draft.templates.dynamic(step.config):
            yield step.config.__dict__[name]
        yield step.conditions()
        yield step.body()


def _pattern_length(step: Step) -> int:
    if not isinstance(step, StepConditional) or step.config.operator != "matches":
        return 0
    pattern = step.config.right
    return len(pattern) if isinstance(pattern, str) and not has_template(pattern) else 0
