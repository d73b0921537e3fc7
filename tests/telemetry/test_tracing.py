"""Each wake-up of a run is a trace of its own; its steps are spans with the times of their events."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanContext, StatusCode, TraceFlags

from openrun.core.effects import EffectStatus
from openrun.core.events import (
    EffectRecorded,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    Shown,
    StepCancelled,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.types import EffectClass
from openrun.net.trace_context import parse
from openrun.telemetry import tracing
from openrun.telemetry.tracing import Tracing
from openrun.testing import VirtualClock, fails, returns, script
from tests.telemetry.given import Told, keep, next_of, observe, told

NAP = {"id": "nap", "type": "delay", "config": {"seconds": 40}}
TWICE = {"max_attempts": 2, "base_ms": 1, "jitter": 0, "retry_on": ["*"]}
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ASKED = f"00-{TRACE_ID}-{SPAN_ID}-01"


class Spans:
    """Tracing whose spans stay in memory."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.clock = VirtualClock()
        self.tracing = Tracing(provider, clock=self.clock)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._kept.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


@pytest.fixture
def spans() -> Spans:
    return Spans()


def ns(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000


def asked_by(run: Told, traceparent: str | None, tracestate: str | None = None) -> list[Shown]:
    """The run's events, had somebody asked for it so."""
    return [replace(run.begun, traceparent=traceparent, tracestate=tracestate), *run.shown[1:]]


def context(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def said(span: ReadableSpan) -> dict[str, object]:
    return {**span.attributes} if span.attributes else {}


# -- a run ----------------------------------------------------------------------------------------


async def test_a_run_is_one_trace_whose_root_is_named_by_its_flow(spans: Spans) -> None:
    run = await told(keep("a"))
    observe(spans.tracing, run.held(), run.shown)
    root = spans.one("run orders")
    assert root.parent is None
    assert {context(span).trace_id for span in spans.all} == {context(root).trace_id}
    assert root.start_time == ns(run.begun.timestamp)
    assert said(root) == {
        "openrun.run.id": run.begun.run_id,
        "openrun.flow.name": "orders",
        "openrun.flow.version": run.begun.version,
        "openrun.namespace": "default",
        "openrun.run.status": "succeeded",
        "openrun.left": "ended",
    }


async def test_a_run_is_found_while_it_is_open(spans: Spans) -> None:
    run = await told(keep("a"))
    spans.tracing.took(run.held())
    spans.tracing.heard(run.held(), run.shown[:1])
    started = spans.one("run.started")
    assert started.start_time == started.end_time == ns(run.begun.timestamp)
    assert said(started)["openrun.run.id"] == run.begun.run_id


async def test_a_run_accepted_elsewhere_is_announced_where_it_is_first_taken(spans: Spans) -> None:
    run = await told(NAP)
    observe(spans.tracing, run.held(fence=2, history=run.facts[:1]), run.shown[1:], "rests")
    assert len(spans.named("run.started")) == 1
    observe(spans.tracing, run.held(fence=3, history=run.facts[:-2]), run.shown[-2:])
    assert len(spans.named("run.started")) == 1


async def test_no_span_has_a_run_or_a_step_in_its_name(spans: Spans) -> None:
    run = await told(keep("a"), NAP)
    observe(spans.tracing, run.held(), run.shown)
    names = {span.name for span in spans.all}
    assert names == {"run orders", "run.started", "step trigger_manual", "step set_state", "step delay"}


async def test_a_run_that_failed_says_with_which_code_and_not_with_which_words(spans: Spans) -> None:
    run = await told({"id": "boom", "type": "fail", "config": {"code": "NO_STOCK", "message": "order 4711"}})
    observe(spans.tracing, run.held(), run.shown)
    for name in ("run orders", "step fail"):
        span = spans.one(name)
        assert span.status.status_code is StatusCode.ERROR
        assert said(span)["error.type"] == "NO_STOCK"
    assert not any("4711" in span.to_json() for span in spans.all)


async def test_a_duplicate_leaves_no_trace(spans: Spans) -> None:
    run = await told(keep("a"))
    observe(spans.tracing, run.held(), [], "duplicate")
    assert spans.all == ()


@pytest.mark.parametrize("why", ["lost", "fault"])
async def test_a_run_that_was_lost_ends_its_spans_as_they_are(spans: Spans, why: str) -> None:
    run = await told(keep("a"))
    observe(spans.tracing, run.held(), run.shown[:2], why)
    root, step = spans.one("run orders"), spans.one("step trigger_manual")
    assert said(root)["error.type"] == why
    assert said(step)["openrun.step.outcome"] == "left"
    assert step.end_time == ns(spans.clock.now())


# -- steps ----------------------------------------------------------------------------------------


async def test_a_step_is_a_span_from_its_start_to_its_end(spans: Spans) -> None:
    run = await told(keep("a"))
    late = [replace(event, timestamp=event.timestamp + timedelta(seconds=event.seq)) for event in run.shown]
    observe(spans.tracing, run.held(), late)
    step = spans.one("step set_state")
    begun = next(each for each in late if isinstance(each, StepStarted) and each.step_id == "a")
    assert step.start_time == ns(begun.timestamp)
    assert step.end_time == ns(begun.timestamp + timedelta(seconds=1))
    assert step.parent == context(spans.one("run orders"))
    told_of_it = said(step)
    assert told_of_it["openrun.step.id"] == "a"
    assert told_of_it["openrun.step.type"] == "set_state"
    assert told_of_it["openrun.activation.id"] == begun.activation_id
    assert told_of_it["openrun.attempt"] == 1
    assert step.status.status_code is StatusCode.UNSET


async def test_each_attempt_is_a_span(spans: Spans) -> None:
    acts = {"b": script(fails(code="BUSY", retryable=True), returns(1))}
    run = await told({**keep("b"), "retry": TWICE}, scripts=acts)
    observe(spans.tracing, run.held(), run.shown)
    first, second = spans.named("step set_state")
    assert (said(first)["openrun.attempt"], said(second)["openrun.attempt"]) == (1, 2)
    assert (said(first)["error.type"], first.status.status_code) == ("BUSY", StatusCode.ERROR)
    assert [event.name for event in first.events] == ["openrun.retry"]
    assert said(second)["openrun.step.outcome"] == "succeeded"


async def test_waiting_is_no_running_span(spans: Spans) -> None:
    run = await told(NAP)
    observe(spans.tracing, run.held(), run.shown)
    before, after = spans.named("step delay")
    assert [event.name for event in before.events] == ["openrun.wait"]
    assert said(before)["openrun.step.outcome"] == "waiting"
    woken = next(event for event in run.facts if isinstance(event, TimerFired))
    assert before.end_time == ns(woken.timestamp - timedelta(seconds=40))
    assert after.start_time == ns(woken.timestamp)
    assert said(after)["openrun.activation.id"] == said(before)["openrun.activation.id"]


async def test_what_a_crash_cut_short_is_a_span_of_the_next_wake_up(spans: Spans) -> None:
    run = await told(keep("a"))
    cut = next(
        at for at, each in enumerate(run.facts, 1) if isinstance(each, StepStarted) and each.step_id == "a"
    )
    observe(spans.tracing, run.held(fence=2, history=run.facts[:cut]), run.shown[cut:])
    step = spans.one("step set_state")
    assert said(step)["openrun.recovered"] is True
    assert said(step)["openrun.step.outcome"] == "succeeded"


async def test_undoing_a_step_is_a_span(spans: Spans) -> None:
    undo = {"type": "set_state", "config": {"key": "back", "value": 1}}
    boom = {"id": "boom", "type": "fail", "config": {"message": "no"}}
    run = await told({**keep("a"), "compensate": undo}, boom)
    observe(spans.tracing, run.held(), run.shown)
    assert said(spans.one("compensate set_state"))["openrun.step.outcome"] == "completed"


async def test_a_step_in_review_does_not_run_until_somebody_has_decided(spans: Spans) -> None:
    run = await told(keep("a"))
    events: list[Shown] = [
        run.begun,
        next_of(run, StepStarted),
        next_of(run, ReviewRequested, 1, reason="unknown"),
        next_of(run, ReviewResolved, 60, committed=False),
        next_of(run, StepCancelled, 61, reason="cancelled"),
    ]
    observe(spans.tracing, run.held(), events)
    before, after = spans.named("step set_state")
    assert before.end_time == ns(run.begun.timestamp + timedelta(seconds=1))
    assert after.start_time == ns(run.begun.timestamp + timedelta(seconds=60))
    assert said(after)["openrun.step.outcome"] == "cancelled"


async def test_calls_to_the_outside_are_events_of_their_step_without_what_they_said(spans: Spans) -> None:
    run = await told(keep("a"))
    call = {"name": "charge", "key": "k", "effect": EffectClass.EXTERNAL, "value": {"card": "4711"}}
    events: list[Shown] = [
        run.begun,
        next_of(run, StepStarted),
        next_of(run, EffectRecorded, 1, status=EffectStatus.STARTED, **call),
        next_of(run, EffectRecorded, 2, status=EffectStatus.COMMITTED, **call),
        next_of(
            run, EffectRecorded, 2, status=EffectStatus.COMMITTED, **{**call, "effect": EffectClass.PURE}
        ),
    ]
    observe(spans.tracing, run.held(), events, "lost")
    (event,) = spans.one("step set_state").events
    assert event.name == "openrun.effect"
    assert event.attributes == {"openrun.effect.name": "charge", "openrun.effect.status": "committed"}


# -- links ----------------------------------------------------------------------------------------


async def test_a_wake_up_links_to_whoever_asked_for_the_run(spans: Spans) -> None:
    run = await told(keep("a"))
    observe(spans.tracing, run.held(), asked_by(run, ASKED))
    root = spans.one("run orders")
    assert root.parent is None
    assert context(root).trace_id != int(TRACE_ID, 16)
    (link,) = root.links
    assert (link.context.trace_id, link.context.span_id) == (int(TRACE_ID, 16), int(SPAN_ID, 16))
    assert link.attributes == {"openrun.link": "creator"}


async def test_a_wake_up_links_to_the_one_before_in_a_trace_of_its_own(spans: Spans) -> None:
    run = await told(NAP)
    shown = asked_by(run, ASKED)
    rests = run.cut(StepWaiting)
    observe(spans.tracing, run.held(), shown[:rests], "rests")
    history = [event for event in shown[:rests] if isinstance(event, FlowStarted)] + run.facts[1:rests]
    observe(spans.tracing, run.held(fence=2, history=history), shown[rests:])
    first, second = spans.named("run orders")
    assert context(first).trace_id != context(second).trace_id
    links = {link.attributes["openrun.link"]: link.context for link in second.links if link.attributes}
    assert links["previous"] == context(first)
    assert links["creator"].trace_id == int(TRACE_ID, 16)


async def test_only_the_last_wake_ups_are_remembered(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MOST_REMEMBERED", 1)
    run = await told(NAP)
    rests = run.cut(StepWaiting)
    for run_id in ("r1", "r2"):
        observe(spans.tracing, run.held(run_id=run_id), run.shown[:rests], "rests")
    for run_id in ("r1", "r2"):
        history = run.facts[:rests]
        observe(spans.tracing, run.held(run_id=run_id, fence=2, history=history), run.shown[rests:])
    assert [len(root.links) for root in spans.named("run orders")] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "nonsense",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
    ],
)
async def test_a_malformed_context_is_none(spans: Spans, traceparent: str | None) -> None:
    run = await told(keep("a"))
    observe(spans.tracing, run.held(), asked_by(run, traceparent))
    assert spans.one("run orders").links == ()


# -- what steps send on ---------------------------------------------------------------------------


async def test_a_step_sends_its_own_attempt_as_the_parent(spans: Spans) -> None:
    run = await told(keep("a"))
    held, shown = run.held(), asked_by(run, ASKED, "vendor=1")
    spans.tracing.took(held)
    spans.tracing.heard(held, shown[:2])
    sent = spans.tracing.trace(held, "start", "/")
    spans.tracing.heard(held, shown[2:])
    spans.tracing.left(held, "ended")
    step = context(spans.one("step trigger_manual"))
    # Its trace is another one, so the state of the caller's is not sent on.
    assert sent == (f"00-{step.trace_id:032x}-{step.span_id:016x}-{step.trace_flags:02x}", None)
    assert step.trace_flags & TraceFlags.SAMPLED
    assert parse(*sent) is not None


async def test_a_step_that_asks_before_its_start_is_on_disk_has_one_span(spans: Spans) -> None:
    run = await told(keep("a"))
    held = run.held()
    spans.tracing.took(held)
    spans.tracing.heard(held, run.shown[:1])
    sent = spans.tracing.trace(held, "start", "/")
    spans.tracing.heard(held, run.shown[1:])
    spans.tracing.left(held, "ended")
    step = context(spans.one("step trigger_manual"))
    assert sent == (f"00-{step.trace_id:032x}-{step.span_id:016x}-{step.trace_flags:02x}", None)


@pytest.mark.parametrize("tracestate", [None, "vendor=1,other=2"])
async def test_without_an_sdk_the_callers_context_is_sent_on_unchanged(tracestate: str | None) -> None:
    run, quiet = await told(keep("a")), Tracing(NoOpTracerProvider())
    held = run.held()
    quiet.took(held)
    quiet.heard(held, asked_by(run, ASKED, tracestate))
    assert quiet.trace(held, "a", "/") == (ASKED, tracestate)
    quiet.left(held, "ended")
    assert quiet.trace(held, "a", "/") is None


async def test_without_an_sdk_a_woken_run_still_knows_who_asked_for_it() -> None:
    run, quiet = await told(keep("a")), Tracing(NoOpTracerProvider())
    history = [replace(run.begun, traceparent=ASKED)]
    held = run.held(fence=2, history=history)
    quiet.took(held)
    assert quiet.trace(held, "a", "/") == (ASKED, None)


async def test_without_an_sdk_and_without_a_caller_nothing_is_sent() -> None:
    run, quiet = await told(keep("a")), Tracing(NoOpTracerProvider())
    quiet.took(run.held())
    quiet.heard(run.held(), run.shown)
    assert quiet.trace(run.held(), "a", "/") is None


async def test_an_unsampled_trace_is_sent_on_as_such() -> None:
    run = await told(keep("a"))
    unsampled = Tracing(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    held = run.held()
    unsampled.took(held)
    unsampled.heard(held, run.shown[:2])
    sent = unsampled.trace(held, "start", "/")
    assert sent is not None
    flags = int(sent[0].rpartition("-")[2], 16)
    assert not flags & TraceFlags.SAMPLED
