"""What runs did, in the words of Prometheus: read back with its own parser."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from openrun.core.effects import EffectStatus
from openrun.core.events import EffectRecorded, Shown, StepCancelled, StepStarted, TimerFired
from openrun.core.types import EffectClass
from openrun.telemetry.course import MOST_FLOWS, MOST_TYPES
from openrun.telemetry.metrics import MOST_ROUTES, MOST_TRIGGERS, Metrics
from openrun.testing import fails, returns, script
from openrun.version import __version__
from tests.telemetry.given import Told, keep, next_of, observe, told

NAP = {"id": "nap", "type": "delay", "config": {"seconds": 40}}
TWICE = {"max_attempts": 2, "base_ms": 1, "jitter": 0, "retry_on": ["*"]}


def samples(metrics: Metrics, name: str) -> dict[frozenset[tuple[str, str]], float]:
    """The samples of this name, by their labels."""
    families = text_string_to_metric_families(metrics.render()[1].decode())
    return {
        frozenset(sample.labels.items()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics, name).get(frozenset(labels.items()))


def observed(run: Told, metrics: Metrics | None = None) -> Metrics:
    metrics = metrics or Metrics()
    observe(metrics, run.held(), run.shown)
    return metrics


async def test_a_run_that_ended_is_counted_by_its_flow_and_status() -> None:
    metrics = observed(await told(keep("a")))
    assert value(metrics, "openrun_runs_total", flow="orders", status="succeeded") == 1
    assert value(metrics, "openrun_runs_total", flow="orders", status="failed") == 0
    assert value(metrics, "openrun_runs_started_total", flow="orders") == 1
    assert value(metrics, "openrun_runs_taken_total") == 1
    assert value(metrics, "openrun_runs_left_total", why="ended") == 1


async def test_a_run_takes_from_its_first_event_to_its_last() -> None:
    metrics = observed(await told(NAP))
    assert value(metrics, "openrun_run_duration_seconds_sum") == 40
    assert value(metrics, "openrun_run_duration_seconds_count") == 1
    assert value(metrics, "openrun_run_duration_seconds_bucket", le="10.0") == 0
    assert value(metrics, "openrun_run_duration_seconds_bucket", le="60.0") == 1


async def test_a_run_that_was_begun_elsewhere_takes_from_its_beginning() -> None:
    run = await told(NAP)
    woken = run.cut(TimerFired) - 1
    metrics = Metrics()
    observe(metrics, run.held(fence=2, history=run.facts[:woken]), run.facts[woken:])
    assert value(metrics, "openrun_run_duration_seconds_sum") == 40
    assert value(metrics, "openrun_runs_started_total", flow="orders") == 0


async def test_attempts_are_counted_by_flow_type_and_outcome() -> None:
    acts = {"b": script(fails(retryable=True), returns(1))}
    metrics = observed(await told(keep("a"), {**keep("b"), "retry": TWICE}, scripts=acts))
    labels = {"flow": "orders", "step_type": "set_state"}
    assert value(metrics, "openrun_step_attempts_total", **labels, outcome="succeeded") == 2
    assert value(metrics, "openrun_step_attempts_total", **labels, outcome="failed") == 1
    assert value(metrics, "openrun_step_attempts_total", **labels, outcome="cancelled") == 0
    assert value(metrics, "openrun_retries_total") == 1


async def test_waiting_is_not_running() -> None:
    metrics = observed(await told(NAP))
    assert value(metrics, "openrun_step_duration_seconds_sum", step_type="delay") == 0
    assert value(metrics, "openrun_step_duration_seconds_count", step_type="delay") == 1


async def test_the_first_step_tells_how_long_a_run_was_on_its_way() -> None:
    run = await told(keep("a"))
    begun = replace(run.begun, timestamp=run.begun.timestamp - timedelta(seconds=2))
    metrics = Metrics()
    observe(metrics, run.held(fence=2, history=[begun]), run.shown[1:])
    assert value(metrics, "openrun_dispatch_latency_seconds_sum") == 2
    assert value(metrics, "openrun_runs_started_total", flow="orders") == 1


async def test_a_run_is_active_while_it_is_held() -> None:
    run, metrics = await told(keep("a")), Metrics()
    metrics.took(run.held())
    assert value(metrics, "openrun_runs_active") == 1
    metrics.left(run.held(), "handed back")
    assert value(metrics, "openrun_runs_active") == 0
    assert value(metrics, "openrun_runs_left_total", why="handed back") == 1


async def test_a_run_that_comes_back_before_its_ghost_has_left_stays_active() -> None:
    run, metrics = await told(keep("a")), Metrics()
    metrics.took(run.held(fence=1))
    metrics.took(run.held(fence=2, history=run.facts[:1]))
    metrics.left(run.held(fence=1), "lost")
    assert value(metrics, "openrun_runs_active") == 1
    metrics.heard(run.held(fence=2), run.shown[1:])
    assert value(metrics, "openrun_runs_total", flow="orders", status="succeeded") == 1


async def test_what_a_run_that_is_not_held_shows_is_not_counted() -> None:
    run, metrics = await told(keep("a")), Metrics()
    metrics.heard(run.held(), run.shown)
    assert samples(metrics, "openrun_runs_total") == {}


async def test_flows_beyond_the_most_are_one() -> None:
    run, metrics = await told(keep("a")), Metrics()
    for number in range(MOST_FLOWS + 50):
        observe(metrics, run.held(flow_id=f"flow-{number}"), run.shown)
    assert len({dict(labels)["flow"] for labels in samples(metrics, "openrun_runs_total")}) == MOST_FLOWS + 1
    assert value(metrics, "openrun_runs_total", flow="other", status="succeeded") == 50
    assert value(metrics, "openrun_runs_total", flow="flow-7", status="succeeded") == 1


async def test_types_of_steps_beyond_the_most_are_one() -> None:
    run, metrics = await told(keep("a")), Metrics()
    for number in range(MOST_TYPES + 50):
        observe(metrics, run.held(types={"start": f"type-{number}", "a": f"type-{number}"}), run.shown)
    assert len(samples(metrics, "openrun_step_duration_seconds_count")) == MOST_TYPES + 1
    assert value(metrics, "openrun_step_duration_seconds_count", step_type="other") == 100


@pytest.mark.parametrize("status", [200, 404])
def test_requests_are_counted_by_method_route_and_status(status: int) -> None:
    metrics = Metrics()
    metrics.request("GET", "/v1/runs/{run_id}", status, 0.02)
    labels = {"method": "GET", "route": "/v1/runs/{run_id}", "status": str(status)}
    assert value(metrics, "openrun_http_requests_total", **labels) == 1
    seconds = "openrun_http_request_duration_seconds_bucket"
    assert value(metrics, seconds, route=labels["route"], le="0.025") == 1
    assert value(metrics, seconds, route=labels["route"], le="0.01") == 0


def test_what_clients_make_up_does_not_make_labels_without_end() -> None:
    metrics = Metrics()
    for number in range(MOST_TRIGGERS + 10):
        metrics.webhook(f"trigger-{number}", "accepted")
        metrics.request(f"VERB{number}", f"/route-{number}", 200, 0.1)
    assert len(samples(metrics, "openrun_webhook_requests_total")) == MOST_TRIGGERS + 1
    assert value(metrics, "openrun_webhook_requests_total", trigger="other", result="accepted") == 10
    requests = samples(metrics, "openrun_http_requests_total")
    assert {dict(labels)["method"] for labels in requests} == {"_OTHER"}
    assert len(requests) == MOST_ROUTES + 1


async def test_what_became_of_calls_to_the_outside_is_counted_and_values_drawn_are_not() -> None:
    run, metrics = await told(keep("a")), Metrics()
    calls = [
        next_of(run, EffectRecorded, name="charge", key="k", status=status, effect=effect)
        for effect in (EffectClass.EXTERNAL, EffectClass.PURE)
        for status in (EffectStatus.STARTED, EffectStatus.COMMITTED, EffectStatus.UNKNOWN)
    ]
    observe(metrics, run.held(), calls)
    outcomes = {
        dict(each)["outcome"]: count for each, count in samples(metrics, "openrun_effects_total").items()
    }
    assert outcomes == {"committed": 1, "failed": 0, "unknown": 1, "absent": 0}


async def test_what_became_of_undoing_a_step_is_counted() -> None:
    undo = {"type": "set_state", "config": {"key": "back", "value": 1}}
    boom = {"id": "boom", "type": "fail", "config": {"message": "no"}}
    metrics = observed(await told({**keep("a"), "compensate": undo}, boom))
    assert value(metrics, "openrun_compensations_total", outcome="completed") == 1


async def test_a_step_that_was_stopped_ran_until_then() -> None:
    run, metrics = await told(keep("a")), Metrics()
    events: list[Shown] = [next_of(run, StepStarted), next_of(run, StepCancelled, 3, reason="cancelled")]
    observe(metrics, run.held(), events, "lost")
    labels = {"flow": "orders", "step_type": "set_state", "outcome": "cancelled"}
    assert value(metrics, "openrun_step_attempts_total", **labels) == 1
    assert value(metrics, "openrun_step_duration_seconds_sum", step_type="set_state") == 3


def test_the_version_and_the_streams_are_told() -> None:
    metrics = Metrics()
    metrics.streams += 3
    assert value(metrics, "openrun_build_info", version=__version__) == 1
    assert value(metrics, "openrun_event_streams") == 3


@pytest.mark.parametrize("accept", [None, "", "*/*", "text/plain;version=0.0.4"])
def test_the_text_format_is_for_whoever_does_not_ask_for_more(accept: str | None) -> None:
    content_type, body = Metrics().render(accept)
    assert content_type.startswith("text/plain; version=0.0.4")
    assert b"# EOF" not in body


async def test_openmetrics_is_for_whoever_asks_for_it() -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    content_type, body = observed(await told(keep("a"))).render(accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]
    names = [family.name for family in families]
    assert "openrun_runs" in names
    assert len(names) == len(set(names))


async def test_no_metric_knows_a_run() -> None:
    run = await told({"id": "boom", "type": "fail", "config": {"message": "order 4711 is lost"}})
    text = observed(run).render()[1].decode()
    assert run.begun.run_id not in text
    assert "4711" not in text
    assert "boom" not in text


async def test_buckets_grow_up_to_the_count() -> None:
    metrics = observed(await told(NAP, keep("a")))
    buckets: Mapping[float, float] = {
        float(dict(labels)["le"]): count
        for labels, count in samples(metrics, "openrun_run_duration_seconds_bucket").items()
    }
    counts = [buckets[bound] for bound in sorted(buckets)]
    assert all(a <= b for a, b in pairwise(counts))
    assert counts[-1] == value(metrics, "openrun_run_duration_seconds_count")


def test_two_of_them_share_nothing_and_neither_is_global() -> None:
    one, two = Metrics(), Metrics()
    one.webhook("orders", "accepted")
    assert samples(two, "openrun_webhook_requests_total") == {}
    assert not any(family.name.startswith("openrun") for family in REGISTRY.collect())


async def test_the_process_tells_of_itself() -> None:
    assert value(Metrics(), "process_resident_memory_bytes")


async def test_time_that_goes_back_counts_as_none() -> None:
    run, metrics = await told(keep("a")), Metrics()
    begun = replace(run.begun, timestamp=run.begun.timestamp + timedelta(hours=1))
    observe(metrics, run.held(), [begun, *run.shown[1:]])
    assert value(metrics, "openrun_run_duration_seconds_sum") == 0
    assert value(metrics, "openrun_run_duration_seconds_count") == 1
