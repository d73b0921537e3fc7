"""The façade people write flows with."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, Self

from openrun.core.asks import Answer, Decision
from openrun.core.errors import ValidationError
from openrun.core.events import Shown
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.strict_json import plain
from openrun.core.types import DEFAULT_PORT, Json, OnFailure
from openrun.definition.advice import advise
from openrun.definition.check import check, require
from openrun.definition.draft import Edge, slug
from openrun.definition.flow_control import FlowControl
from openrun.definition.program import Program, compile_program
from openrun.definition.reader import load_document, read_document
from openrun.definition.writer import document_text, version_of, write_document
from openrun.runtime.engine import Engine, Run, RunHandle, Start, prepare
from openrun.runtime.stream import EventStream
from openrun.steps.base import Path, Step
from openrun.steps.catalog import StepCatalog
from openrun.steps.spelling import AnyOnFailure


class Flow:
    """A named graph of steps and edges.

    `timeout` is in seconds ("5m" is understood); `max_activations` bounds the step executions of a run;
    `flow_control` bounds the durable runs of the flow (runs in memory start at once).
    """

    def __init__(
        self,
        name: str,
        *,
        id: str = "",  # noqa: A002
        description: str | None = None,
        on_failure: AnyOnFailure = OnFailure.DRAIN,
        timeout: float | str | None = None,
        max_activations: int | None = None,
        flow_control: FlowControl | Mapping[str, Json] | None = None,
        catalog: StepCatalog | None = None,
        extensions: Mapping[str, Json] | None = None,
    ) -> None:
        self._catalog = catalog or StepCatalog.builtin()
        settings = {
            "id": id,
            "name": name,
            "description": description,
            "on_failure": on_failure,
            "timeout": timeout,
            "max_activations": max_activations,
            "flow_control": _as_given(flow_control),
        }
        given = {key: value for key, value in settings.items() if value is not None}
        self._draft = read_document({**given, **(extensions or {})}, self._catalog)
        self._joined: set[Edge] = set()
        self._present: set[int] = set()
        self._ids: set[str] = set()
        self._counts: dict[str, int] = {}
        self._compiled: tuple[tuple[StepCatalog, Limits], Program] | None = None

    # -- writing ----------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._draft.id or slug(self._draft.name)

    @property
    def name(self) -> str:
        return self._draft.name

    @property
    def description(self) -> str | None:
        return self._draft.description

    @property
    def flow_control(self) -> FlowControl | None:
        """What bounds its runs, when they are durable."""
        return self._draft.flow_control

    @property
    def catalog(self) -> StepCatalog:
        """The step types this flow is read and written with."""
        return self._catalog

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._draft.steps)

    @property
    def edges(self) -> tuple[Edge, ...]:
        return tuple(self._draft.edges)

    def add_step(self, step: Step) -> Step:
        """Add a step, naming it after its type if it has no id; adding a present step is no act."""
        if id(step) in self._present:
            return step
        self._present.add(id(step))
        if not step.id:
            step.named(self._free_name(self._catalog.key_of(type(step))))
        self._ids.add(step.id)
        self._compiled = None
        self._draft.steps.append(step)
        return step

    def add_edge(self, source: Step | str, target: Step | str, source_port: str = DEFAULT_PORT) -> Edge:
        """Connect a port of `source` to `target`, by step or id; steps not yet in the flow are added."""
        edge = Edge(self._end(source), self._end(target), source_port)
        self.add_edges([edge])
        return edge

    def add_edges(self, edges: Iterable[Edge]) -> None:
        """Add edges between ids; one that equals an edge of the flow is no act."""
        for edge in edges:
            if edge not in self._joined:
                self._joined.add(edge)
                self._draft.edges.append(edge)
                self._compiled = None

    def add(self, *parts: Step | Path) -> Self:
        """Add steps and paths: `flow.add(hook >> check, check["true"] >> store)`."""
        for part in parts:
            if isinstance(part, Step):
                self.add_step(part)
                continue
            self.add_step(part.start)
            for source, port, target in part.edges:
                self.add_edge(source, target, source_port=port)
        return self

    def step(self, step_id: str) -> Step:
        """The step of this id. Raises KeyError."""
        for step in self._draft.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def _end(self, end: Step | str) -> str:
        return end if isinstance(end, str) else self.add_step(end).id

    def _free_name(self, key: str) -> str:
        base = key[:58]
        while True:
            count = self._counts[base] = self._counts.get(base, 0) + 1
            name = base if count == 1 else f"{base}_{count}"
            if name not in self._ids:
                return name

    # -- documents --------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Json]:
        """The canonical document."""
        return write_document(self._draft, self._catalog)

    def to_json(self) -> str:
        """The canonical document as text; equal flows give equal text."""
        return document_text(self.to_dict())

    @classmethod
    def from_dict(cls, document: Mapping[str, Json], *, catalog: StepCatalog | None = None) -> Self:
        """The flow of a document. Raises `InvalidFlow` with all its structural faults."""
        known = catalog or StepCatalog.builtin()
        draft = read_document(dict(document), known)
        flow = cls(
            draft.name,
            id=draft.id,
            description=draft.description,
            on_failure=draft.on_failure,
            timeout=draft.timeout,
            max_activations=draft.max_activations,
            flow_control=draft.flow_control,
            catalog=known,
            extensions=draft.extensions,
        )
        for step in draft.steps:
            flow.add_step(step)
        flow.add_edges(draft.edges)
        return flow

    @classmethod
    def from_json(cls, text: str | bytes, *, catalog: StepCatalog | None = None) -> Self:
        """The flow of a document's text. Raises `InvalidFlow` for text that is not strict JSON, too."""
        document = load_document(text)
        if not isinstance(document, dict):
            read_document(document, catalog or StepCatalog.builtin())
        return cls.from_dict(document, catalog=catalog)

    @property
    def version(self) -> str:
        """SHA-256 of the canonical JSON."""
        return version_of(self.to_dict())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flow) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Flow(name={self.name!r}, steps={len(self._draft.steps)}, edges={len(self._draft.edges)})"

    # -- checking ---------------------------------------------------------------------------------

    def errors(self, flows: Collection[str] | None = None) -> list[ValidationError]:
        """Everything that keeps the flow from running; `flows` are the ids of known flows, when known."""
        return check(self._draft, self._catalog, flows=flows)

    def warnings(self) -> list[ValidationError]:
        """What is allowed but seldom meant; empty while the flow has errors."""
        return [] if self.errors() else advise(self._draft, self._catalog)

    def program(self, catalog: StepCatalog | None = None, limits: Limits = DEFAULT_LIMITS) -> Program:
        """The compiled flow. Raises `InvalidFlow` with all its errors."""
        known = catalog or self._catalog
        if self._compiled is None or self._compiled[0] != (known, limits):
            require(self._draft, known, limits=limits)
            self._compiled = ((known, limits), compile_program(self._draft, known, limits))
        return self._compiled[1]

    # -- running ----------------------------------------------------------------------------------

    def run(
        self,
        trigger_step: Step | str | None = None,
        initial_state: Mapping[str, Any] | None = None,
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002
        engine: Engine | None = None,
    ) -> "FlowRun":
        """Run in memory and stream the events: `async for event in flow.run(): ...`.

        `trigger_step` defaults to the only trigger, `input` is its payload. Without an engine one is made
        for the run. Raises `InvalidFlow` with all errors, `PermanentError` for an input that cannot be.
        """
        owned = Engine(catalog=self._catalog) if engine is None else None
        host = engine or owned
        assert host is not None
        program = self.program(host.catalog, host.limits)
        trigger = trigger_step.id if isinstance(trigger_step, Step) else trigger_step
        start = prepare(program, trigger, input or {}, initial_state or {})
        return FlowRun(program, start, host, owned)

    async def execute(
        self,
        trigger_step: Step | str | None = None,
        initial_state: Mapping[str, Any] | None = None,
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002
        engine: Engine | None = None,
    ) -> Run:
        """Run in memory and return the finished run: status, output, state and failures."""
        return await self.run(trigger_step, initial_state, input=input, engine=engine).finished()


class FlowRun:
    """A run of a flow in memory: an async iterator over its events.

    It starts when first iterated or awaited. Breaking off the iteration leaves the run alone; `cancel` stops
    it, and so does leaving an `async with` block early.
    """

    def __init__(self, program: Program, start: Start, engine: Engine, owned: Engine | None) -> None:
        self._program = program
        self._start = start
        self._engine = engine
        self._owned = owned
        self._stream = EventStream()
        self._events = self._stream.events
        self._handle: RunHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    def start(self) -> RunHandle:
        """Start the run if it has not started. Needs a running event loop."""
        if self._handle is None:
            self._handle = self._engine.start(self._program, self._start, self._stream.push)
            self._handle.task.add_done_callback(self._ended)
        return self._handle

    @property
    def run_id(self) -> str | None:
        """None until the run has started."""
        return self._handle.run_id if self._handle else None

    def cancel(self, reason: str = "cancelled") -> None:
        """Ask the run to stop; its steps marked always still run."""
        self.start().cancel(reason)

    def signal(self, name: str, value: Any = None) -> None:
        """Tell whoever in the run waits for a signal of this name."""
        self.start().tell(Answer(name=name, value=plain(value)))

    def answer(
        self,
        ask: str,
        value: Any = None,
        *,
        decision: Decision | Literal["answered", "approved", "rejected"] = Decision.ANSWERED,
        reason: str | None = None,
        by: str | None = None,
    ) -> None:
        """Answer an ask, by its id in StepWaiting or StepInterrupted. Who answers, and how, is not checked here."""
        told = Answer(ask=ask, decision=Decision(decision), value=plain(value), reason=reason, by=by)
        self.start().tell(told)

    async def finished(self) -> Run:
        """Wait for the end of the run; cancelling this cancels the run."""
        handle = self.start()
        try:
            return await handle.finished()
        except asyncio.CancelledError:
            handle.task.cancel()
            raise
        finally:
            await self._closed()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Shown:
        if self._events:
            return self._events.popleft()
        if self._handle is None:
            self.start()
        event = await self._stream.next()
        if event is None:
            await self._closed()
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        task = self.start().task
        if not task.done():
            self.cancel()
            await asyncio.wait([task])
        await self._closed()

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        fault = None if task.cancelled() else task.exception()
        self._stream.close(fault)
        if self._owned is not None:
            self._closing = task.get_loop().create_task(self._owned.close())

    async def _closed(self) -> None:
        if self._closing is not None:
            await asyncio.shield(self._closing)


def _as_given(control: FlowControl | Mapping[str, Json] | None) -> Json:
    return (
        control.model_dump(mode="json", exclude_unset=True) if isinstance(control, FlowControl) else control
    )


def validate_flow(flow: Flow) -> list[ValidationError]:
    """Everything that keeps a flow from running; empty when it can run."""
    return flow.errors()
