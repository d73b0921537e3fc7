"""What foreach and subflow wait for, and what they make of what comes back."""

from typing import Any

import pytest

from openrun.core.errors import ErrorObject
from openrun.core.results import ItemFailure, ItemsWake, StepRunResult, WaitForChildren, WaitForItems
from openrun.core.state import StateContainer
from openrun.core.types import OnItemError
from openrun.steps.base import Step
from openrun.steps.execution import StepForeach, StepForeachConfig, StepSubflow, StepSubflowConfig

from .given import error_of, failure_in, ran, refusal

BODY: dict[str, Any] = {"steps": [{"id": "keep", "type": "set_state"}], "edges": []}
BROKEN = ErrorObject(code="BROKEN", message="it broke")
CANCELLED = ErrorObject(code="CANCELLED", message="the item was cancelled")


def each(**fields: Any) -> StepForeach:
    return StepForeach(id="each", config=StepForeachConfig(**{"items": [1, 2, 3], "body": BODY} | fields))


async def woken(step: Step, wake: ItemsWake) -> StepRunResult:
    outcome = await step.resume(StateContainer(), step.config, wake)
    assert isinstance(outcome, StepRunResult)
    return outcome


async def test_a_body_is_run_per_item() -> None:
    step = each(concurrency=2, on_item_error="collect")
    assert await ran(step) == WaitForItems(items=[1, 2, 3], concurrency=2, on_item_error=OnItemError.COLLECT)
    assert step.body() == BODY
    assert step.flow_refs() == ()


async def test_a_named_flow_is_run_per_item() -> None:
    step = each(body=None, flow="ship-order", trigger="start")
    assert await ran(step) == WaitForChildren(
        flow="ship-order", inputs=[{"body": 1}, {"body": 2}, {"body": 3}], trigger="start"
    )
    assert step.body() is None
    assert step.flow_refs() == ("ship-order",)


async def test_no_items_are_no_wait() -> None:
    assert await ran(each(items=[])) == StepRunResult.success("each", [])
    tolerant = await ran(each(items=[], on_item_error="tolerate"))
    assert tolerant == StepRunResult.success("each", {"results": [], "errors": []})


@pytest.mark.parametrize("policy", ["fail", "collect"])
async def test_results_keep_the_order_of_items(policy: str) -> None:
    outcome = await woken(each(on_item_error=policy), ItemsWake(results=["a", "b", "c"]))
    assert outcome == StepRunResult.success("each", ["a", "b", "c"])


async def test_a_failed_item_fails_the_step() -> None:
    wake = ItemsWake(results=["a", None, None], failures=(ItemFailure(index=1, error=BROKEN),))
    error = failure_in(await woken(each(), wake))
    assert (error.code, error.message) == ("ITEM_FAILED", "item 1 failed: it broke")
    assert error.details == {
        "index": 1,
        "error": {"code": "BROKEN", "message": "it broke"},
        "failures": [{"index": 1, "error": {"code": "BROKEN", "message": "it broke"}}],
    }


async def test_the_item_that_failed_is_named_and_not_those_it_had_cancelled() -> None:
    failures = (ItemFailure(index=0, error=CANCELLED), ItemFailure(index=2, error=BROKEN))
    error = failure_in(await woken(each(), ItemsWake(results=[None] * 3, failures=failures)))
    assert error.message == "item 2 failed: it broke"
    only = ItemsWake(results=[None] * 3, failures=failures[:1])
    assert failure_in(await woken(each(), only)).message == "item 0 failed: the item was cancelled"


async def test_collect_fails_with_all_results_and_errors() -> None:
    failures = (ItemFailure(index=2, error=BROKEN), ItemFailure(index=0, error=BROKEN))
    wake = ItemsWake(results=[None, "b", None], failures=failures)
    error = failure_in(await woken(each(on_item_error="collect"), wake))
    assert error.message == "2 of 3 items failed; item 0 failed: it broke"
    assert error.details is not None
    assert error.details["results"] == [None, "b", None]
    assert [failure["index"] for failure in error.details["failures"]] == [0, 2]


async def test_tolerate_succeeds_with_null_in_place() -> None:
    wake = ItemsWake(results=["a", None, "c"], failures=(ItemFailure(index=1, error=BROKEN),))
    outcome = await woken(each(on_item_error="tolerate"), wake)
    assert outcome.output == {
        "results": ["a", None, "c"],
        "errors": [{"index": 1, "error": {"code": "BROKEN", "message": "it broke"}}],
    }


@pytest.mark.parametrize(
    ("items", "kind"), [({"a": 1}, "an object"), ("abc", "text"), (None, "null"), (3, "a number")]
)
async def test_what_is_no_list_is_an_error_and_a_fault(items: Any, kind: str) -> None:
    step = each(items=items)
    error = await error_of(step)
    assert (error.code, error.message) == ("TYPE_MISMATCH", f"`items` is a list, not {kind}")
    assert step.faults() == [("/config/items", error.message)]


@pytest.mark.parametrize("items", [[1], [], "<<orders>>", ["{{a}}"]])
def test_a_list_or_a_template_is_no_fault(items: Any) -> None:
    assert each(items=items).faults() == []


async def test_too_many_items_are_refused() -> None:
    assert isinstance(await ran(each(items=[0] * 10_000)), WaitForItems)
    error = await error_of(each(items=[0] * 10_001))
    assert error.code == "TOO_MANY_ITEMS"
    assert "10,001 items are more than 10,000" in error.message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"body": None}, "exactly one of `body` and `flow`"),
        ({"flow": "other"}, "exactly one of `body` and `flow`"),
        ({"trigger": "start"}, "`trigger` goes with `flow`"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"concurrency": 1_001}, "less than or equal to 1000"),
        ({"body": "<<body>>"}, "valid dictionary"),
        ({"body": None, "flow": "<<flow>>"}, "match pattern"),
        ({"on_item_error": "ignore"}, "'fail', 'collect' or 'tolerate'"),
    ],
)
def test_a_foreach_that_cannot_be_is_refused(fields: dict[str, Any], reason: str) -> None:
    assert reason in refusal(StepForeachConfig, **({"items": [], "body": BODY} | fields))


def test_a_body_may_be_a_flow() -> None:
    class Written:
        def to_dict(self) -> dict[str, Any]:
            return BODY

    assert each(body=Written()).config.model_dump(exclude_defaults=True)["body"] == BODY


def test_templates_inside_a_body_are_left_to_it() -> None:
    body = {"steps": [{"type": "set_state", "config": {"key": "a", "value": "<<item>>"}}]}
    assert each(body=body).body() == body


async def test_a_subflow_is_given_its_input_as_a_body() -> None:
    step = StepSubflow(
        id="sub", config=StepSubflowConfig(flow="ship-order", input={"order": 7}, trigger="start")
    )
    assert await ran(step) == WaitForChildren(
        flow="ship-order", inputs=[{"body": {"order": 7}}], trigger="start", concurrency=1
    )
    assert step.flow_refs() == ("ship-order",)


async def test_the_output_of_a_subflow_is_that_of_its_run() -> None:
    step = StepSubflow(id="sub", config=StepSubflowConfig(flow="ship-order"))
    assert await woken(step, ItemsWake(results=[{"ok": True}])) == StepRunResult.success("sub", {"ok": True})


async def test_a_failed_subflow_fails_the_step() -> None:
    step = StepSubflow(id="sub", config=StepSubflowConfig(flow="ship-order"))
    wake = ItemsWake(results=[None], failures=(ItemFailure(index=0, error=BROKEN),))
    error = failure_in(await woken(step, wake))
    assert (error.code, error.message) == ("SUBFLOW_FAILED", "flow 'ship-order' failed: it broke")
    assert error.details == {"error": {"code": "BROKEN", "message": "it broke"}}


@pytest.mark.parametrize("flow", ["", "Ship order", "<<flow>>", "a" * 65])
def test_a_subflow_names_a_flow_by_its_id(flow: str) -> None:
    assert refusal(StepSubflowConfig, flow=flow)
