"""Checking a draft before its first run: every error at once. Nothing is imported, connected to or run."""

from collections.abc import Collection
from dataclasses import replace

from openrun.core.errors import InvalidFlow, ValidationError
from openrun.core.graph import Graph
from openrun.core.interpolation import compile_value, find_faults, has_template
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, JoinMode
from openrun.definition.draft import Draft
from openrun.definition.near import did_you_mean
from openrun.definition.program import body_document, edge_port, graph_spec
from openrun.definition.reader import examine
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog

_ALL_MODES = (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE)
_BODY_DEPTH = 8


class Checker:
    """Checks one draft; bodies of foreach steps are checked by a checker of their own."""

    def __init__(
        self,
        draft: Draft,
        catalog: StepCatalog,
        *,
        limits: Limits = DEFAULT_LIMITS,
        flows: Collection[str] | None = None,
        outer: frozenset[str] = frozenset(),
        depth: int = 0,
    ) -> None:
        self.draft = draft
        self.catalog = catalog
        self.limits = limits
        self.flows = flows
        self.outer = outer
        self.depth = depth
        self.ids = {step.id: step for step in draft.steps}
        self.faults: list[ValidationError] = []

    def run(self) -> list[ValidationError]:
        """All errors, in the document's order as far as they have one."""
        self._flow()
        for at, step in enumerate(self.draft.steps):
            self._step(step, f"/steps/{at}")
        for at in range(len(self.draft.edges)):
            self._edge(at)
        self._webhooks()
        if not self.faults:
            self._loops()
        return self.faults

    def fault(
        self, code: str, message: str, pointer: str = "", *, step: str | None = None, hint: str | None = None
    ) -> None:
        self.faults.append(
            ValidationError(code=code, message=message, pointer=pointer, step_id=step, hint=hint)
        )

    def _flow(self) -> None:
        if len(self.draft.steps) > self.limits.document_steps:
            self.fault(
                "TOO_MANY", f"{len(self.draft.steps)} steps; at most {self.limits.document_steps}", "/steps"
            )
        entries = [step for step in self.draft.steps if step.is_trigger]
        if self.depth and entries:
            hint = "an item enters at the steps without inbound edges; for a flow with a trigger use `flow`"
            self.fault("TRIGGER_IN_BODY", "a body has no trigger", "/steps", step=entries[0].id, hint=hint)
        entered = {edge.target for edge in self.draft.edges}
        begins = bool(entries) if not self.depth else any(step.id not in entered for step in self.draft.steps)
        if not begins:
            advice = 'add a trigger, such as {"id": "start", "type": "trigger_manual"}'
            self.fault(
                "NO_ENTRY",
                "the flow has no step to begin with",
                "/steps",
                hint=None if self.depth else advice,
            )

    def _step(self, step: Step, pointer: str) -> None:
        if not step.id:
            self.fault("MISSING_ID", "a step needs an id", f"{pointer}/id")
        elif self.ids[step.id] is not step:
            self.fault("DUPLICATE_ID", f"two steps have the id {step.id!r}", f"{pointer}/id", step=step.id)
        if step.allow_failure and DEFAULT_PORT not in step.ports:
            self.fault(
                "ALLOW_FAILURE_PORT",
                "allow_failure fires `default`, a port this step does not have",
                f"{pointer}/allow_failure",
                step=step.id,
                hint="wire its `error` port instead",
            )
        for inner, message in step.faults():
            self.fault("INVALID_VALUE", message, pointer + inner, step=step.id)
        self._templates(step, f"{pointer}/config")
        self._flow_refs(step, pointer)
        body = step.body()
        if body is not None:
            self._body(step, body, f"{pointer}/config/body")

    def _templates(self, step: Step, pointer: str) -> None:
        config = step.config
        for name in type(config).model_fields:
            value = getattr(config, name)
            if name in config.static_fields or not has_template(value):
                continue
            here = f"{pointer}/{name}"
            faults = find_faults(value, limits=self.limits)
            for inner, message in faults:
                self.fault("TEMPLATE", message, here + inner, step=step.id)
            if not faults:
                self._names(step, value, name, here)

    def _names(self, step: Step, value: object, name: str, pointer: str) -> None:
        compiled = compile_value(value, limits=self.limits)
        roots, refs = compiled.roots, compiled.step_refs
        if "secrets" in roots and name not in step.config.secret_fields:
            hint = "secrets go into headers, auth, URLs and bodies of requests"
            self.fault(
                "SECRET_NOT_ALLOWED", f"`{name}` may not name a secret", pointer, step=step.id, hint=hint
            )
        for ref in sorted(refs - self.ids.keys() - self.outer):
            near = did_you_mean(ref, self.ids.keys() | self.outer)
            self.fault("UNKNOWN_REFERENCE", f"there is no step {ref!r}", pointer, step=step.id, hint=near)

    def _flow_refs(self, step: Step, pointer: str) -> None:
        for ref in step.flow_refs():
            if self.flows is not None and ref not in self.flows:
                hint = did_you_mean(ref, self.flows)
                self.fault(
                    "UNKNOWN_FLOW",
                    f"there is no flow {ref!r}",
                    f"{pointer}/config/flow",
                    step=step.id,
                    hint=hint,
                )

    def _body(self, step: Step, body: dict[str, object], pointer: str) -> None:
        if self.depth >= _BODY_DEPTH:
            self.fault("TOO_DEEP", f"bodies are nested more than {_BODY_DEPTH} deep", pointer, step=step.id)
            return
        draft, faults = examine(body_document(body), self.catalog, self.limits)
        if draft is not None and not faults:
            inner = Checker(
                draft,
                self.catalog,
                limits=self.limits,
                flows=self.flows,
                outer=self.outer | self.ids.keys(),
                depth=self.depth + 1,
            )
            faults = inner.run()
        self.faults += [
            replace(each, pointer=pointer + each.pointer, step_id=each.step_id or step.id) for each in faults
        ]

    def _edge(self, at: int) -> None:
        edge = self.draft.edges[at]
        pointer = f"/edges/{at}"
        for end, name in ((edge.source, "source"), (edge.target, "target")):
            if end not in self.ids:
                hint = did_you_mean(end, self.ids)
                self.fault("UNKNOWN_STEP", f"there is no step {end!r}", f"{pointer}/{name}", hint=hint)
        target = self.ids.get(edge.target)
        if target is not None and target.is_trigger:
            self.fault(
                "EDGE_INTO_TRIGGER", "no edge may lead to a trigger", f"{pointer}/target", step=target.id
            )
        source = self.ids.get(edge.source)
        if source is None:
            return
        port = edge_port(edge.source_port, source.ports)
        if port not in source.ports and port != ERROR_PORT:
            known = [*source.ports, ERROR_PORT]
            message = f"step {source.id!r} has no output port {edge.source_port!r}"
            hint = f"{did_you_mean(port, known) or ''} it has {', '.join(map(repr, known))}".strip()
            self.fault("UNKNOWN_PORT", message, f"{pointer}/source_port", step=source.id, hint=hint)

    def _webhooks(self) -> None:
        seen: dict[str, str] = {}
        for at, step in enumerate(self.draft.steps):
            for route in step.routes():
                if route in seen:
                    message = f"{route} is the route of {seen[route]!r} too"
                    self.fault("DUPLICATE_WEBHOOK", message, f"/steps/{at}/config/path", step=step.id)
                seen.setdefault(route, step.id)

    def _loops(self) -> None:
        graph = Graph.compile(graph_spec(self.draft, self.catalog, self.limits))
        for header in sorted({at for loop in graph.loops for at in loop.region.headers}):
            spec = graph.steps[header]
            if spec.join_mode in _ALL_MODES or spec.always:
                kind = "always" if spec.always else spec.join_mode.value
                self.fault(
                    "LOOP_HEADER",
                    f"step {spec.id!r} begins a loop and is {kind}: it would wait for its own end",
                    f"/steps/{header}/{'always' if spec.always else 'join_mode'}",
                    step=spec.id,
                    hint="use NO_WAIT or FIRST_SUCCESS, and join before the loop",
                )


def check(
    draft: Draft,
    catalog: StepCatalog,
    *,
    limits: Limits = DEFAULT_LIMITS,
    flows: Collection[str] | None = None,
) -> list[ValidationError]:
    """All errors of a draft; `flows` are the ids of the flows that children may run, when they are known."""
    return Checker(draft, catalog, limits=limits, flows=flows).run()


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
