"""What runs do, as lines of a log: whose, what and which code, never what they work on."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from openrun.core.events import StepWaiting
from openrun.core.types import RunStatus
from openrun.telemetry.logs import configure
from openrun.telemetry.runlogs import RunLogs
from openrun.testing import fails, returns, script
from tests.telemetry.given import Told, keep, observe, told

CANARY = "order-4711"
TWICE = {"max_attempts": 2, "base_ms": 1, "jitter": 0, "retry_on": ["*"]}
NAP = {"id": "nap", "type": "delay", "config": {"seconds": 40}}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    undo = configure(level="info", stream=stream)
    yield stream
    undo()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def said(stream: io.StringIO) -> list[tuple[str, str]]:
    return [(line["level"], line["event"]) for line in lines(stream)]


def observed(run: Told) -> None:
    observe(RunLogs(), run.held(), run.shown)


async def test_a_run_that_ends_well_starts_and_ends(stream: io.StringIO) -> None:
    run = await told(keep("a"))
    observed(run)
    assert said(stream) == [("info", "run started"), ("info", "run ended")]
    for line in lines(stream):
        assert (line["run_id"], line["flow_id"], line["namespace"]) == (run.begun.run_id, "orders", "default")
        assert line["logger"] == "openrun.runs"


async def test_a_run_accepted_elsewhere_starts_where_it_is_first_taken(stream: io.StringIO) -> None:
    run = await told(NAP)
    observe(RunLogs(), run.held(fence=2, history=run.facts[:1]), run.shown[1:-2], "handed back")
    observe(RunLogs(), run.held(fence=3, history=run.facts[:-2]), run.shown[-2:])
    assert [event for _level, event in said(stream)] == ["run started", "run handed back", "run ended"]


async def test_a_failure_is_a_warning_with_its_code_and_without_its_words(stream: io.StringIO) -> None:
    observed(await told({"id": "boom", "type": "fail", "config": {"code": "NO_STOCK", "message": CANARY}}))
    assert said(stream)[1:] == [("warning", "step failed"), ("warning", "run failed")]
    step, run = lines(stream)[1:]
    assert (step["step_id"], step["code"], step["attempt"]) == ("boom", "NO_STOCK", 1)
    assert (run["step_id"], run["code"], run["status"]) == ("boom", "NO_STOCK", "failed")
    assert CANARY not in stream.getvalue()


async def test_an_attempt_that_is_followed_by_another_says_which_it_was(stream: io.StringIO) -> None:
    acts = {"b": script(fails(code="BUSY", retryable=True), returns(1))}
    observed(await told({**keep("b"), "retry": TWICE}, scripts=acts))
    retried = lines(stream)[1]
    assert retried["event"] == "step failed and is tried again"
    assert (retried["code"], retried["attempt"]) == ("BUSY", 1)


async def test_inputs_and_outputs_are_never_told(stream: io.StringIO) -> None:
    observed(await told(keep("a", CANARY), keep("b", {"deep": [CANARY]})))
    assert CANARY not in stream.getvalue()


async def test_a_run_that_waits_says_so(stream: io.StringIO) -> None:
    run = await told(NAP)
    observe(RunLogs(), run.held(status=RunStatus.WAITING), run.shown[: run.cut(StepWaiting)], "rests")
    assert said(stream)[-1] == ("info", "run waiting")
    assert lines(stream)[-1]["status"] == "waiting"


@pytest.mark.parametrize("why", ["lost", "fault"])
async def test_a_run_that_is_lost_is_a_warning(stream: io.StringIO, why: str) -> None:
    run = await told(keep("a"))
    observe(RunLogs(), run.held(), run.shown[:1], why)
    assert said(stream)[-1] == ("warning", "run lost")
    assert lines(stream)[-1]["why"] == why


async def test_what_could_not_be_undone_is_a_warning(stream: io.StringIO) -> None:
    undo = {"type": "fail", "config": {"code": "TOO_LATE", "message": CANARY}}
    boom = {"id": "boom", "type": "fail", "config": {"message": "no"}}
    observed(await told({**keep("a"), "compensate": undo}, boom))
    (line,) = [line for line in lines(stream) if line["event"] == "step was not undone"]
    assert (line["level"], line["step_id"], line["code"]) == ("warning", "a", "TOO_LATE")
    assert CANARY not in stream.getvalue()


async def test_nothing_is_said_below_the_level() -> None:
    stream, run = io.StringIO(), await told(keep("a"))
    undo = configure(level="error", stream=stream)
    observed(run)
    undo()
    assert stream.getvalue() == ""
