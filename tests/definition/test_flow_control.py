"""Flow control in documents: what may be said, what is refused, and the tickets that come of it."""

import hashlib
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrun import (
    Debounce,
    Flow,
    FlowControl,
    InvalidFlow,
    PermanentError,
    RateLimit,
    TriggerManual,
    TriggerSchedule,
    TriggerWebhook,
)
from openrun.core.strict_json import canonical
from openrun.core.types import Json
from openrun.definition.diff import diff
from openrun.definition.flow_control_plan import KEY_LENGTH, FlowControlPlan, shown_key
from openrun.schemas.flow import flow_schema
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.store.tickets import AtLimit, LaneRules, Ticket

from .given import START, document, edge, refusals, the_only, told, transform

WHOLE: dict[str, Json] = {
    "key": "<<body.tenant>>",
    "concurrency": 3,
    "total": 10,
    "at_limit": "keep_newest",
    "rate": {"limit": 100, "over": "cancel", "period": "1m"},
    "debounce": {"at_most": "1m", "period": "10s"},
    "priority": "<<query.priority ?? 0>>",
}


def controlled(control: Any, *triggers: Any) -> Flow:
    flow = Flow("Imports", id="imports", flow_control=control)
    for each in triggers or (TriggerManual(id="start"),):
        flow.add_step(each)
    return flow


def planned(control: Any) -> FlowControlPlan:
    plan = controlled(control).program().flow_control
    assert plan is not None
    return plan


def ticket(control: Any, body: Json = None, **more: Json) -> Ticket:
    return planned(control).ticket("default", {"body": body, "query": {}, **more})


# -- documents ------------------------------------------------------------------------------------


def test_a_document_with_flow_control_is_read_and_written_as_it_is() -> None:
    flow = Flow.from_dict(document([], flow_control=WHOLE))
    assert flow.errors() == []
    written = flow.to_dict()["flow_control"]
    assert written == {
        **WHOLE,
        "rate": {"limit": 100, "over": "cancel", "period": 60},
        "debounce": {"at_most": 60, "period": 10},
    }
    assert list(written) == list(WHOLE)
    assert Flow.from_json(flow.to_json()) == flow


def test_python_and_json_say_the_same() -> None:
    made = FlowControl(
        key="<<body.tenant>>",
        concurrency=3,
        total=10,
        at_limit="keep_newest",
        rate=RateLimit(limit=100, period="1m", over="cancel"),
        debounce=Debounce(period=10, at_most="PT1M"),
        priority="<<query.priority ?? 0>>",
    )
    assert controlled(made).to_json() == controlled(WHOLE).to_json()
    assert controlled(made).flow_control == made


def test_defaults_are_not_written() -> None:
    said = {
        "concurrency": 2,
        "at_limit": "queue",
        "priority": 0,
        "rate": None,
        "key": None,
        "singleton": None,
    }
    assert controlled(said).to_dict()["flow_control"] == {"concurrency": 2}
    rate = {"rate": {"limit": 1, "period": 1, "over": "queue"}}
    assert controlled(rate).to_dict()["flow_control"] == {"rate": {"limit": 1, "period": 1}}


def test_a_flow_without_it_keeps_its_version() -> None:
    flow = Flow.from_dict({"id": "a", "name": "A", "steps": [START], "edges": []})
    assert flow.version == "0fbc834da14683edaf0819bf45aeefa3ab10e90276081e883e86611cd2113267"
    assert flow.program().flow_control is None


def test_another_limit_is_another_version_and_the_difference_names_it() -> None:
    old, new = controlled({"concurrency": 2}), controlled({"concurrency": 3, "key": "<<body.tenant>>"})
    assert old.version != new.version
    found = {
        each.pointer: (each.kind, each.old, each.new) for each in diff(old.to_dict(), new.to_dict()).fields
    }
    assert found == {
        "/flow_control/concurrency": ("changed", 2, 3),
        "/flow_control/key": ("added", None, "<<body.tenant>>"),
    }


MADE = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from(["<<body>>", "{{ body.tenant | lower }}", "<<path.tenant?>>"]),
        "concurrency": st.integers(1, 100_000),
        "total": st.integers(1, 100_000),
        "at_limit": st.sampled_from([each.value for each in AtLimit]),
        "rate": st.fixed_dictionaries(
            {"limit": st.integers(1, 10_000), "period": st.sampled_from([0.5, 7, "1m", "P31D"])},
            optional={"over": st.sampled_from(["queue", "cancel"])},
        ),
        "debounce": st.fixed_dictionaries(
            {"period": st.sampled_from([0.001, 7, "1m"])}, optional={"at_most": st.sampled_from([60, "P7D"])}
        ),
        "priority": st.integers(0, 100) | st.just("<<body.priority>>"),
        "singleton": st.sampled_from(["cancel_new", "cancel_running"]),
    },
)


@settings(max_examples=40, deadline=None)
@given(MADE)
def test_what_is_written_reads_back_the_same_and_fits_the_schema(control: dict[str, Json]) -> None:
    flow = controlled(control)
    again = Flow.from_json(flow.to_json())
    assert (again, again.to_json()) == (flow, flow.to_json())
    _SCHEMA.validate(flow.to_dict())


_SCHEMA = jsonschema.Draft202012Validator(flow_schema())


# -- what is refused ------------------------------------------------------------------------------


def test_all_faults_are_told_at_once_each_at_its_place() -> None:
    control: Json = {
        "kye": "<<body>>",
        "concurrency": 0,
        "total": 100_001,
        "rate": {"limit": 10_001, "period": "32d", "over": "drop"},
        "debounce": {"period": 0, "at_most": "8d"},
        "at_limit": "wait",
        "singleton": "queue",
        "priority": [],
    }
    places = {pointer for _code, pointer in told(refusals(document([], flow_control=control)))}
    assert places == {
        "/flow_control/kye",
        "/flow_control/concurrency",
        "/flow_control/total",
        "/flow_control/rate/limit",
        "/flow_control/rate/period",
        "/flow_control/rate/over",
        "/flow_control/debounce/period",
        "/flow_control/debounce/at_most",
        "/flow_control/at_limit",
        "/flow_control/singleton",
        "/flow_control/priority",
    }


def test_a_near_name_is_suggested() -> None:
    fault = the_only(refusals(document([], flow_control={"concurency": 2})))
    assert (fault.code, fault.hint) == ("UNKNOWN_FIELD", "did you mean 'concurrency'?")


@pytest.mark.parametrize(
    ("control", "faults"),
    [
        ({"singleton": "cancel_new", "concurrency": 1}, {("FLOW_CONTROL", "/concurrency")}),
        (
            {"singleton": "cancel_new", "total": 1, "at_limit": "queue"},
            {("FLOW_CONTROL", "/total"), ("FLOW_CONTROL", "/at_limit")},
        ),
        ({"at_limit": "cancel_new", "rate": {"limit": 1, "period": 1}}, {("FLOW_CONTROL", "/at_limit")}),
        ({"debounce": {"period": "1m", "at_most": "10s"}}, {("FLOW_CONTROL", "/debounce/at_most")}),
        ({"priority": 101}, {("FLOW_CONTROL", "/priority")}),
        ({"priority": -1}, {("FLOW_CONTROL", "/priority")}),
        ({"priority": "high"}, {("FLOW_CONTROL", "/priority")}),
        ({}, {("FLOW_CONTROL", "")}),
        ({"key": "<<body>>"}, {("FLOW_CONTROL", "")}),
        ({"key": "body.tenant", "total": 1}, {("FLOW_CONTROL", "/key")}),
        ({"key": "<<body.", "total": 1}, {("TEMPLATE", "/key")}),
        ({"key": "<<secrets.token>>", "total": 1}, {("SECRET_NOT_ALLOWED", "/key")}),
        ({"key": "{{ secrets.token }}", "priority": "<<steps.a.b>>"}, {("SECRET_NOT_ALLOWED", "/key"), ("UNKNOWN_REFERENCE", "/priority")}),
        ({"key": "<<run.id>>", "total": 1}, {("UNKNOWN_REFERENCE", "/key")}),
        ({"key": "<<bdy.tenant>>", "total": 1}, {("UNKNOWN_REFERENCE", "/key")}),
        ({"key": "<<event_data.tenant>>", "total": 1}, {("UNKNOWN_REFERENCE", "/key")}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(control: Json, faults: set[tuple[str, str]]) -> None:
    expected = {(code, f"/flow_control{pointer}") for code, pointer in faults}
    assert told(refusals(document([], flow_control=control))) == expected


def test_a_body_has_no_flow_control() -> None:
    body = {"flow_control": {"concurrency": 1}, "steps": [transform("a")]}
    inner = {"id": "f", "type": "foreach", "config": {"items": [1], "body": body}}
    fault = the_only(refusals(document([inner], [edge("start", "f")])))
    assert (fault.code, fault.pointer, fault.step_id) == (
        "FLOW_CONTROL_IN_BODY",
        "/steps/1/config/body/flow_control",
        "f",
    )


def test_a_key_may_name_what_any_trigger_of_the_flow_brings() -> None:
    hook = TriggerWebhook(id="hook", config=TriggerWebhookConfig(path="/in/{tenant}"))
    clock = TriggerSchedule(id="clock", config=TriggerScheduleConfig(interval="1h"))
    control = {"key": "<<path.tenant?>><<tick?>>", "concurrency": 1}
    assert controlled(control, hook, clock).errors() == []
    assert [each.pointer for each in controlled(control, hook).errors()] == ["/flow_control/key"]


def test_python_is_told_of_its_faults_when_the_flow_is_made() -> None:
    with pytest.raises(InvalidFlow, match="/flow_control/rate/period"):
        Flow("a", flow_control={"rate": {"limit": 3}})


# -- tickets --------------------------------------------------------------------------------------


def test_the_rules_of_a_ticket_are_those_of_the_document() -> None:
    assert ticket(WHOLE, {"tenant": "acme"}).rules == LaneRules(
        limit=3,
        total=10,
        at_limit=AtLimit.KEEP_NEWEST,
        rate=100,
        period_ms=60_000,
        cancel_over_rate=True,
        quiet_ms=10_000,
        quiet_max_ms=60_000,
    )


@pytest.mark.parametrize("policy", ["cancel_new", "cancel_running"])
def test_a_singleton_is_one_run_at_a_time(policy: str) -> None:
    assert ticket({"singleton": policy}).rules == LaneRules(limit=1, at_limit=AtLimit(policy))


def test_a_lane_is_named_by_namespace_flow_and_key() -> None:
    made = ticket({"key": "<<body.tenant>>", "concurrency": 1}, {"tenant": "acme"})
    assert made.lane == hashlib.sha256(canonical(["default", "imports", "acme"]).encode()).hexdigest()
    assert made.pool == hashlib.sha256(canonical(["default", "imports"]).encode()).hexdigest()
    assert made.key == "acme"
    elsewhere = planned({"key": "<<body>>", "concurrency": 1}).ticket("other", {"body": "acme"})
    assert elsewhere.lane != made.lane


def test_without_a_key_all_runs_share_a_lane() -> None:
    assert ticket({"concurrency": 1}, 1).lane == ticket({"concurrency": 1}, 2).lane
    assert ticket({"concurrency": 1}).key == ""


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("acme", "acme"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (None, ""),
        ({"b": 1, "a": [2]}, '{"a":[2],"b":1}'),
    ],
)
def test_a_key_prints_plainly_and_objects_as_canonical_json(value: Json, key: str) -> None:
    assert ticket({"key": "<<body>>", "concurrency": 1}, value).key == key


def test_a_key_may_be_made_of_several_values() -> None:
    control = {"key": "<<body.a>>/{{ body.b | lower }}", "concurrency": 1}
    assert ticket(control, {"a": 1, "b": "X"}).key == "1/x"


@given(st.text(max_size=KEY_LENGTH * 2), st.text(max_size=KEY_LENGTH * 2))
def test_a_key_is_shown_in_two_hundred_characters_and_two_keys_never_alike(one: str, other: str) -> None:
    for each in (one, other):
        shown = shown_key(each)
        assert len(shown) <= KEY_LENGTH
        assert all(ord(character) >= 32 for character in shown)
    assert (shown_key(one) == shown_key(other)) is (one == other)


def test_a_long_key_is_cut_where_it_is_shown_and_not_where_it_counts() -> None:
    control = {"key": "<<body>>", "concurrency": 1}
    one, other = ticket(control, "x" * 500 + "1"), ticket(control, "x" * 500 + "2")
    assert len(one.key) == KEY_LENGTH
    assert one.key.startswith("xxx")
    assert one.lane != other.lane
    assert one.key != other.key


def test_a_payload_without_the_key_is_refused_with_the_name_of_the_field() -> None:
    with pytest.raises(
        PermanentError, match=r"flow 'imports': flow_control\.key: .*'body\.tenant' is missing"
    ) as no:
        ticket({"key": "<<body.tenant>>", "concurrency": 1}, {"tenent": "acme"})
    assert no.value.error.code == "FLOW_CONTROL_KEY"
    assert "did you mean 'tenent'?" in str(no.value)


def test_a_key_that_may_be_missing_is_empty() -> None:
    for key in ("<<body.tenant?>>", "{{ body.tenant }}"):
        assert ticket({"key": key, "concurrency": 1}, {}).key == ""


@pytest.mark.parametrize(
    ("value", "priority"), [(0, 0), (100, 100), ("7", 7), (7.0, 7), (None, 0), ("100", 100)]
)
def test_a_priority_is_read_from_the_payload(value: Json, priority: int) -> None:
    assert ticket({"priority": "<<body.p>>"}, {"p": value}).priority == priority


@pytest.mark.parametrize("value", [-1, 101, 1.5, "high", "-1", "", True, [1], {}, "1e1", "٣"])
def test_a_priority_out_of_range_is_refused(value: Json) -> None:
    with pytest.raises(PermanentError, match=r"flow_control\.priority: a priority is a whole number") as no:
        ticket({"priority": "<<body.p>>"}, {"p": value})
    assert no.value.error.code == "FLOW_CONTROL_PRIORITY"


def test_a_priority_of_its_own_needs_no_template() -> None:
    assert ticket({"priority": 40}).priority == 40
