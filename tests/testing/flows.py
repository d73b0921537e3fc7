"""Small flows that the tests of the testing tools run."""

from openrun import Flow, StepDelay, StepForeach, StepRequest, StepTransform, TriggerManual
from openrun.core.durations import parse_duration
from openrun.core.retry import RetryPolicy
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.transform import StepTransformConfig

DAY = parse_duration("1d")


def start() -> TriggerManual:
    return TriggerManual(id="start")


def say(step_id: str, value: object = None) -> StepTransform:
    return StepTransform(id=step_id, config=StepTransformConfig(value=step_id if value is None else value))


def wait(step_id: str, seconds: float | str) -> StepDelay:
    given = parse_duration(seconds) if isinstance(seconds, str) else seconds
    return StepDelay(id=step_id, config=StepDelayConfig(seconds=given))


def fetch(*, retry: RetryPolicy | None = None, timeout: float | None = None) -> StepRequest:
    """A request that no test ever sends: a script stands in for it."""
    config = StepRequestConfig(url="https://api.example.com/users/{{body.id}}")
    return StepRequest(id="fetch", config=config, retry=retry, timeout=timeout)


def fetching(*, retry: RetryPolicy | None = None, timeout: float | None = None) -> Flow:
    """start, fetch, and done or, by its error port, sorry."""
    step = fetch(retry=retry, timeout=timeout)
    return Flow("Fetching").add(start() >> step >> say("done"), step["error"] >> say("sorry"))


def per_item(items: list[object]) -> Flow:
    """A request for each item, one at a time."""
    body = {
        "steps": [{"id": "fetch", "type": "request", "config": {"url": "https://api.example.com/<<item>>"}}]
    }
    config = StepForeachConfig(items=items, body=body, concurrency=1)
    return Flow("Per item").add(start() >> StepForeach(id="each", config=config))
