import gc
from typing import Any

import pytest

from openrun import (
    Flow,
    InvalidFlow,
    PermanentError,
    StateContainer,
    Step,
    StepCatalog,
    StepConfig,
    StepContext,
    StepForeach,
    StepRunResult,
    TriggerManual,
)
from openrun.core.errors import TemplateError
from openrun.core.interpolation import Reader
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.types import RunStatus
from openrun.definition.program import StepPlan, compile_program
from openrun.definition.spec import body_draft
from openrun.definition.undisturbed import undisturbed

from .given import document, each, edge, transform


class Counting(Reader):
    """A state of one key, which counts how often it is read."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.reads = 0

    def read(self, root: str) -> Any:
        self.reads += 1
        return {"body": self.value}[root]

    def roots(self) -> list[str]:
        return ["body"]

    def step_output(self, step_id: str) -> Any:
        raise AssertionError(step_id)

    def everything(self) -> dict[str, Any]:
        return {"body": self.value}


def plans_of(flow: Flow) -> dict[str, StepPlan]:
    program = flow.program()
    return {plan.step.id: plan for plan in program.plans[program.graph]}


def test_a_config_without_templates_is_handed_out_as_it_is() -> None:
    flow = Flow.from_dict(document([transform("a", {"x": [1]})]))
    plan = plans_of(flow)["a"]
    assert plan.config.constant
    assert plan.config.render(Counting(1)) is flow.step("a").config


def test_a_template_is_filled_in_anew_for_each_attempt() -> None:
    plan = plans_of(Flow.from_dict(document([transform("a", ["<<body>>", "is {{ body }}"], timeout="5s")])))[
        "a"
    ]
    assert not plan.config.constant
    assert plan.config.render(Counting(1)).value == [1, "is 1"]  # type: ignore[attr-defined]
    assert plan.config.render(Counting([2])).value == [[2], "is [2]"]  # type: ignore[attr-defined]
    assert plan.timeout == 5


def test_a_rendered_value_is_validated_against_its_field() -> None:
    step = {"id": "r", "type": "reply", "config": {"status": "<<body>>", "body": "<<body>>"}}
    plan = plans_of(Flow.from_dict(document([step])))["r"]
    rendered = plan.config.render(Counting("201"))
    assert (rendered.status, rendered.body) == (201, "201")  # type: ignore[attr-defined]
    with pytest.raises(PermanentError, match="status: Input should be a valid integer") as caught:
        plan.config.render(Counting("hunter2"))
    assert caught.value.error.code == "CONFIG_INVALID"
    assert "hunter2" not in str(caught.value)


def test_a_rendered_config_that_does_not_agree_with_itself_is_refused() -> None:
    step = {"id": "d", "type": "delay", "config": {"seconds": "<<body>>"}}
    plan = plans_of(Flow.from_dict(document([step])))["d"]
    with pytest.raises(PermanentError, match="config: give exactly one of `seconds` and `until`"):
        plan.config.render(Counting(None))


def test_what_cannot_be_filled_in_is_named() -> None:
    plan = plans_of(Flow.from_dict(document([transform("a", "<<body.x>>")])))["a"]
    with pytest.raises(TemplateError, match=r"body\.x"):
        plan.config.render(Counting({}))


async def test_escaped_openers_are_the_characters_themselves_even_without_a_template() -> None:
    flow = Flow.from_dict(document([transform("a", {"x": "\\<<body>> \\{{ body }}"})]))
    run = await flow.execute()
    assert run.status is RunStatus.SUCCEEDED
    assert run.output == {"x": "<<body>> {{ body }}"}


def test_a_typed_field_may_have_escaped_openers() -> None:
    step = {"id": "f", "type": "fail", "config": {"message": "no \\{{ here"}}
    plan = plans_of(Flow.from_dict(document([step])))["f"]
    assert plan.config.render(Counting(1)).message == "no {{ here"  # type: ignore[attr-defined]


def test_templates_are_parsed_once_and_bodies_read_once() -> None:
    flow = Flow.from_dict(document([transform("a", "<<body>>"), each("f", [transform("b", "<<item>>")])]))
    assert flow.errors() == []
    draft = flow._draft
    parsed = dict(draft.templates._parsed)
    inner = draft.body_at(2, flow.catalog)
    flow.program()
    flow.warnings()
    assert draft.templates._parsed == parsed
    assert body_draft(draft, 2, flow.catalog, DEFAULT_LIMITS) is inner


def test_another_catalogue_reads_bodies_anew() -> None:
    flow = Flow.from_dict(document([each("f", [transform("b", "<<item>>")])]))
    assert flow.program() is not flow.program(StepCatalog.builtin())
    assert flow._draft.body_at(1, flow.catalog) is None
    with pytest.raises(InvalidFlow, match="there is no step type 'transform'"):
        flow.program(StepCatalog({"foreach": StepForeach, "trigger_manual": TriggerManual}))


def test_other_limits_parse_anew() -> None:
    flow = Flow.from_dict(document([transform("a", "{{ " + "a + " * 9 + "a }}")]))
    flow.program()
    with pytest.raises(InvalidFlow, match="TEMPLATE"):
        flow.program(limits=Limits(template_nodes=5))
    flow.program(limits=Limits())


def test_a_flow_may_be_compiled_unchecked() -> None:
    flow = Flow.from_dict(
        document([each("f", [transform("a", "<<item>>")])], max_activations=7, timeout="1m")
    )
    program = compile_program(flow._draft, flow.catalog)
    assert program.version == flow.version
    assert program.timeout == 60
    assert program.graph.spec.max_activations == 7
    assert [step.id for step in program.triggers] == ["start"]
    assert len(program.plans) == 2
    assert [plan.step.id for plan in program.plans[program.graph.bodies[1]]] == ["a"]


class Two(Step):
    """Takes what it needs."""

    type: str = "two"

    async def run(self, _state: StateContainer, _config: StepConfig) -> StepRunResult:
        return StepRunResult.success(self.id)


class Three(Two):
    type: str = "three"

    async def run(  # type: ignore[override]
        self, _state: StateContainer, _config: StepConfig, _context: StepContext
    ) -> StepRunResult:
        return StepRunResult.success(self.id)


def test_a_step_gets_the_context_if_it_takes_one() -> None:
    flow = Flow.from_dict(document([transform("a")]))
    for step in (Two(id="two"), Three(id="three"), Three(id="four")):
        flow.add_edge("start", step)
    plans = plans_of(flow)
    assert {name: plan.takes_context for name, plan in plans.items() if name != "start"} == {
        "a": False,
        "two": False,
        "three": True,
        "four": True,
    }
    twin = plans["a"].replaced(Two(id="two").run)
    assert (twin.takes_context, twin.inline, twin.step) == (True, False, plans["a"].step)
    assert plans["a"].inline


def test_a_port_of_success_is_compiled_to_the_default_one() -> None:
    flow = Flow.from_dict(document([transform("a")], [edge("start", "a", "success")]))
    assert [link.port for link in flow.program().graph.links] == ["default"]


def test_collections_wait_while_a_flow_is_compiled_and_go_on_afterwards() -> None:
    seen: list[bool] = []

    @undisturbed
    def work(fail: bool) -> None:
        seen.append(gc.isenabled())
        if fail:
            raise KeyError

    work(fail=False)
    with pytest.raises(KeyError):
        work(fail=True)
    assert gc.isenabled()
    gc.disable()
    try:
        work(fail=False)
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert seen == [False, False, False]
