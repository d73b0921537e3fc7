"""The past of a run, from its journal alone: state, differences, timeline, and why a step ran or did not."""

from typing import Any

from pydantic import BaseModel, Field

from openrun.core.events import Fact
from openrun.core.explain import Explanation, explain
from openrun.core.graph import Graph
from openrun.core.near import did_you_mean
from openrun.core.past import NoSuchSeq
from openrun.core.patch import difference
from openrun.core.replay import state_at
from openrun.core.timeline import timeline
from openrun.core.types import Json
from openrun.server.access import Scope
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Nothing, Route
from openrun.server.run_rows import apart, facts_of, run_of
from openrun.server.run_views import RUN

_LAST_SEQ = 10**15


class StateQuery(BaseModel, extra="forbid"):
    """Which state is told."""

    at: int | None = Field(
        default=None,
        ge=1,
        lt=_LAST_SEQ,
        title="At",
        description="Right after the event of this seq; the last one when left out.",
        examples=[7],
    )


class StateView(BaseModel):
    """The state of a run at one of its events."""

    run_id: str = Field(title="Run", description="Its id.", examples=[RUN])
    at: int = Field(title="At", description="The seq of the event.", examples=[7])
    state: dict[str, Any] = Field(
        title="State",
        description="Its values; `steps` has the outputs of its steps by id.",
        examples=[{"total": 40, "steps": {"charge": {"id": "ch_1"}}}],
    )


class DiffQuery(BaseModel, extra="forbid"):
    """Which two states are compared."""

    since: int = Field(
        alias="from", ge=1, lt=_LAST_SEQ, title="From", description="Seq of an event.", examples=[3]
    )
    to: int = Field(
        ge=1, lt=_LAST_SEQ, title="To", description="Seq of another one, later or earlier.", examples=[7]
    )


class DiffView(BaseModel):
    """What makes one state out of another."""

    run_id: str = Field(title="Run", description="Its id.", examples=[RUN])
    operations: list[dict[str, Any]] = Field(
        title="Operations",
        description="JSON Patch (RFC 6902).",
        examples=[[{"op": "replace", "path": "/total", "value": 35}]],
    )


class TimelineView(BaseModel):
    """The course of a run. Instants are RFC 3339 text; what has not come yet is null."""

    run_id: str = Field(title="Run", description="Its id.", examples=[RUN])
    flow_id: str = Field(title="Flow", description="Id of its flow.", examples=["orders"])
    version: str = Field(title="Version", description="Version of the flow.", examples=["9f2c4e…"])
    status: str = Field(title="Status", description="Where it stands.", examples=["succeeded"])
    started_at: str | None = Field(title="Started at", description="When.", examples=["2026-01-31T09:00:00Z"])
    ended_at: str | None = Field(title="Ended at", description="When.", examples=["2026-01-31T09:00:02Z"])
    duration_ms: float | None = Field(title="Duration", description="In milliseconds.", examples=[2_000.0])
    activations: list[dict[str, Any]] = Field(
        title="Activations",
        description="Steps in the order of their starts, each with its attempts and waits.",
        examples=[[{"step_id": "charge", "scope": "/", "status": "succeeded", "attempts": [], "waits": []}]],
    )
    events: list[dict[str, Any]] = Field(
        title="Events",
        description="What happened, in order, without inputs, outputs and values.",
        examples=[[{"seq": 1, "type": "FlowStarted", "timestamp": "2026-01-31T09:00:00Z"}]],
    )


class ExplainQuery(BaseModel, extra="forbid"):
    """Which step is explained."""

    step: str = Field(min_length=1, max_length=200, title="Step", description="Its id.", examples=["charge"])


class EdgeView(BaseModel):
    """One edge into a step."""

    source: str = Field(title="Source", description="The step before.", examples=["check"])
    port: str = Field(title="Port", description="The port it leaves by.", examples=["true"])
    settled: str | None = Field(
        title="Settled", description="fired, or why it died; null while it is open.", examples=["fired"]
    )
    because: str = Field(
        title="Because", description="What settled it.", examples=["check fired true, seq 5"]
    )


class ExplanationView(BaseModel):
    """Why a step ran in one scope, or did not."""

    scope: str = Field(title="Scope", description="Where.", examples=["/"])
    verdict: str = Field(
        title="Verdict",
        description="ran, failed, cancelled, skipped, running, waiting or open.",
        examples=["ran"],
    )
    rule: str = Field(
        title="Rule", description="The rule that decided.", examples=["it is where the run begins"]
    )
    edges: list[EdgeView] = Field(title="Edges", description="Every edge into it, and how it settled.")


class ExplainedView(BaseModel):
    """Why a step ran, or did not, in every scope that it came to."""

    run_id: str = Field(title="Run", description="Its id.", examples=[RUN])
    step_id: str = Field(title="Step", description="The step.", examples=["charge"])
    scopes: list[ExplanationView] = Field(title="Scopes", description="In the order of their beginnings.")


async def state(call: Call) -> Answer:
    run_id = (await run_of(call)).run_id
    facts = await facts_of(call, run_id)
    at = len(facts) if call.query.at is None else call.query.at
    _check_seq(facts, at)
    found = await apart(at, lambda: state_at(facts, at))
    return Answer(body=StateView(run_id=run_id, at=at, state=found))


async def diff(call: Call) -> Answer:
    run_id = (await run_of(call)).run_id
    facts = await facts_of(call, run_id)
    before, after = call.query.since, call.query.to
    for seq in (before, after):
        _check_seq(facts, seq)
    found: list[Json] = await apart(
        len(facts), lambda: difference(state_at(facts, before), state_at(facts, after))
    )
    return Answer(body=DiffView(run_id=run_id, operations=found))


async def course(call: Call) -> Answer:
    run_id = (await run_of(call)).run_id
    facts = await facts_of(call, run_id)
    return Answer(body=await apart(len(facts), lambda: timeline(facts)))


async def why(call: Call) -> Answer:
    row = await run_of(call)
    facts = await facts_of(call, row.run_id)
    program = await call.house.app.library.program(row.flow_id, row.version, row.namespace)
    graph, step = program.graph, call.query.step
    try:
        found = await apart(len(facts), lambda: explain(graph, facts, step))
    except KeyError:
        hint = did_you_mean(step, _names(graph)) or "flows.get shows its steps"
        raise Problem(404, f"flow {row.flow_id!r} has no step {step!r}; {hint}") from None
    scopes = [_explanation(each) for each in found]
    return Answer(body=ExplainedView(run_id=row.run_id, step_id=step, scopes=scopes))


def _check_seq(facts: list[Fact], seq: int) -> None:
    if not 1 <= seq <= len(facts):
        raise NoSuchSeq(f"run {facts[0].run_id} has the events 1 to {len(facts)}; there is no event {seq}")


def _names(graph: Graph) -> set[str]:
    return set(graph.index).union(*(_names(body) for body in graph.bodies.values()))


def _explanation(each: Explanation) -> ExplanationView:
    edges = [
        EdgeView(source=edge.source, port=edge.port, settled=edge.settled, because=edge.because)
        for edge in each.edges
    ]
    return ExplanationView(scope=each.scope, verdict=each.verdict, rule=each.rule, edges=edges)


ROUTES = tuple(
    Route(
        method="GET",
        path=f"/v1/runs/{{run_id}}/{name}",
        operation=f"runs.{name}",
        summary=summary,
        description="Read from the journal alone: no step runs.",
        tag="past",
        scope=Scope.RUNS_READ,
        handler=handler,
        query=query,
        answer=view,
        problems=(404, 409, 410),
    )
    for name, handler, query, view, summary in (
        ("state", state, StateQuery, StateView, "The state of a run at any of its events"),
        ("diff", diff, DiffQuery, DiffView, "What changed in the state between two events"),
        ("timeline", course, Nothing, TimelineView, "When each step started, waited and ended"),
        ("explain", why, ExplainQuery, ExplainedView, "Why a step ran, or did not"),
    )
)
