from typing import Any

import pytest

from openrun import Flow, InvalidFlow, StepCatalog, step
from openrun.core.limits import Limits
from openrun.definition.crowd import MOST
from openrun.definition.reader import examine, load_document

from .given import START, document, edge, refusals, the_only, told, transform

CATALOG = StepCatalog.builtin()


def test_every_fault_is_told_at_once() -> None:
    faults = refusals(
        {
            "nmae": "x",
            "on_failure": "explode",
            "timeout": "soon",
            "max_activations": 0,
            "steps": [
                7,
                {"id": "a"},
                {"id": "b", "type": "transfrom"},
                {"id": "C!", "type": "transform", "config": {"value": 1}},
                {"id": "d", "type": "transform", "config": []},
                {"id": "e", "type": "request", "config": {"ulr": "x", "method": "FETCH"}},
                {
                    "id": "f",
                    "type": "transform",
                    "config": {"value": 1},
                    "join_mod": "ALL_DONE",
                    "retry": {"max": 1},
                },
                {"id": "g", "type": "transform", "config": {"value": 1}, "ports": ["x"], "extensions": {}},
            ],
            "edges": [
                7,
                {"source": "a"},
                {"source": "a", "target": 5},
                {"source": "a", "target": "b", "prot": "x"},
            ],
        }
    )
    assert told(faults) == {
        ("MISSING_FIELD", "/name"),
        ("UNKNOWN_FIELD", "/nmae"),
        ("INVALID_VALUE", "/on_failure"),
        ("INVALID_VALUE", "/timeout"),
        ("INVALID_VALUE", "/max_activations"),
        ("NOT_AN_OBJECT", "/steps/0"),
        ("MISSING_TYPE", "/steps/1/type"),
        ("UNKNOWN_TYPE", "/steps/2/type"),
        ("INVALID_VALUE", "/steps/3/id"),
        ("NOT_AN_OBJECT", "/steps/4/config"),
        ("MISSING_FIELD", "/steps/5/config/url"),
        ("UNKNOWN_FIELD", "/steps/5/config/ulr"),
        ("INVALID_VALUE", "/steps/5/config/method"),
        ("UNKNOWN_FIELD", "/steps/6/join_mod"),
        ("UNKNOWN_FIELD", "/steps/6/retry/max"),
        ("UNKNOWN_FIELD", "/steps/7/ports"),
        ("UNKNOWN_FIELD", "/steps/7/extensions"),
        ("NOT_AN_OBJECT", "/edges/0"),
        ("MISSING_FIELD", "/edges/1/target"),
        ("INVALID_VALUE", "/edges/2/target"),
        ("UNKNOWN_FIELD", "/edges/3/prot"),
    }
    assert {fault.pointer: fault.step_id for fault in faults if fault.step_id} == {
        "/steps/1/type": "a",
        "/steps/2/type": "b",
        "/steps/3/id": "C!",
        "/steps/4/config": "d",
        "/steps/5/config/url": "e",
        "/steps/5/config/ulr": "e",
        "/steps/5/config/method": "e",
        "/steps/6/join_mod": "f",
        "/steps/6/retry/max": "f",
        "/steps/7/ports": "g",
        "/steps/7/extensions": "g",
    }


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"name": "n", "descripton": "x"}, "did you mean 'description'?"),
        (document([{"id": "a", "type": "transfrom"}]), "did you mean 'transform'?"),
        (document([transform("a", join_mod="x")]), "did you mean 'join_mode'?"),
        (
            document([{"id": "a", "type": "transform", "config": {"value": 1, "kee": "x"}}]),
            "did you mean 'key'?",
        ),
        (
            document([], [{"source": "start", "target": "start", "sorce_port": "x"}]),
            "did you mean 'source_port'?",
        ),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_the_near_name(given: Any, hint: str) -> None:
    assert the_only(refusals(given)).hint == hint


def test_a_missing_type_is_answered_with_all_types() -> None:
    fault = the_only(refusals(document([{"id": "a"}])))
    assert fault.hint == "known types: " + ", ".join(CATALOG.keys())


@pytest.mark.parametrize("given", [None, 7, "x", [], True])
def test_a_document_is_an_object(given: Any) -> None:
    draft, faults = examine(given, CATALOG)
    assert draft is None
    assert told(faults) == {("NOT_AN_OBJECT", "")}


@pytest.mark.parametrize("text", ["7", "[]", "null"])
def test_a_text_that_is_no_object_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidFlow, match="a flow document is a JSON object"):
        Flow.from_json(text)


@pytest.mark.parametrize("wrong", [None, 7, "x", {}])
def test_steps_and_edges_are_lists(wrong: Any) -> None:
    faults = refusals({"name": "n", "steps": wrong, "edges": wrong})
    assert told(faults) == {("NOT_A_LIST", "/steps"), ("NOT_A_LIST", "/edges")}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "INVALID_JSON"),
        ("{", "INVALID_JSON"),
        ('{"name": "n", "name": "m"}', "INVALID_JSON"),
        ('{"name": NaN}', "INVALID_JSON"),
        ('{"name": "\\ud800"}', "INVALID_JSON"),
        ("[" * 70 + "]" * 70, "INVALID_JSON"),
        ('{"' + "k" * 501 + '": 1}', "KEY_TOO_LONG"),
        ('{"a": [{"b": {"' + "k" * 501 + '": 1}}]}', "KEY_TOO_LONG"),
        ('"' + "x" * 9_000_000 + '"', "VALUE_TOO_LARGE"),
        ("[" + '"",' * 600_000 + "1]", "VALUE_TOO_LARGE"),
        ("[" + "1," * 300_000 + "1]", "VALUE_TOO_LARGE"),
    ],
)
def test_text_that_is_not_strict_json_or_too_large_is_refused(text: str, code: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(InvalidFlow) as caught:
            load_document(given)
        assert the_only(caught.value.errors).code == code


def test_pointers_escape_what_pointers_are_made_of() -> None:
    headers = {"a/b": None, "c~d": None, "e~1f": None}
    given = document(
        [{"id": "r", "type": "request", "config": {"url": "https://example.com", "headers": headers}}]
    )
    given["x/y~z"] = 1
    assert told(refusals(given)) == {
        ("UNKNOWN_FIELD", "/x~1y~0z"),
        ("INVALID_VALUE", "/steps/1/config/headers/a~1b"),
        ("INVALID_VALUE", "/steps/1/config/headers/c~0d"),
        ("INVALID_VALUE", "/steps/1/config/headers/e~01f"),
    }


def test_a_pointer_names_no_member_of_a_union() -> None:
    given = document([{"id": "w", "type": "switch", "config": {"value": 1, "cases": ["a", None]}}])
    pointers = {pointer for _, pointer in told(refusals(given))}
    assert pointers == {"/steps/1/config/cases/1", "/steps/1/config/cases"}


def test_schema_and_x_keys_are_kept_and_mean_nothing() -> None:
    given = document(
        [transform("a", **{"x-note": {"by": "me"}, "$schema": "s"})],
        [{**edge("start", "a"), "x-colour": "red"}],
        **{"$schema": "https://example.com/other.json", "x-owner": "team"},
    )
    flow = Flow.from_dict(given)
    assert flow.errors() == []
    written = flow.to_dict()
    assert written["x-owner"] == "team"
    assert written["$schema"] == "https://openrun.dev/schemas/flow/v1.json"
    assert written["steps"][1]["x-note"] == {"by": "me"}
    assert written["edges"][0]["x-colour"] == "red"


def test_a_step_without_an_id_is_named_by_the_flow() -> None:
    flow = Flow.from_dict({"name": "n", "steps": [START, {"type": "transform", "config": {"value": 1}}]})
    assert [step.id for step in flow.steps] == ["start", "transform"]


def test_a_custom_step_is_known_by_its_catalogue_alone() -> None:
    @step
    async def add(a: int, b: int = 1) -> int:
        return a + b

    catalog = StepCatalog.builtin()
    catalog.add("add", add)
    given = document([{"id": "sum", "type": "add", "config": {"a": "<<body.a>>", "b": "x"}}])
    fault = the_only(refusals(given, catalog))
    assert (fault.code, fault.pointer, fault.step_id) == ("INVALID_VALUE", "/steps/1/config/b", "sum")
    assert the_only(refusals(given)).code == "UNKNOWN_TYPE"


def test_an_object_with_more_fields_than_there_can_be_is_not_looked_into() -> None:
    many = {f"f{at}": 1 for at in range(1_001)}
    given = document(
        [transform("a"), {"id": "b", "type": "transform", "config": many}, transform("c") | many]
    )
    assert told(refusals(given)) == {("TOO_MANY", "/steps/2/config"), ("TOO_MANY", "/steps/3")}


def test_a_field_with_more_values_than_there_can_be_is_not_looked_into() -> None:
    headers = {f"h{at}": [None] for at in range(MOST // 2 + 1)}
    given = document(
        [
            {"id": "r", "type": "request", "config": {"url": "https://example.com", "headers": headers}},
            transform("t", list(range(MOST * 2))),
            transform("u", retry={"retry_on": [None] * (MOST + 1)}),
        ],
        description=[None] * (MOST + 1),
    )
    assert told(refusals(given)) == {
        ("TOO_MANY", "/steps/1/config/headers"),
        ("TOO_MANY", "/steps/3/retry"),
        ("TOO_MANY", "/description"),
    }


def test_faults_end_where_nobody_reads_on() -> None:
    given = document([{"id": f"s{at}", "type": "nope"} for at in range(700)], [7] * 700)
    faults = refusals(given)
    assert len(faults) == 501
    assert faults[-1].code == "TOO_MANY_FAULTS"
    assert {fault.code for fault in faults[:-1]} == {"UNKNOWN_TYPE"}


def test_limits_hold_over_steps_edges_and_triggers() -> None:
    limits = Limits(document_steps=3, document_edges=2, document_triggers=1)
    given = document([{"id": "again", "type": "trigger_manual"}], [edge("a", "b")] * 2)
    assert told(examine(given, CATALOG, limits)[1]) == {("TOO_MANY", "/steps/1")}
    given = document([transform(f"s{at}") for at in range(3)], [edge("a", "b")] * 3)
    assert told(examine(given, CATALOG, limits)[1]) == {("TOO_MANY", "/steps"), ("TOO_MANY", "/edges")}


def test_a_long_name_is_cut_where_it_is_told() -> None:
    (fault,) = refusals(document([{"id": "a", "type": "t" * 5_000}]))
    assert len(fault.message) < 200
    assert fault.hint is None
    with pytest.raises(InvalidFlow) as caught:
        Flow.from_dict({"name": "n" * 5_000, "steps": []})
    assert len(str(caught.value)) < 1_000
