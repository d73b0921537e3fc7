"""The README of the first generation: every Python block of it runs as printed.

`first_readme.md` is a copy of it, never to be edited. A block may use names that the text introduces elsewhere;
they are given to it here. The page's server is answered for locally.
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from openrun import Flow, Step, StepDelay, StepSetState, TriggerManual, TriggerWebhook
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.testing import run_flow
from tests.docs.api import Api
from tests.docs.blocks import Block, blocks_of, run_python

PAGE = Path(__file__).with_name("first_readme.md")
DIGEST = "ec3df31023b4bd8c8cf0352a32e2a5705c9223ec5e9397c11dc9964f1bef69e8"
OVERVIEW = "Overview"
"""The only block that sends a request."""
BLOCKS = [block for block in blocks_of(PAGE) if block.language == "python"]


def block_under(heading: str) -> Block:
    (found,) = [block for block in BLOCKS if block.heading == heading]
    return found


def some_step(step_id: str) -> Step:
    return StepDelay(id=step_id, config=StepDelayConfig(seconds=0))


def names_for(heading: str) -> dict[str, Any]:
    """What the text around a block has introduced."""
    trigger = TriggerWebhook(config=TriggerWebhookConfig(path="/start"))
    flow = Flow(name="Given")
    flow.add_step(trigger)
    given: dict[str, dict[str, Any]] = {
        "Interpolation": {"StepSetState": StepSetState},
        "Edges": {"flow": flow, "step_a": some_step("a"), "step_b": some_step("b")},
        "StepConditional": {"flow": flow, "admin_step": some_step("admin"), "user_step": some_step("user")},
        "Events": {"flow": flow, "trigger": trigger},
        "Flow Validation": {"flow": flow},
    }
    return given.get(heading, {})


def ran(heading: str) -> tuple[dict[str, Any], str]:
    """The names after the block, and what it printed."""
    names = names_for(heading)
    return names, run_python(block_under(heading), names)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.heading != OVERVIEW], ids=lambda block: block.heading
)
def test_the_block_runs_as_printed(block: Block) -> None:
    run_python(block, names_for(block.heading))


def test_the_copy_is_what_was_printed() -> None:
    """Formatters reach for it, too."""
    assert hashlib.sha256(PAGE.read_bytes()).hexdigest() == DIGEST


def test_the_overview_fetches_and_stores_what_the_server_answers(api: Api) -> None:
    _names, printed = ran(OVERVIEW)

    assert api.asked == ["GET /data"]
    events = printed.splitlines()
    assert events[0].startswith("FlowStarted(")
    assert events[-1].startswith("FlowCompleted(")
    assert "succeeded" in events[-1]
    assert any("'result': {'answer': 42}" in event for event in events)


def test_edges_lead_from_the_default_port_and_from_a_named_one() -> None:
    names, _printed = ran("Edges")
    flow: Flow = names["flow"]
    assert [(edge.source, edge.source_port, edge.target) for edge in flow.edges] == [
        ("a", "default", "b"),
        ("a", "success", "b"),
    ]
    assert flow.errors() == []


def test_state_is_set_and_read() -> None:
    names, _printed = ran("State")
    assert names["state"].get("user_id") == "123"


async def test_values_are_interpolated_by_path() -> None:
    names = names_for("Interpolation")
    text = block_under("Interpolation").text.replace("\nStepSetState(", "\nstep = StepSetState(")
    exec(text, names)  # noqa: S102 (the block, kept under a name)
    flow = Flow(name="Greet").add(TriggerManual() >> names["step"])

    result = await run_flow(flow, state={"user": {"name": "Ada"}})

    assert result.state["greeting"] == "Hello, Ada!"


def test_a_conditional_branches_by_its_ports() -> None:
    names, _printed = ran("StepConditional")
    flow: Flow = names["flow"]
    assert names["step"].ports == ("true", "false")
    assert flow.errors() == []


def test_a_switch_has_a_port_per_case_and_default() -> None:
    names, _printed = ran("StepSwitch")
    assert names["step"].ports == ("pending", "approved", "rejected", "default")


def test_the_events_are_told() -> None:
    _names, printed = ran("Events")
    assert printed.splitlines() == [
        "Flow started: given",
        "Step started: trigger_webhook",
        "Step completed: success",
        "Flow finished: succeeded",
    ]


async def test_the_custom_step_runs_and_reloads_as_itself(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(block_under("Custom Steps").text, names)  # noqa: S102 (a page's block; a loop runs already)
    step = names["MyStep"](config=names["MyStepConfig"](message="<<note>>"))
    flow = Flow(name="Noted").add(TriggerManual() >> step)

    result = await run_flow(flow, state={"note": "hello"})

    result.assert_succeeded()
    assert capsys.readouterr().out == "hello\n"
    assert flow.to_dict()["steps"][1]["type"] == "my_step"
    assert names["MyStep"].info().name == "My Step"


def test_validation_finds_nothing_wrong_with_a_good_flow() -> None:
    names, printed = ran("Flow Validation")
    assert (names["errors"], printed) == ([], "")
