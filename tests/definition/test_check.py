from itertools import pairwise
from typing import Any

import pytest

from openrun import (
    Flow,
    InvalidFlow,
    StepConditional,
    StepForeach,
    StepTransform,
    TriggerManual,
    validate_flow,
)
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.definition.check import check, require

from .given import START, branch, document, each, edge, refusals, the_only, told, transform

Part = dict[str, Any]


def hook(step_id: str, path: str = "/a", **config: Any) -> Part:
    return {"id": step_id, "type": "trigger_webhook", "config": {"path": path, **config}}


FAULTY: list[tuple[list[Part], list[Part], str, str, str | None]] = [
    ([START, transform("start")], [], "DUPLICATE_ID", "/steps/1/id", "start"),
    ([START, branch("c", allow_failure=True)], [], "ALLOW_FAILURE_PORT", "/steps/1/allow_failure", "c"),
    (
        [START, {"id": "a", "type": "set_state", "config": {"key": "k", "values": {}}}],
        [],
        "INVALID_VALUE",
        "/steps/1/config",
        "a",
    ),
    (
        [START, {"id": "f", "type": "foreach", "config": {"items": 5, "flow": "x"}}],
        [],
        "INVALID_VALUE",
        "/steps/1/config/items",
        "f",
    ),
    (
        [
            START,
            {"id": "c", "type": "conditional", "config": {"left": 1, "operator": "matches", "right": "("}},
        ],
        [],
        "INVALID_VALUE",
        "/steps/1/config/right",
        "c",
    ),
    ([START, transform("a", {"b/c": ["<<"]})], [], "TEMPLATE", "/steps/1/config/value/b~1c/0", "a"),
    ([START, transform("a", "{{ x | nope }}")], [], "TEMPLATE", "/steps/1/config/value", "a"),
    ([START, transform("a", "<<secrets.key>>")], [], "SECRET_NOT_ALLOWED", "/steps/1/config/value", "a"),
    ([START, transform("a", "{{ steps.strat.x }}")], [], "UNKNOWN_REFERENCE", "/steps/1/config/value", "a"),
    ([START, transform("a")], [edge("start", "b")], "UNKNOWN_STEP", "/edges/0/target", None),
    ([START, transform("a")], [edge("b", "a")], "UNKNOWN_STEP", "/edges/0/source", None),
    ([START, transform("a")], [edge("a", "start")], "EDGE_INTO_TRIGGER", "/edges/0/target", "start"),
    ([START, transform("a")], [edge("start", "a", "treu")], "UNKNOWN_PORT", "/edges/0/source_port", "start"),
    ([hook("a"), hook("b")], [], "DUPLICATE_WEBHOOK", "/steps/1/config/path", "b"),
    ([hook("a", "/x/{a}"), hook("b", "/x/{b}/")], [], "DUPLICATE_WEBHOOK", "/steps/1/config/path", "b"),
    ([transform("a")], [], "NO_ENTRY", "/steps", None),
    ([], [], "NO_ENTRY", "/steps", None),
    (
        [START, transform("a", join_mode="ALL_SUCCESS"), transform("b")],
        [edge("start", "a"), edge("a", "b"), edge("b", "a")],
        "LOOP_HEADER",
        "/steps/1/join_mode",
        "a",
    ),
    (
        [START, transform("a", join_mode="ALL_DONE")],
        [edge("start", "a"), edge("a", "a")],
        "LOOP_HEADER",
        "/steps/1/join_mode",
        "a",
    ),
    (
        [START, transform("a", always=True), transform("b")],
        [edge("start", "a"), edge("a", "b"), edge("b", "a")],
        "LOOP_HEADER",
        "/steps/1/always",
        "a",
    ),
]


@pytest.mark.parametrize(("steps", "edges", "code", "pointer", "step_id"), FAULTY)
def test_each_fault_has_its_code_its_place_and_its_step(
    steps: list[Part], edges: list[Part], code: str, pointer: str, step_id: str | None
) -> None:
    fault = the_only(refusals({"name": "n", "steps": steps, "edges": edges}))
    assert (fault.code, fault.pointer, fault.step_id) == (code, pointer, step_id)


def test_faults_of_all_kinds_are_told_together() -> None:
    steps = [*(part for parts, _, code, *_ in FAULTY[1:9] for part in parts[1:])]
    steps = [START, *({**part, "id": f"s{at}"} for at, part in enumerate(steps))]
    faults = refusals({"name": "n", "steps": steps, "edges": [edge("nope", "s1"), edge("s1", "start")]})
    assert [fault.code for fault in faults] == [
        *(code for _, _, code, *_ in FAULTY[1:9]),
        "UNKNOWN_STEP",
        "EDGE_INTO_TRIGGER",
    ]


def test_hints_name_the_way_out() -> None:
    steps = [START, transform("fetch"), branch("check"), transform("b", "<<steps.fetsh>>")]
    edges = [edge("start", "fecth"), edge("check", "b", "treu"), edge("fetch", "b", "x")]
    hints = {fault.pointer: fault.hint for fault in refusals({"name": "n", "steps": steps, "edges": edges})}
    assert hints == {
        "/steps/3/config/value": "did you mean 'fetch'?",
        "/edges/0/target": "did you mean 'fetch'?",
        "/edges/1/source_port": "did you mean 'true'? it has 'true', 'false', 'error'",
        "/edges/2/source_port": "it has 'default', 'error'",
    }


def test_success_means_default_where_there_is_no_such_port() -> None:
    assert refusals(document([transform("a")], [edge("start", "a", "success")])) == []
    fault = the_only(
        refusals(document([branch("c"), transform("a")], [edge("start", "c"), edge("c", "a", "success")]))
    )
    assert fault.code == "UNKNOWN_PORT"
    assert fault.message == "step 'c' has no output port 'success'"


def test_every_step_has_an_error_port() -> None:
    assert refusals(document([transform("a")], [edge("start", "a", "error")])) == []


def test_a_python_flow_is_told_the_same() -> None:
    flow = Flow("n")
    flow.add_edge(TriggerManual(id="start"), StepTransform(id="a", config={"value": "<<secrets.x>>"}))
    flow.add_step(StepTransform(id="a", config={"value": 1}))
    flow.add_edge("a", "nowhere", "odd")
    assert {(fault.code, fault.pointer, fault.step_id) for fault in validate_flow(flow)} == {
        ("SECRET_NOT_ALLOWED", "/steps/1/config/value", "a"),
        ("DUPLICATE_ID", "/steps/2/id", "a"),
        ("UNKNOWN_STEP", "/edges/1/target", None),
        ("UNKNOWN_PORT", "/edges/1/source_port", "a"),
    }
    with pytest.raises(InvalidFlow, match="4 errors"):
        flow.program()
    assert flow.warnings() == []


def test_a_step_that_lost_its_id_is_told_of() -> None:
    flow = Flow("n")
    flow.add_step(TriggerManual(id="start"))
    step = StepTransform(config={"value": 1})
    flow.add_step(step)
    step.named("")
    fault = the_only(flow.errors())
    assert (fault.code, fault.pointer) == ("MISSING_ID", "/steps/1/id")


def test_secrets_are_accepted_where_they_are_used() -> None:
    config = {
        "url": "https://<<secrets.host>>/",
        "headers": {"X-Key": "{{ secrets.key }}"},
        "query": {"k": "<<secrets.key>>"},
        "body": ["<<secrets.key>>"],
    }
    given = document([{"id": "r", "type": "request", "config": config}])
    assert refusals(given) == []
    assert the_only(refusals(document([{"id": "r", "type": "request", "config": {**config, "timeout": "<<secrets.key>>"}}]))).code == "SECRET_NOT_ALLOWED"  # fmt: skip


def test_known_flows_are_looked_up_only_when_they_are_known() -> None:
    steps: list[Part] = [
        {"id": "s", "type": "subflow", "config": {"flow": "ship-ordr"}},
        {"id": "f", "type": "foreach", "config": {"items": [1], "flow": "other"}},
    ]
    flow = Flow.from_dict(document([*steps, each("e", [{**steps[0], "id": "inner"}])]))
    assert flow.errors() == []
    faults = flow.errors(["ship-order", "other"])
    assert told(faults) == {
        ("UNKNOWN_FLOW", "/steps/1/config/flow"),
        ("UNKNOWN_FLOW", "/steps/3/config/body/steps/0/config/flow"),
    }
    assert {fault.hint for fault in faults} == {"did you mean 'ship-order'?"}


def test_too_much_of_anything_is_refused_for_python_flows_too() -> None:
    flow = Flow.from_dict(
        document([transform("a"), transform("b")], [edge("start", "a"), edge("start", "b")])
    )
    for limits, place in (
        (Limits(document_steps=2), "/steps"),
        (Limits(document_edges=1), "/edges"),
        (Limits(document_triggers=0), "/steps"),
    ):
        assert told(check(flow._draft, flow.catalog, limits=limits)) == {("TOO_MANY", place)}


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (["<<a>>"] * 3, Limits(document_references=2)),
        ({"x": [{"y": "{{ a }}{{ b }}"}]}, Limits(document_expressions=1)),
        ("{{ a + 1 }}", Limits(document_template_work=100)),
        ("<<" + "a" * 1_000 + ">>", Limits(document_template_work=500)),
        ("x" * 500 + "{{ a }} {{", Limits(document_template_work=10)),
    ],
)
def test_too_many_templates_are_refused_before_any_is_parsed(value: Any, limits: Limits) -> None:
    for steps in ([transform("a", value)], [each("e", [transform("a", value)])]):
        flow = Flow.from_dict(document(steps))
        fault = the_only(check(flow._draft, flow.catalog, limits=limits))
        assert fault.code == "TOO_MANY_TEMPLATES"
        # Both the steps' templates and the bodies are still unread.
        assert flow._draft.templates._parsed == {}
        assert flow._draft.bodies == {}


def test_text_without_templates_counts_for_nothing() -> None:
    limits = Limits(document_references=0, document_expressions=0, document_template_work=0)
    flow = Flow.from_dict(document([transform("a", ["x" * 10_000, 1, None, {"k": True}])]))
    assert check(flow._draft, flow.catalog, limits=limits) == []


def test_too_many_characters_of_patterns_are_refused() -> None:
    patterns = [
        {
            "id": f"c{at}",
            "type": "conditional",
            "config": {"left": "x", "operator": "matches", "right": right},
        }
        for at, right in enumerate(["a" * 900, "b" * 100, "<<body.pattern>>", "\\<<", "c"])
    ]
    flow = Flow.from_dict(document([*patterns[:3], branch("d"), transform("e")]))
    assert check(flow._draft, flow.catalog, limits=Limits(document_pattern_chars=1_000)) == []
    faults = check(flow._draft, flow.catalog, limits=Limits(document_pattern_chars=999))
    assert told(faults) == {("TOO_MANY_PATTERNS", "/steps")}


def test_a_pattern_that_is_no_text_is_a_fault_of_its_own() -> None:
    flow = Flow("n")
    flow.add_edge(
        TriggerManual(id="start"),
        StepConditional(id="c", config={"left": "x", "operator": "matches", "right": 5}),
    )
    assert told(flow.errors()) == {("INVALID_VALUE", "/steps/1/config/right")}


def test_faults_end_where_nobody_reads_on() -> None:
    steps = [transform(f"s{at}", ["<<"] * 30) for at in range(40)]
    edges = [edge("nowhere", f"s{at}", "x") for at in range(40)]
    faults = refusals(document(steps, edges))
    assert len(faults) == DEFAULT_LIMITS.document_faults + 1
    assert faults[-1].code == "TOO_MANY_FAULTS"
    edges = [edge("nowhere", f"nobody-{at}") for at in range(600)] + [
        edge("start", "a", f"x{at}") for at in range(9)
    ]
    faults = refusals(document([transform("a")], edges))
    assert [fault.code for fault in faults] == [*["UNKNOWN_STEP"] * 500, "TOO_MANY_FAULTS"]


def test_near_names_are_looked_for_only_as_long_as_that_is_quick() -> None:
    steps = [transform(f"step-with-a-long-name-{at}") for at in range(200)]
    edges = [edge("start", f"step-with-a-lung-name-{at}") for at in range(400)]
    hints = [fault.hint is not None for fault in refusals(document(steps, edges))]
    assert hints[0]
    assert not hints[-1]


def loops_in_each_other(depth: int) -> Part:
    ids = [f"s{at}" for at in range(2 * depth + 1)]
    forth = [edge("start", "s0"), *(edge(one, other) for one, other in pairwise(ids))]
    back = [edge(ids[2 * depth - at], ids[at]) for at in range(depth)]
    return document([transform(step_id) for step_id in ids], [*forth, *back])


def test_loops_may_be_nested_so_deep_and_no_deeper() -> None:
    assert refusals(loops_in_each_other(DEFAULT_LIMITS.loop_depth)) == []
    fault = the_only(refusals(loops_in_each_other(DEFAULT_LIMITS.loop_depth + 1)))
    assert (fault.code, fault.pointer) == ("LOOPS_TOO_DEEP", "/edges")


def test_too_many_loops_are_refused() -> None:
    flow = Flow.from_dict(
        document(
            [transform("a"), transform("b")],
            [edge("start", "a"), edge("a", "a"), edge("start", "b"), edge("b", "b")],
        )
    )
    assert check(flow._draft, flow.catalog, limits=Limits(loop_work=8)) == []
    assert told(check(flow._draft, flow.catalog, limits=Limits(loop_work=7))) == {("TOO_MANY", "/edges")}


def test_require_raises_what_check_finds() -> None:
    flow = Flow.from_dict(document([transform("a", "<<")], id="f"))
    with pytest.raises(InvalidFlow, match="flow 'f' has 1 error") as caught:
        require(flow._draft, flow.catalog)
    assert list(caught.value.errors) == flow.errors()
    require(Flow.from_dict(document([]))._draft, flow.catalog)


BODY = "/steps/1/config/body"


def test_a_body_is_told_of_below_the_step_that_holds_it() -> None:
    inner = [transform("a", "<<steps.nope>>"), transform("b/c"), {"id": "d", "type": "nope"}]
    assert told(refusals(document([each("f", inner)]))) == {
        ("INVALID_VALUE", f"{BODY}/steps/1/id"),
        ("UNKNOWN_TYPE", f"{BODY}/steps/2/type"),
    }
    faults = refusals(document([each("f", [each("g", [transform("a", "<<steps.nope>>")])])]))
    assert [(fault.pointer, fault.step_id) for fault in faults] == [
        (f"{BODY}/steps/0/config/body/steps/0/config/value", "a")
    ]


@pytest.mark.parametrize(
    ("body", "code", "pointer", "step_id"),
    [
        ({}, "NO_ENTRY", "/steps", "f"),
        ({"steps": []}, "NO_ENTRY", "/steps", "f"),
        ({"steps": [START]}, "TRIGGER_IN_BODY", "/steps", "start"),
        ({"steps": 7}, "NOT_A_LIST", "/steps", "f"),
        ({"steps": [transform("a")], "edges": 7}, "NOT_A_LIST", "/edges", "f"),
        ({"steps": [transform("a")], "odd": 1}, "UNKNOWN_FIELD", "/odd", "f"),
        ({"steps": [transform("a")], "edges": [edge("a", "a")]}, "NO_ENTRY", "/steps", "f"),
        ({"steps": [transform("a")], "edges": [edge("a", "b")]}, "UNKNOWN_STEP", "/edges/0/target", "f"),
        ({"steps": [transform("a"), transform("a")]}, "DUPLICATE_ID", "/steps/1/id", "a"),
    ],
)
def test_a_body_has_the_faults_of_a_flow(body: Any, code: str, pointer: str, step_id: str) -> None:
    step = {"id": "f", "type": "foreach", "config": {"items": [1], "body": body}}
    fault = the_only(refusals(document([step])))
    assert (fault.code, fault.pointer, fault.step_id) == (code, BODY + pointer, step_id)


def test_a_body_may_refer_to_steps_around_it_but_not_the_other_way_round() -> None:
    inner = [
        transform("a", "<<steps.before>> <<item>>"),
        each("g", [transform("b", "<<steps.a>> <<steps.before>>")]),
    ]
    assert refusals(document([transform("before"), each("f", inner)])) == []
    fault = the_only(refusals(document([each("f", [transform("a")]), transform("after", "<<steps.a>>")])))
    assert (fault.code, fault.pointer) == ("UNKNOWN_REFERENCE", "/steps/2/config/value")


def test_loops_of_a_body_are_checked() -> None:
    inner = [transform("in"), transform("a", join_mode="ALL_DONE"), transform("b")]
    edges = [edge("in", "a"), edge("a", "b"), edge("b", "a")]
    fault = the_only(refusals(document([each("f", inner, edges)])))
    assert (fault.code, fault.pointer) == ("LOOP_HEADER", f"{BODY}/steps/1/join_mode")


def test_bodies_may_be_nested_so_deep_and_no_deeper() -> None:
    step = transform("s")
    for _ in range(8):
        step = each("s", [step])
    assert refusals(document([step])) == []
    fault = the_only(refusals(document([each("s", [step])])))
    assert (fault.code, fault.step_id) == ("TOO_DEEP", "s")
    assert fault.pointer == BODY + "/steps/0/config/body" * 8


def test_what_bodies_hold_counts_as_the_documents() -> None:
    flow = Flow.from_dict(document([each("f", [transform("a"), transform("b")], [edge("a", "b")])]))
    assert told(check(flow._draft, flow.catalog, limits=Limits(document_steps=3))) == {
        ("TOO_MANY", f"{BODY}/steps")
    }
    assert told(check(flow._draft, flow.catalog, limits=Limits(document_edges=1))) == {
        ("TOO_MANY", f"{BODY}/edges")
    }
    assert told(check(flow._draft, flow.catalog, limits=Limits(document_bodies=0))) == {("TOO_MANY", BODY)}


def test_a_body_that_was_read_before_is_still_counted() -> None:
    flow = Flow.from_dict(document([each("f", [transform("a"), transform("b")], [edge("a", "b")])]))
    assert flow.errors() == []
    assert told(check(flow._draft, flow.catalog, limits=Limits(document_steps=3))) == {
        ("TOO_MANY", f"{BODY}/steps")
    }
    assert flow.errors() == []


def test_a_body_may_be_a_flow_of_python() -> None:
    body = Flow("body")
    body.add_step(StepTransform(id="a", config={"value": "<<item>>"}))
    flow = Flow("n")
    flow.add_edge(TriggerManual(id="start"), StepForeach(id="f", config={"items": [1], "body": body}))
    assert flow.errors() == []
    assert flow == Flow.from_json(flow.to_json())
