"""What the metrics tell of schedules."""

from openrun.telemetry.metrics import Metrics
from openrun.triggers.scheduler import telling


def test_ticks_are_counted_by_outcome_and_the_lag_of_those_that_fired() -> None:
    metrics = Metrics()
    told = telling([object(), metrics])
    told("fired", 0.02)
    told("fired", 3.5)
    told("missed", 90_000)
    text = metrics.render()[1].decode()
    assert 'openrun_schedule_ticks_total{outcome="fired"} 2.0' in text
    assert 'openrun_schedule_ticks_total{outcome="missed"} 1.0' in text
    assert "openrun_schedule_lag_seconds_count 2.0" in text
    assert "openrun_schedule_lag_seconds_sum 3.52" in text
