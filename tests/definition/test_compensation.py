"""How steps say, in Python and in documents, how they are undone."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from openrun import (
    Flow,
    RetryPolicy,
    StateContainer,
    Step,
    StepCatalog,
    StepConfig,
    StepContext,
    StepDelay,
    StepFail,
    StepForeach,
    StepRequest,
    StepRunResult,
    StepSubflow,
    StepTransform,
    TriggerManual,
    step,
)
from openrun.core.effects import Verdict
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.types import EffectClass, Json
from openrun.definition.check import check
from openrun.definition.program import StepPlan
from openrun.definition.undoing import UNDOING_RETRY
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.fail import StepFailConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.transform import StepTransformConfig

from .given import START, Part, document, each, edge, refusals, the_only, told, transform, warned

REFUND: Part = {"type": "request", "config": {"url": "https://a.example/refunds", "method": "POST"}}


def charge(compensate: Json = REFUND, **more: Json) -> Part:
    config = {"url": "https://a.example/charges", "method": "POST"}
    return {"id": "charge", "type": "request", "config": config, "compensate": compensate, **more}


def request(path: str, **more: Any) -> StepRequest:
    return StepRequest(config=StepRequestConfig(url=f"https://a.example/{path}"), **more)


def begun(*steps: Step) -> Flow:
    flow = Flow("A flow").add(TriggerManual(id="start"))
    for each_step in steps:
        flow.add_edge("start", each_step)
    return flow


def undoing(flow: Flow, step_id: str) -> StepPlan:
    """The plan of what undoes a step."""
    program = flow.program()
    graph = program.graph.compensations[program.graph.index[step_id]]
    (plan,) = program.plans[graph]
    return plan


# -- written and read -------------------------------------------------------------------------------


def test_python_and_json_spell_it_alike() -> None:
    made = request("charges", id="charge", compensate=request("refunds", retry=5, timeout="10s"))
    nested = {"type": "request", "config": {"url": "https://a.example/refunds"}, "retry": 5, "timeout": 10}
    part = {"id": "charge", "type": "request", "config": {"url": "https://a.example/charges"}}
    read = Flow.from_dict(document([{**part, "compensate": nested}]))
    assert begun(made) == read
    assert read.steps[1] == made
    assert Flow.from_json(read.to_json()) == read


def test_it_has_a_canonical_place_and_order() -> None:
    nested = {
        "x-note": 1,
        "timeout": "1m",
        "retry": {"max_attempts": 3},
        "effect": "idempotent",
        "config": {"input": {"b": 1, "a": 2}, "flow": "refund-order"},
        "name": "Refund",
        "type": "subflow",
    }
    written = Flow.from_dict(document([charge(nested, position=[1, 2], effect="idempotent")])).to_dict()
    part: Any = written["steps"][1]
    assert list(part) == ["id", "type", "config", "effect", "compensate", "position"]
    assert list(part["compensate"]) == ["type", "name", "config", "retry", "timeout", "effect", "x-note"]
    assert list(part["compensate"]["config"]) == ["flow", "input"]
    assert list(part["compensate"]["config"]["input"]) == ["a", "b"]
    assert part["compensate"]["timeout"] == 60


def test_null_is_none_and_not_written() -> None:
    flow = Flow.from_dict(document([charge(None)]))
    assert flow.steps[1].compensation is None
    assert flow == Flow.from_dict(document([{k: v for k, v in charge().items() if k != "compensate"}]))


def test_it_counts_for_the_version() -> None:
    assert Flow.from_dict(document([charge()])).version != Flow.from_dict(document([charge(None)])).version


@pytest.mark.parametrize("given", [REFUND, 5, "refund", [StepTransform], StepRequest])
def test_a_step_made_in_python_takes_a_step_and_nothing_else(given: Any) -> None:
    with pytest.raises(ValidationError, match=f"a step, or nothing, not {type(given).__name__}"):
        request("charges", compensate=given)


def test_a_step_class_of_a_catalogue_is_read_inside_too() -> None:
    catalog = StepCatalog.builtin()
    catalog.add("booking", Booking)
    flow = Flow.from_dict(document([charge({"type": "booking"})]), catalog=catalog)
    assert type(flow.steps[1].compensation) is Booking
    assert the_only(refusals(document([charge({"type": "booking"})]))).code == "UNKNOWN_TYPE"


# -- refused ----------------------------------------------------------------------------------------


STRUCTURE: list[tuple[Json, str, str]] = [
    (5, "NOT_AN_OBJECT", ""),
    ([REFUND], "NOT_AN_OBJECT", ""),
    ({}, "MISSING_TYPE", "/type"),
    ({"type": 7}, "MISSING_TYPE", "/type"),
    ({"type": "refund"}, "UNKNOWN_TYPE", "/type"),
    (START, "UNKNOWN_FIELD", "/id"),
    ({"type": "trigger_manual"}, "TRIGGER_IN_COMPENSATION", "/type"),
    ({**REFUND, "compensate": REFUND}, "UNKNOWN_FIELD", "/compensate"),
    ({**REFUND, "join_mode": "ALL_DONE"}, "UNKNOWN_FIELD", "/join_mode"),
    ({**REFUND, "always": True}, "UNKNOWN_FIELD", "/always"),
    ({**REFUND, "allow_failure": True}, "UNKNOWN_FIELD", "/allow_failure"),
    ({**REFUND, "position": [1, 2]}, "UNKNOWN_FIELD", "/position"),
    ({**REFUND, "odd/key": 1}, "UNKNOWN_FIELD", "/odd~1key"),
    ({**REFUND, "ports": ["a"]}, "UNKNOWN_FIELD", "/ports"),
    ({**REFUND, "config": 5}, "NOT_AN_OBJECT", "/config"),
    (
        {"type": "request", "config": {"url": "https://a.b", "metod": "POST"}},
        "UNKNOWN_FIELD",
        "/config/metod",
    ),
    ({"type": "request"}, "MISSING_FIELD", "/config"),
    ({**REFUND, "retry": 0}, "INVALID_VALUE", "/retry"),
    ({**REFUND, "timeout": "soon"}, "INVALID_VALUE", "/timeout"),
]


@pytest.mark.parametrize(("nested", "code", "pointer"), STRUCTURE)
def test_what_it_cannot_be_is_told_with_its_place(nested: Json, code: str, pointer: str) -> None:
    found = {(fault.code, fault.pointer, fault.step_id) for fault in refusals(document([charge(nested)]))}
    assert (code, f"/steps/1/compensate{pointer}", "charge") in found


def test_faults_of_all_kinds_are_told_together() -> None:
    parts = [{**charge(nested), "id": f"s{at}"} for at, (nested, *_) in enumerate(STRUCTURE)]
    found = told(refusals(document(parts)))
    wanted = {(code, f"/steps/{at + 1}/compensate{here}") for at, (_, code, here) in enumerate(STRUCTURE)}
    assert wanted <= found
    # A trigger with an id has two mistakes.
    assert found - wanted == {("TRIGGER_IN_COMPENSATION", "/steps/6/compensate/type")}


def test_near_names_are_hinted_at() -> None:
    fault = the_only(refusals(document([charge({**REFUND, "retri": 3})])))
    assert fault.message == "the compensation of step 'charge' has no field 'retri'"
    assert fault.hint == "did you mean 'retry'?"
    part = {key: value for key, value in charge().items() if key != "compensate"}
    fault = the_only(refusals(document([{**part, "compensat": REFUND}])))
    assert fault.hint == "did you mean 'compensate'?"
    assert the_only(refusals(document([{**part, "compensation": REFUND}]))).code == "UNKNOWN_FIELD"


SENSE: list[tuple[Json, str, str]] = [
    (
        {"type": "request", "config": {"url": "<<steps.chrage.id>>"}},
        "UNKNOWN_REFERENCE",
        "/config/url",
    ),
    ({"type": "request", "config": {"url": "{{ a | nope }}"}}, "TEMPLATE", "/config/url"),
    ({"type": "transform", "config": {"value": "<<secrets.a>>"}}, "SECRET_NOT_ALLOWED", "/config/value"),
    ({"type": "set_state", "config": {"key": "k", "values": {}}}, "INVALID_VALUE", "/config"),
    ({"type": "subflow", "config": {"flow": "refnud-order"}}, "UNKNOWN_FLOW", "/config/flow"),
    ({"type": "foreach", "config": {"items": [1], "flow": "nope"}}, "UNKNOWN_FLOW", "/config/flow"),
    (
        {"type": "foreach", "config": {"items": [1], "body": {"steps": [transform("a")]}}},
        "BODY_IN_COMPENSATION",
        "/config/body",
    ),
]


def test_it_is_checked_as_any_step_is() -> None:
    parts = [{**charge(nested), "id": f"s{at}"} for at, (nested, *_) in enumerate(SENSE)]
    flow = Flow.from_dict(document(parts))
    faults = flow.errors(flows=["refund-order"])
    assert [(fault.code, fault.pointer, fault.step_id) for fault in faults] == [
        (code, f"/steps/{at + 1}/compensate{pointer}", f"s{at}")
        for at, (_, code, pointer) in enumerate(SENSE)
    ]


@pytest.mark.parametrize(
    "nested",
    [
        {"type": "request", "config": {"url": "https://a.b", "headers": {"K": "<<secrets.key>>"}}},
        {"type": "request", "config": {"url": "https://a.b/<<steps.charge.data.id>>/<<body.id>>"}},
        {"type": "subflow", "config": {"flow": "refund-order", "input": "<<steps.charge>>"}},
        {"type": "foreach", "config": {"items": "<<steps.charge.data.ids>>", "flow": "refund-order"}},
        {"type": "delay", "config": {"seconds": 5}},
        {"type": "transform", "config": {"value": 1}},
    ],
)
def test_it_may_be_any_step_that_does_something(nested: Json) -> None:
    assert Flow.from_dict(document([charge(nested)])).errors(flows=["refund-order"]) == []


def test_a_step_of_a_body_may_have_one() -> None:
    nested = {"type": "request", "config": {"url": "https://a.b/<<item>>/<<steps.charge.id>>"}}
    flow = Flow.from_dict(document([each("f", [charge(nested)])]))
    assert flow.errors() == []
    program = flow.program()
    body = program.graph.bodies[1]
    assert [plan.step.id for plan in program.plans[body.compensations[0]]] == ["charge"]
    bad = {"type": "request", "config": {"url": "<<steps.nope>>"}}
    fault = the_only(refusals(document([each("f", [charge(bad)])])))
    assert fault.pointer == "/steps/1/config/body/steps/0/compensate/config/url"


def test_a_trigger_is_not_undone_and_undoes_nothing() -> None:
    trigger = TriggerManual(id="start", compensate=TriggerManual())
    assert told(Flow("A").add(trigger).errors()) == {
        ("COMPENSATED_TRIGGER", "/steps/0/compensate"),
        ("TRIGGER_IN_COMPENSATION", "/steps/0/compensate/type"),
    }


def test_what_only_a_step_among_others_has_is_refused_in_python_too() -> None:
    nested = request("refunds", id="refund", join_mode="ALL_DONE", always=True, compensate=request("again"))
    found = told(begun(request("charges", id="charge", compensate=nested)).errors())
    keys = ("always", "compensate", "id", "join_mode")
    assert found == {("UNKNOWN_FIELD", f"/steps/1/compensate/{key}") for key in keys}
    plain = request("refunds", id="", always=False, name="Refund", effect="idempotent")
    assert begun(request("charges", compensate=plain)).errors() == []


def test_a_step_of_the_flow_cannot_undo_another_as_well() -> None:
    refund = request("refunds")
    flow = begun(request("charges", id="charge", compensate=refund), refund)
    assert told(flow.errors()) == {("UNKNOWN_FIELD", "/steps/1/compensate/id")}


def test_one_that_undoes_nothing_is_warned_of() -> None:
    parts = [
        transform("pure", compensate=REFUND),
        {"id": "sub", "type": "subflow", "config": {"flow": "x"}, "compensate": REFUND},
        each("loop", [transform("a")], compensate=REFUND),
        charge(),
    ]
    assert warned(document(parts)) == {("COMPENSATES_NOTHING", "pure")}


# -- bounded ----------------------------------------------------------------------------------------


def test_nested_steps_count_as_steps() -> None:
    parts = [{**charge(), "id": f"s{at}"} for at in range(5)]
    draft = Flow.from_dict(document(parts))._draft
    catalog = StepCatalog.builtin()
    assert check(draft, catalog, limits=Limits(document_steps=11)) == []
    fault = the_only(check(draft, catalog, limits=Limits(document_steps=10)))
    assert (fault.code, fault.message) == ("TOO_MANY", "11 steps; at most 10 are allowed")


def test_a_document_of_too_many_nested_steps_is_refused_as_it_is_read() -> None:
    half = DEFAULT_LIMITS.document_steps // 2
    parts = [{**charge(), "id": f"s{at}"} for at in range(half)]
    fault = the_only(refusals(document(parts, [])))
    assert (fault.code, fault.pointer) == ("TOO_MANY", f"/steps/{half}/compensate")


def test_their_templates_and_patterns_count() -> None:
    limits = Limits(document_references=3, document_pattern_chars=3)
    catalog = StepCatalog.builtin()

    def refused(nested: Part) -> str:
        return the_only(check(Flow.from_dict(document([charge(nested)]))._draft, catalog, limits=limits)).code

    assert refused({"type": "transform", "config": {"value": ["<<a>>"] * 4}}) == "TOO_MANY_TEMPLATES"
    test = {"left": "a", "operator": "matches", "right": "a{1,9}b"}
    assert refused({"type": "conditional", "config": test}) == "TOO_MANY_PATTERNS"


def test_nesting_without_end_is_refused_at_its_first_level() -> None:
    nested: Part = dict(REFUND)
    for _ in range(50):
        nested = {**REFUND, "compensate": nested}
    fault = the_only(refusals(document([charge(nested)])))
    assert (fault.code, fault.pointer) == ("UNKNOWN_FIELD", "/steps/1/compensate/compensate")


def test_a_crowd_of_unknown_keys_is_given_up_early() -> None:
    crowd = {**REFUND, **{f"key{at}": at for at in range(20_000)}}
    faults = refusals(document([charge(crowd)]))
    assert len(faults) == DEFAULT_LIMITS.document_faults + 1
    assert faults[-1].code == "TOO_MANY_FAULTS"


# -- compiled ---------------------------------------------------------------------------------------


def test_a_nested_step_has_a_plan_under_the_id_of_the_step_it_undoes() -> None:
    nested = request("refunds/<<steps.charge.id>>", retry=2, timeout="7s", effect="idempotent")
    flow = begun(
        request("charges", id="charge", compensate=nested), StepDelay(config=StepDelayConfig(seconds=1))
    )
    program = flow.program()
    assert program.graph.compensations.keys() == {1}
    (spec,) = program.graph.compensations[1].steps
    assert (spec.id, spec.ports, spec.timeout) == ("charge", ("default",), 7)
    assert (spec.retry, spec.effect) == (RetryPolicy(max_attempts=2), EffectClass.IDEMPOTENT)
    assert spec.compensation is None
    plan = undoing(flow, "charge")
    assert (plan.step.id, plan.timeout, plan.effect) == ("charge", 7, EffectClass.IDEMPOTENT)
    assert plan.run == plan.step.run
    assert not plan.config.constant
    assert nested.id == ""


def test_one_step_may_undo_several() -> None:
    refund = request("refunds")
    flow = begun(*(request("charges", id=name, compensate=refund) for name in ("a", "b")))
    assert [undoing(flow, name).step.id for name in ("a", "b")] == ["a", "b"]
    assert flow.program().graph.compensations[1].steps[0].retry == UNDOING_RETRY
    assert refund.id == ""
    assert Flow.from_json(flow.to_json()) == flow


def test_children_undo_too() -> None:
    parts = [
        charge({"type": "subflow", "config": {"flow": "refund-order"}}),
        {**charge({"type": "foreach", "config": {"items": [1], "flow": "refund-order"}}), "id": "many"},
    ]
    flow = Flow.from_dict(document(parts))
    assert type(undoing(flow, "charge").step) is StepSubflow
    assert type(undoing(flow, "many").step) is StepForeach


def test_a_reply_that_undoes_is_not_the_answer_of_the_run() -> None:
    flow = Flow.from_dict(document([charge({"type": "reply"})]))
    assert not flow.program().graph.compensations[1].steps[0].replies


class BookingConfig(StepConfig):
    room: str = "<<body.room>>"


class Booking(Step):
    """Books a room."""

    type: str = "booking"
    config: BookingConfig = BookingConfig()

    guarded: ClassVar[bool] = True

    async def run(self, _state: StateContainer, config: BookingConfig) -> StepRunResult:
        return StepRunResult.success(self.id, {"booked": config.room})

    async def compensate(self, state: StateContainer, config: BookingConfig, context: StepContext) -> None:
        state.set("cancelled", [self.id, config.room, context])

    async def verify_effect(self, _key: str, _context: StepContext) -> Verdict:
        return Verdict.absent()


class Flight(Booking):
    type: str = "flight"

    guarded: ClassVar[bool] = False

    async def compensate(self, _state: StateContainer, config: BookingConfig) -> StepRunResult:  # type: ignore[override]
        return StepRunResult.failure(self.id, f"{config.room} is gone", code="GONE")


async def test_a_compensate_method_has_a_plan_that_calls_it() -> None:
    flow = begun(Booking(id="hotel", timeout="1s", retry=9), Flight(id="flight"))
    program = flow.program()
    (spec,) = program.graph.compensations[1].steps
    assert (spec.id, spec.ports, spec.retry, spec.timeout) == ("hotel", ("default",), UNDOING_RETRY, None)
    assert spec.effect is EffectClass.EXTERNAL
    plan = undoing(flow, "hotel")
    assert (plan.step, plan.takes_context, plan.inline) == (flow.step("hotel"), True, False)
    assert (plan.effect, plan.pure, plan.timeout) == (
        EffectClass.EXTERNAL,
        False,
        DEFAULT_LIMITS.step_timeout,
    )
    assert plan.config is program.plans[program.graph][1].config
    state, config, context = StateContainer(), BookingConfig(room="7"), "the context"
    assert await plan.run(state, config, context) == StepRunResult.success("hotel")
    assert state.patch["cancelled"] == ["hotel", "7", context]
    failed = await undoing(flow, "flight").run(state, config, context)
    assert failed == StepRunResult.failure("flight", "7 is gone", code="GONE")


def test_a_compensate_method_is_no_part_of_the_document() -> None:
    catalog = StepCatalog.builtin()
    catalog.add("booking", Booking)
    flow = Flow.from_dict(document([{"id": "hotel", "type": "booking"}]), catalog=catalog)
    assert "compensate" not in flow.to_json()
    assert flow.program().graph.compensations.keys() == {1}


def test_a_nested_step_goes_before_the_method() -> None:
    assert (
        type(undoing(begun(Booking(id="hotel", compensate=request("cancel"))), "hotel").step) is StepRequest
    )


def test_plans_say_what_guards_their_effects() -> None:
    flow = begun(
        Booking(id="hotel"), Flight(id="flight"), StepDelay(id="d", config=StepDelayConfig(seconds=1))
    )
    program = flow.program()
    plans = {plan.step.id: plan for plan in program.plans[program.graph]}
    assert {name: (plan.guarded, plan.verify) for name, plan in plans.items() if name != "start"} == {
        "hotel": (True, True),
        "flight": (False, True),
        "d": (False, False),
    }
    assert undoing(flow, "hotel").verify


def test_a_step_that_cannot_be_undone_has_no_graph_for_it() -> None:
    flow = Flow.from_dict(document([transform("a")], [edge("start", "a")]))
    assert flow.program().graph.compensations == {}
    assert not StepTransform(config=StepTransformConfig(value=1)).compensates()


async def test_a_step_that_has_none_says_so_when_it_is_undone() -> None:
    with pytest.raises(NotImplementedError, match=r"StepForeach has no compensate\(\)"):
        await StepForeach(config=StepForeachConfig(items=[], flow="x")).compensate()


def test_compensate_is_async() -> None:
    with pytest.raises(TypeError, match=r"Sloppy\.compensate must be `async def`"):
        type("Sloppy", (Step,), {"compensate": lambda _self: None, "__module__": __name__})


def test_a_function_with_a_compensation_is_a_step_with_one() -> None:
    @step
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    flow = begun(pay(id="pay", amount="<<body>>"))
    assert flow.program().graph.compensations == {}

    @pay.compensation
    async def refund(amount: int, output: str) -> None:
        del amount, output

    again = begun(pay(id="pay", amount="<<body>>"), pay(id="kept", amount=1, compensate=request("refunds")))
    assert undoing(again, "pay").step is again.step("pay")
    assert type(undoing(again, "kept").step) is StepRequest


async def test_what_is_said_in_each_way_is_done_last_first() -> None:
    undone: list[Any] = []

    @step
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    @pay.compensation
    async def refund(amount: int, output: str) -> None:
        undone.append((amount, output))

    @step
    async def note(text: str) -> None:
        undone.append(text)

    class Cruise(Booking):
        async def compensate(
            self, state: StateContainer, config: BookingConfig, context: StepContext
        ) -> None:
            undone.append((state.get("body"), config.room, context.output))

    flow = Flow("Trip").add(
        TriggerManual(id="start")
        >> pay(id="pay", amount="<<body.amount>>")
        >> Cruise(id="cruise")
        >> pay(id="fee", amount=1, compensate=note(text="no fee: <<steps.fee>>"))
        >> StepFail(id="no", config=StepFailConfig(message="no"))
    )
    await flow.execute(input={"body": {"amount": 5, "room": "7"}})
    body = {"amount": 5, "room": "7"}
    assert undone == ["no fee: paid 1", (body, "7", {"booked": "7"}), (5, "paid 5")]
