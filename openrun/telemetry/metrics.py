"""Prometheus metrics of one process: what its runs did, what its server was asked, and how the store stands.

All names begin with `openrun_`, all times are in seconds. Labels are few and bounded: flows, types of steps, routes
and triggers beyond the first of each are "other"; run ids, paths and texts of errors are never labels. Flows of
the same id in several namespaces are counted as one.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from openrun.core.events import Shown
from openrun.core.types import RunStatus
from openrun.runtime.observer import Seen
from openrun.store.base import Store, StoreUnavailable
from openrun.telemetry.course import Course, RunTallies
from openrun.telemetry.survey import Survey, take_survey
from openrun.telemetry.tallies import RUN_SECONDS, Counter, Histogram, Names, gauge, gauges
from openrun.version import __version__

MOST_TRIGGERS = 500
MOST_ROUTES = 200

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_OPENMETRICS = "application/openmetrics-text"


class Metrics(Collector):
    """Counts, as an observer of a worker and for the server; `render` tells what came of it.

    It is used in the event loop's thread alone.
    """

    def __init__(self) -> None:
        self.streams = 0
        """Event streams that are open; the server keeps it."""
        self._runs = RunTallies()
        self._courses: dict[tuple[str, int], Course] = {}
        self._survey: Survey | None = None
        self._expired: frozenset[str] = frozenset()
        self._triggers, self._results, self._routes = Names(MOST_TRIGGERS), Names(50), Names(MOST_ROUTES)
        self._left = Counter("openrun_runs_left", "Runs that left this process, by why.", "why")
        self._taken = Counter("openrun_runs_taken", "Runs that this process took, new or not.")
        self._leases = Counter("openrun_leases_expired", "Leases of workers seen to run out.")
        self._webhooks = Counter(
            "openrun_webhook_requests", "Requests to webhooks, by what came of them.", "trigger", "result"
        )
        self._requests = Counter(
            "openrun_http_requests", "Requests that were answered.", "method", "route", "status"
        )
        self._turned_away = Counter(
            "openrun_backpressure", "Requests that were turned away, by why.", "reason"
        )
        self._ticks = Counter(
            "openrun_schedule_ticks", "Ticks of schedules, by what became of them.", "outcome"
        )
        self._lag = Histogram(
            "openrun_schedule_lag_seconds",
            "From the time of a tick to its run.",
            bounds=RUN_SECONDS,
        )
        self._request_seconds = Histogram(
            "openrun_http_request_duration_seconds", "From a request to the end of its answer.", "route"
        )
        self.registry = CollectorRegistry()
        """Has what is counted here and the process's own numbers, and nothing of anybody else."""
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    # -- as an observer ---------------------------------------------------------------------------

    def took(self, run: Seen) -> None:
        self._courses[run.run_id, run.fence] = Course(self._runs, run)
        self._taken.of().count += 1

    def heard(self, run: Seen, shown: Sequence[Shown]) -> None:
        course = self._courses.get((run.run_id, run.fence))
        if course is not None:
            course.hear(shown)

    def left(self, run: Seen, why: str) -> None:
        if self._courses.pop((run.run_id, run.fence), None) is not None:
            self._left.of(why).count += 1

    def trace(self, run: Seen, step_id: str, scope: str) -> None:
        """Metrics have no trace."""

    # -- for the server ---------------------------------------------------------------------------

    def webhook(self, trigger: str, result: str) -> None:
        """A request to a webhook's trigger came to this: accepted, duplicate, a refusal's name."""
        self._webhooks.of(self._triggers.label(trigger), self._results.label(result)).count += 1

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the template it matched, not its path."""
        known = self._routes.label(route)
        self._requests.of(method if method in _METHODS else "_OTHER", known, str(status)).count += 1
        self._request_seconds.of(known).observe(seconds)

    def turned_away(self, reason: str) -> None:
        """A request was answered with 429, since too much of this was under way."""
        self._turned_away.of(reason).count += 1

    def ticked(self, outcome: str, lag_seconds: float) -> None:
        """Something became of a tick of a schedule, so long after its time."""
        self._ticks.of(outcome).count += 1
        if outcome == "fired":
            self._lag.of().observe(lag_seconds)

    async def survey(self, store: Store) -> None:
        """Look at the store for the gauges that are about all runs; they are left out while it is away."""
        try:
            found = await take_survey(store)
        except StoreUnavailable:
            self._survey = None
            return
        self._leases.of().count += len(found.expired - self._expired)
        self._expired = found.expired
        self._survey = found

    def render(self, accept: str | None = None) -> tuple[str, bytes]:
        """The content type and the body: OpenMetrics when `accept` names it, else Prometheus' text format."""
        wanted = _OPENMETRICS if accept is not None and _OPENMETRICS in accept.lower() else ""
        encode, content_type = choose_encoder(wanted)
        return content_type, encode(self.registry)

    # -- as a collector ---------------------------------------------------------------------------

    def collect(self) -> Iterable[Metric]:
        own = (
            self._left, self._taken, self._leases, self._webhooks, self._requests, self._request_seconds,
            self._turned_away, self._ticks, self._lag,
        )  # fmt: skip
        for each in (*self._runs.families(), *own):
            yield each.family()
        yield gauge("openrun_runs_active", "Runs that this process holds.", len(self._courses))
        yield gauge("openrun_event_streams", "Event streams that are open.", self.streams)
        yield gauges("openrun_build_info", "The version of OpenRun.", "version", {__version__: 1})
        yield gauge(
            "openrun_store_up", "Whether the store answered the last survey.", self._survey is not None
        )
        if self._survey is not None:
            yield from _surveyed(self._survey)

    def describe(self) -> Iterable[Metric]:
        """What `collect` gives is not looked at when it is registered."""
        return ()


def _surveyed(seen: Survey) -> Iterator[GaugeMetricFamily]:
    counts: dict[str, float] = {status.value: seen.counts.get(status, 0) for status in RunStatus}
    pending = {"start": counts[RunStatus.PENDING.value]}
    yield gauges("openrun_stored_runs", "Runs in the store, by status.", "status", counts)
    yield gauges("openrun_queue_depth", "Runs that were accepted and have not begun.", "queue", pending)
    yield gauge(
        "openrun_queue_oldest_age_seconds",
        "For how long the oldest due run has been due.",
        seen.oldest_seconds,
    )
    yield gauge("openrun_runs_parked", "Runs that wait for a time, a person or another run.", seen.parked)
    yield gauge("openrun_runs_stuck", "Runs in review, or on hold for a reason.", seen.stuck)
    yield gauge("openrun_runs_unowned", "Runs nobody will ever look after.", seen.unowned)
    yield gauge("openrun_events_dead", "Events that were given up.", seen.dead_events)
    yield gauge("openrun_notifications_dead", "Notifications that were given up.", seen.dead_notifications)
    yield gauge(
        "openrun_subscriptions_disabled",
        "Subscriptions that are told nothing.",
        seen.disabled_subscriptions,
    )
    yield gauge("openrun_workers", "Workers whose lease is good.", seen.workers)
