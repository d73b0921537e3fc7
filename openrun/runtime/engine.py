"""An engine: what runs of flows share, and starting them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, Self

from openrun.core.asks import Answer
from openrun.core.errors import InvalidFlow, OpenRunError, PermanentError, ValidationError
from openrun.core.events import Fact, Failure, FlowCompleted, FlowStarted, Shown
from openrun.core.explain import Explanation, explain
from openrun.core.facts import CancelRequest
from openrun.core.graph import Graph
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.near import did_you_mean
from openrun.core.state import check_key
from openrun.core.strict_json import plain
from openrun.core.types import Json, RunStatus
from openrun.definition.program import Program
from openrun.net.address import AllowList
from openrun.net.http import HttpClient
from openrun.runtime.children import Children
from openrun.runtime.clock import Clock, SystemClock
from openrun.runtime.driver import Driver
from openrun.runtime.ids import NewRunId, uuid7
from openrun.runtime.log import MemoryLog
from openrun.runtime.surroundings import ChildRequest, Surroundings
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog

_CLOSE_GRACE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    run_id: str
    flow_id: str
    status: RunStatus
    output: Json
    state: Mapping[str, Json]
    failures: tuple[Failure, ...]
    events: tuple[Fact, ...]
    graph: Graph = field(repr=False, compare=False)

    def explain(self, step_id: str) -> list[Explanation]:
        """Why a step did, or did not, run: one answer per scope. Raises KeyError for an unknown step."""
        return explain(self.graph, self.events, step_id)

    @property
    def succeeded(self) -> bool:
        return self.status is RunStatus.SUCCEEDED


class Compilable(Protocol):
    """What compiles to a program: a `Flow`."""

    def program(self, catalog: StepCatalog, limits: Limits) -> Program: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a run begins: checked, and plain data."""

    trigger: str
    payload: dict[str, Json]
    state: dict[str, Json]
    parent_run_id: str | None = None
    run_id: str | None = None
    depth: int = 0
    traceparent: str | None = None
    tracestate: str | None = None
    hops: int = 0


class RunHandle:
    """A run under way."""

    __slots__ = ("_driver", "_log", "run_id", "task")

    def __init__(self, driver: Driver, log: MemoryLog) -> None:
        self._driver = driver
        self._log = log
        self.run_id = driver.machine.run_id
        self.task: asyncio.Task[FlowCompleted] = asyncio.get_running_loop().create_task(self._to_its_end())

    def cancel(self, reason: str = "cancelled", *, hard: bool = False, compensate: bool = False) -> None:
        """Ask the run to stop, and with `compensate` to undo what it did; `hard` waits for nothing."""
        request = CancelRequest(reason=reason, hard=hard, compensate=compensate)
        self._driver.post(lambda: self._driver.steering.cancel(request))

    def tell(self, answer: Answer) -> None:
        """Answer an ask of the run, or send it a signal."""
        self._driver.post(lambda: self._driver.steering.answer(answer))

    async def finished(self) -> Run:
        """Wait for the end of the run."""
        end = await asyncio.shield(self.task)
        state = self._driver.machine.state()
        return Run(
            run_id=end.run_id,
            flow_id=end.flow_id,
            status=end.status,
            output=end.output,
            state=state,
            failures=end.failures,
            events=tuple(self._log.facts),
            graph=self._driver.machine.graph,
        )

    async def _to_its_end(self) -> FlowCompleted:
        end = await self._driver.drive()
        assert end is not None, "nobody takes over a run in memory"
        return end


class Engine:
    """Catalogue, flows, clock, limits, allowlist, secrets and one HTTP client, shared by its runs.

    `allow` are targets on private networks that requests may reach, as "host:port"; `secrets` are what
    templates may name as `<<secrets.name>>` where a secret is accepted. Close it, or use `async with`.
    An `http` client of your own has its own `allow`, and closing it is yours: whoever makes a client closes it.
    """

    def __init__(
        self,
        *,
        catalog: StepCatalog | None = None,
        flows: Iterable[Compilable] = (),
        clock: Clock | None = None,
        limits: Limits = DEFAULT_LIMITS,
        allow: Iterable[str] = (),
        secrets: Mapping[str, str] | None = None,
        http: HttpClient | None = None,
        new_run_id: NewRunId = uuid7,
    ) -> None:
        self.catalog = catalog or StepCatalog.builtin()
        self.limits = limits
        self.clock: Clock = clock or SystemClock()
        self.flows: dict[str, Program] = {}
        targets = tuple(allow)
        if http is not None and targets:
            raise ValueError("give either `allow` or `http`: a client of your own has its targets already")
        self._http = http or HttpClient(allow=AllowList.parse(targets))
        self._closes_http = http is None
        self._running: set[RunHandle] = set()
        self._closed = False
        self._around = Surroundings.of(
            clock=self.clock, limits=limits, http=self._http, new_run_id=new_run_id, secrets=secrets or {}
        )
        for flow in flows:
            self.add_flow(flow)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel what still runs, and close the HTTP client unless it was given; closing twice is no act."""
        self._closed = True
        for handle in list(self._running):
            handle.cancel("the engine was closed", hard=True)
        tasks = {handle.task for handle in self._running}
        _ended, stubborn = await asyncio.wait(tasks, timeout=_CLOSE_GRACE) if tasks else (tasks, tasks)
        for task in stubborn:
            task.cancel()
        if stubborn:
            await asyncio.wait(stubborn)
        if self._closes_http:
            await self._http.close()

    def add_flow(self, flow: Compilable) -> Program:
        """Make a flow known under its id, for subflows. Raises `InvalidFlow` with all its faults."""
        program = flow.program(self.catalog, self.limits)
        known = self.flows.setdefault(program.flow_id, program)
        if known.version != program.version:
            fault = ValidationError(
                code="DUPLICATE_FLOW",
                message=f"the engine has another flow of this id, named {known.name!r}",
                hint="give one of them an `id` of its own",
            )
            raise InvalidFlow([fault], flow=program.flow_id)
        return program

    def start(self, program: Program, start: Start, show: Callable[[Shown], None]) -> RunHandle:
        """Start a run; every event is handed to `show` as it happens.

        Raises `OpenRunError` when the engine is closed.
        """
        if self._closed:
            raise OpenRunError("the engine is closed; make a new one, or close it after its last run")
        run_id = start.run_id or self._around.new_run_id()
        begun = started(program, start, run_id, self.clock.now())
        log = MemoryLog(show)
        handle = RunHandle(
            Driver(
                self._around,
                program,
                begun,
                log,
                lambda post: Children(self._around, self, run_id, start.depth, post, hops=start.hops),
            ),
            log,
        )
        self._running.add(handle)
        handle.task.add_done_callback(lambda _task: self._running.discard(handle))
        return handle

    def missing_flow(self, flow: str) -> str | None:
        """Why a flow cannot be run as a child, or None when it can."""
        if flow in self.flows:
            return None
        hint = did_you_mean(flow, self.flows) or "add it with Engine(flows=[...])"
        return f"the engine knows no flow {flow!r}; {hint}"

    def start_child(self, request: ChildRequest) -> RunHandle:
        """Start a run for another one. Raises `StepError` when it cannot be started."""
        program = self.flows[request.flow]
        try:
            start = prepare(program, request.trigger, request.payload, {})
        except InvalidFlow as error:
            raise PermanentError(str(error), code="INVALID_TRIGGER") from None
        child = replace(
            start,
            parent_run_id=request.parent_run_id,
            run_id=request.run_id,
            depth=request.depth,
            hops=request.hops,
        )
        return self.start(program, child, lambda _event: None)


def started(program: Program, start: Start, run_id: str, now: datetime) -> FlowStarted:
    """The first event of a run."""
    return FlowStarted(
        run_id=run_id,
        flow_id=program.flow_id,
        seq=1,
        timestamp=now,
        version=program.version,
        trigger=start.trigger,
        input=start.payload,
        state=start.state,
        parent_run_id=start.parent_run_id,
        traceparent=start.traceparent,
        tracestate=start.tracestate,
        hops=start.hops,
    )


def prepare(
    program: Program,
    trigger: str | None,
    payload: Mapping[str, Any],
    state: Mapping[str, Any],
    *,
    is_plain: bool = False,
) -> Start:
    """How a run of this program begins, by this trigger or the only one; `is_plain` payloads are known to be JSON.

    Raises `InvalidFlow` when the trigger is not one of the flow's, `PermanentError` for a payload or an
    initial state that cannot be.
    """
    chosen = choose_trigger(program, trigger)
    if not isinstance(payload, Mapping):
        raise PermanentError(
            f"the input of a run is an object such as {{'body': ...}}, not {type(payload).__name__}",
            code="INVALID_INPUT",
        )
    given: dict[str, Json] = dict(payload) if is_plain else plain(dict(payload))
    for key in state:
        check_key(key)
    return Start(trigger=chosen.id, payload=chosen.payload(given), state=plain(dict(state)) if state else {})


def choose_trigger(program: Program, trigger: str | None) -> Step:
    """The trigger of this id, or the only one. Raises `InvalidFlow` when there is none, or no telling which."""
    names = [step.id for step in program.triggers]
    if trigger is None and len(names) == 1:
        return program.triggers[0]
    for step in program.triggers:
        if step.id == trigger:
            return step
    if trigger is None:
        message = f"the flow has {len(names)} triggers; say which one starts the run"
        fault = ValidationError(
            code="WHICH_TRIGGER", message=message, hint=f"one of {', '.join(map(repr, names))}"
        )
    else:
        message = f"the flow has no trigger {trigger!r}"
        fault = ValidationError(code="UNKNOWN_TRIGGER", message=message, hint=did_you_mean(trigger, names))
    raise InvalidFlow([fault], flow=program.flow_id)
