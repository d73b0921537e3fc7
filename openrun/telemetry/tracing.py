"""OpenTelemetry traces: one for each wake-up of a run.

A run may take months, and a trace should not: from the moment a worker takes a run until it leaves, its spans form a
trace of their own. The root is `run {flow}`; it links to whoever asked for the run (the `traceparent` of its
FlowStarted) and to the wake-up before. Journals do not keep span contexts, so that the second link is there only
where the same process had the run before, among the last ten thousand that left it unended; all wake-ups of a run have its
`openrun.run.id`. In the first one a span `run.started` without length is there at once.

Each attempt of a step is a span `step {step_type}` (undoing one, `compensate {step_type}`) with the times of its
events. Waiting is no running span: the attempt that waits ends with an event, and what wakes it begins another.
"""

from collections import OrderedDict
from collections.abc import Sequence

from opentelemetry.trace import (
    Link,
    NoOpTracerProvider,
    ProxyTracerProvider,
    SpanContext,
    TraceFlags,
    TracerProvider,
    get_tracer_provider,
)

from openrun.core.events import FlowStarted, Shown
from openrun.net.trace_context import TraceContext, parse
from openrun.runtime.clock import Clock, SystemClock
from openrun.runtime.observer import Seen
from openrun.telemetry.wakeup import Wakeup
from openrun.version import __version__

MOST_REMEMBERED = 10_000

Key = tuple[str, int]
"""A run and its fence: a wake-up."""


class Tracing:
    """Makes spans of what it observes, by a provider of tracers (the global one as it is now, when none is given).

    Without an SDK it makes none, and lets steps pass on the trace context that their run was asked for with.
    """

    def __init__(self, provider: TracerProvider | None = None, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        source = provider or get_tracer_provider()
        self._quiet = isinstance(source, NoOpTracerProvider | ProxyTracerProvider)
        self._tracer = source.get_tracer("openrun", __version__)
        self._given: dict[Key, TraceContext] = {}
        """What runs that are held were asked for with."""
        self._wakeups: dict[Key, Wakeup | None] = {}
        """None until a new run is on disk."""
        self._before: OrderedDict[str, SpanContext] = OrderedDict()
        """The last wake-up of runs that have left unended."""

    def took(self, run: Seen) -> None:
        begun = run.history[0] if run.history else None
        if isinstance(begun, FlowStarted):
            self._accept(run, begun)
        if self._quiet:
            return
        key = run.run_id, run.fence
        self._wakeups[key] = None
        if isinstance(begun, FlowStarted):
            now = self._clock.now()
            wakeup = Wakeup(self._tracer, run, begun, self._links(key), now)
            wakeup.recover(run.history, now)
            self._wakeups[key] = wakeup

    def heard(self, run: Seen, shown: Sequence[Shown]) -> None:
        first = shown[0]
        if type(first) is FlowStarted:
            self._accept(run, first)
        if self._quiet:
            return
        key = run.run_id, run.fence
        wakeup = self._wakeups.get(key)
        if wakeup is None:
            if key not in self._wakeups or type(first) is not FlowStarted:
                return
            wakeup = Wakeup(self._tracer, run, first, self._links(key), first.timestamp)
            self._wakeups[key] = wakeup
        wakeup.hear(shown)

    def left(self, run: Seen, why: str) -> None:
        key = run.run_id, run.fence
        self._given.pop(key, None)
        wakeup = self._wakeups.pop(key, None)
        if wakeup is None:
            return
        wakeup.end(why, self._clock.now())
        self._before.pop(run.run_id, None)
        if why != "ended":
            self._before[run.run_id] = wakeup.context
            if len(self._before) > MOST_REMEMBERED:
                self._before.popitem(last=False)

    def trace(self, run: Seen, step_id: str, scope: str) -> tuple[str, str | None] | None:
        """The attempt's own span; where there are no spans, what the run was asked for with."""
        key = run.run_id, run.fence
        wakeup = self._wakeups.get(key)
        if wakeup is not None:
            context = wakeup.context_of((step_id, scope), self._clock.now())
            if context.is_valid:
                return _headers(context)
        given = self._given.get(key)
        return None if given is None else (given.traceparent, given.tracestate)

    def _accept(self, run: Seen, begun: FlowStarted) -> None:
        if begun.traceparent is not None:
            given = parse(begun.traceparent, begun.tracestate)
            if given is not None:
                self._given[run.run_id, run.fence] = given

    def _links(self, key: Key) -> list[Link]:
        links = []
        given, before = self._given.get(key), self._before.get(key[0])
        if given is not None:
            links.append(Link(_context(given), {"openrun.link": "creator"}))
        if before is not None:
            links.append(Link(before, {"openrun.link": "previous"}))
        return links


def _headers(context: SpanContext) -> tuple[str, str | None]:
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return traceparent, context.trace_state.to_header() or None


def _context(given: TraceContext) -> SpanContext:
    _version, trace_id, span_id, flags = given.traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
