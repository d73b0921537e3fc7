"""Assertions about a finished run say what happened instead."""

import re
from collections.abc import Callable

import pytest

from openrun import Flow, StepConditional
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.testing import FlowResult, fails, returns, run_flow
from tests.testing.flows import fetching, say, start


@pytest.fixture
async def branched() -> FlowResult:
    """A run that took the branch `yes`."""
    check = StepConditional(id="check", config=StepConditionalConfig(left=1, right=1))
    return await run_flow(
        Flow("Branched").add(start() >> check["true"] >> say("yes"), check["false"] >> say("no"))
    )


@pytest.fixture
async def failed() -> FlowResult:
    """A run whose request failed, and whose error path failed too."""
    steps = {"fetch": fails("no route", code="CONNECT_FAILED"), "sorry": fails("no words", code="MUTE")}
    return await run_flow(fetching(), steps=steps)


def complaint(check: Callable[..., None], *args: str, **options: str) -> str:
    with pytest.raises(AssertionError) as caught:
        check(*args, **options)
    return str(caught.value)


def test_what_holds_passes(branched: FlowResult, failed: FlowResult) -> None:
    branched.assert_succeeded()
    branched.assert_ran("start", "check", "yes")
    branched.assert_skipped("no")
    failed.assert_failed()
    failed.assert_failed("sorry")
    failed.assert_failed("sorry", code="MUTE")
    failed.assert_failed(code="MUTE")


def test_a_run_that_failed_is_described_by_its_failures(failed: FlowResult) -> None:
    assert complaint(failed.assert_succeeded) == (
        "the run failed: fetch: CONNECT_FAILED no route (handled); sorry: MUTE no words"
    )


def test_a_run_that_succeeded_is_no_failure(branched: FlowResult) -> None:
    assert complaint(branched.assert_failed) == "the run succeeded: no failures"


def test_a_handled_failure_does_not_count_as_the_failure_of_the_run(failed: FlowResult) -> None:
    said = complaint(failed.assert_failed, "fetch", code="CONNECT_FAILED")
    assert said.startswith("no unhandled failure 'fetch CONNECT_FAILED' among: fetch: CONNECT_FAILED")


def test_a_step_that_did_not_run_is_explained(branched: FlowResult) -> None:
    said = complaint(branched.assert_ran, "yes", "no")
    assert said.startswith("did not run: no\n")
    assert "no in /: skipped" in said
    assert "check.false: not_taken (check fired true" in said


def test_a_step_that_was_not_skipped_is_explained(branched: FlowResult) -> None:
    said = complaint(branched.assert_skipped, "yes", "no")
    assert said.startswith("was not skipped: yes\n")
    assert re.search(r"yes in /: ran", said)


def test_asking_about_a_step_that_the_flow_lacks_is_an_error(branched: FlowResult) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        branched.explain("nowhere")
    with pytest.raises(KeyError, match="nowhere"):
        branched.assert_ran("nowhere")


async def test_a_result_has_the_run_its_events_and_what_came_of_it() -> None:
    result = await run_flow(fetching(), input={"body": {"id": 1}}, steps={"fetch": returns({"n": 1})})

    assert result.output == "done"
    assert result.state["steps"]["fetch"] == {"n": 1}
    assert result.times("done") == 1
    assert result.run.events[0] in result.shown
