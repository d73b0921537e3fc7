from typing import Any

import pytest

from openrun.core.errors import PermanentError
from openrun.core.state import StateContainer
from openrun.steps.base import Step
from openrun.steps.triggers import (
    TriggerEvent,
    TriggerEventConfig,
    TriggerManual,
    TriggerManualConfig,
    TriggerSchedule,
    TriggerScheduleConfig,
    TriggerWebhook,
    TriggerWebhookConfig,
)

from .given import NOW, a_context, ran, refusal

NOON = "2026-03-01T12:00:00Z"

HOOK = TriggerWebhook(config=TriggerWebhookConfig(path="/orders"))
MANUAL = TriggerManual()
SCHEDULE = TriggerSchedule(config=TriggerScheduleConfig(cron="@daily"))
EVENT = TriggerEvent(config=TriggerEventConfig(event_type="user.created"))


async def state_after(trigger: Step, given: dict[str, Any]) -> dict[str, Any]:
    """What a trigger writes for a payload, after normalising it as the engine does."""
    state = StateContainer()
    await ran(trigger, state, a_context(trigger.payload(given)))
    return state.patch


async def test_a_webhook_writes_the_parts_of_the_request() -> None:
    given = {
        "body": [1],
        "query": {"q": "x"},
        "path": {"id": "7"},
        "headers": {"X-One": "1"},
        "method": "put",
    }
    assert await state_after(HOOK, given) == {
        "body": [1],
        "query": {"q": "x"},
        "path": {"id": "7"},
        "headers": {"x-one": "1"},
        "method": "PUT",
    }


@pytest.mark.parametrize(("trigger", "method"), [(HOOK, "POST"), (MANUAL, None)])
async def test_parts_that_a_request_lacks_are_neutral(trigger: Step, method: str | None) -> None:
    neutral: dict[str, Any] = {"body": None, "query": {}, "path": {}, "headers": {}, "method": method}
    assert await state_after(trigger, {}) == neutral
    assert await state_after(trigger, dict.fromkeys(neutral)) == neutral


@pytest.mark.parametrize("trigger", [HOOK, MANUAL, SCHEDULE, EVENT])
def test_an_unknown_key_of_a_payload_is_refused(trigger: Step) -> None:
    with pytest.raises(PermanentError, match="has no key 'zzz'; known: ") as caught:
        trigger.payload({"zzz": 1})
    assert caught.value.error.code == "INVALID_INPUT"


def test_the_near_key_is_suggested() -> None:
    with pytest.raises(PermanentError, match="did you mean 'headers'"):
        HOOK.payload({"header": {}})


@pytest.mark.parametrize(
    ("trigger", "given", "message"),
    [
        (HOOK, {"headers": []}, "'headers' of the payload is an object, not list"),
        (HOOK, {"method": 1}, "'method' of the payload is text or null, not int"),
        (SCHEDULE, {"actual_time": 5}, "'actual_time' of the payload is text or null, not int"),
        (EVENT, {"event": {"type": 5}}, "'type' of the payload is text or null, not int"),
    ],
)
def test_a_part_of_another_type_is_refused(trigger: Step, given: dict[str, Any], message: str) -> None:
    with pytest.raises(PermanentError, match=message) as caught:
        trigger.payload(given)
    assert caught.value.error.code == "INVALID_INPUT"


async def test_a_schedule_started_by_hand_is_due_now() -> None:
    written = {"tick": None, "scheduled_time": NOON, "actual_time": NOON}
    assert await state_after(SCHEDULE, {}) == written


async def test_a_schedule_writes_the_tick_it_is_given() -> None:
    tick = {"tick": "t", "scheduled_time": "2026-03-01T11:00:00Z", "actual_time": "2026-03-01T11:00:01Z"}
    assert await state_after(SCHEDULE, tick) == tick
    late = await state_after(SCHEDULE, {"scheduled_time": "2026-03-01T11:00:00Z"})
    assert late["scheduled_time"] == "2026-03-01T11:00:00Z"
    assert late["actual_time"] == NOON


async def test_an_event_is_taken_apart() -> None:
    event = {"id": "1", "type": "user.created", "data": {"name": "Ada"}, "time": "2026-01-01T00:00:00Z"}
    assert await state_after(EVENT, {"event": event}) == {
        "event": event,
        "event_type": "user.created",
        "event_data": {"name": "Ada"},
        "event_timestamp": "2026-01-01T00:00:00Z",
    }


async def test_the_parts_of_an_event_make_one() -> None:
    assert await state_after(EVENT, {"event_data": 3}) == {
        "event": {"type": "user.created", "data": 3, "time": None},
        "event_type": "user.created",
        "event_data": 3,
        "event_timestamp": NOON,
    }


async def test_an_event_need_not_be_an_object() -> None:
    written = await state_after(EVENT, {"event": "ping", "event_type": "a.b", "event_timestamp": "then"})
    assert written == {"event": "ping", "event_type": "a.b", "event_data": None, "event_timestamp": "then"}


def test_a_pattern_says_nothing_of_the_type_of_an_event() -> None:
    anything = TriggerEvent(config=TriggerEventConfig(event_type="user.*"))
    assert anything.payload({})["event_type"] is None


@pytest.mark.parametrize("trigger", [HOOK, MANUAL, SCHEDULE, EVENT])
def test_every_field_of_a_trigger_is_static(trigger: Step) -> None:
    assert trigger.config.static_fields == frozenset(type(trigger.config).model_fields)
    assert trigger.is_trigger
    assert trigger.inline


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("/orders", "/orders"),
        ("/orders/", "/orders"),
        ("/users/{user_id}/orders/{order}", "/users/{user_id}/orders/{order}"),
        ("/a.b/~c/x,y;z=1:@", "/a.b/~c/x,y;z=1:@"),
        ("/...", "/..."),
    ],
)
def test_a_path_is_normalised(path: str, normal: str) -> None:
    assert TriggerWebhookConfig(path=path).path == normal


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "must begin with '/'"),
        ("orders", "must begin with '/'"),
        ("//orders", "path segment ''"),
        ("/a//b", "path segment ''"),
        ("/a//", "path segment ''"),
        ("/a/../b", "path segment '..'"),
        ("/./b", "path segment '.'"),
        ("/a%2e", "path segment 'a%2e'"),
        ("/a b", "path segment 'a b'"),
        ("/ä", "path segment 'ä'"),
        ("/a?b", "path segment 'a?b'"),
        ("/{}", "path segment '{}'"),
        ("/{1a}", "path segment '{1a}'"),
        ("/x{a}", "path segment 'x{a}'"),
        ("/{{a}}", "path segment '{{a}}'"),
        ("/<<a>>", "path segment '<<a>>'"),
        ("/{a}/{b}/{a}", "two parameters 'a'"),
        ("/" + "a" * 256, "longer than 256 characters"),
    ],
)
def test_a_path_that_cannot_be_matched_exactly_is_refused(path: str, reason: str) -> None:
    assert reason in refusal(TriggerWebhookConfig, path=path)


def test_methods_are_given_as_one_or_as_several() -> None:
    assert TriggerWebhookConfig(path="/").methods == ("POST",)
    assert TriggerWebhookConfig.model_validate({"path": "/", "method": "get"}).methods == ("GET",)
    assert TriggerWebhookConfig(path="/", methods=("get", "POST", "GET")).methods == ("GET", "POST")


def test_methods_that_a_webhook_cannot_have_are_refused() -> None:
    assert "either `method` or `methods`" in refusal(
        TriggerWebhookConfig, path="/", method="GET", methods=("GET",)
    )
    assert "'TRACE' is none of" in refusal(TriggerWebhookConfig, path="/", methods=("TRACE",))
    assert "at least 1 item" in refusal(TriggerWebhookConfig, path="/", methods=())
    with pytest.raises(ValueError, match="valid dictionary"):
        TriggerWebhookConfig.model_validate("/orders")


def test_routes_differ_by_method_and_path_but_not_by_names_of_parameters() -> None:
    hook = TriggerWebhook(config=TriggerWebhookConfig(path="/users/{id}/", methods=("GET", "POST")))
    assert hook.routes() == ("GET /users/{}", "POST /users/{}")


@pytest.mark.parametrize("kind", ["user.created", "user.*", "*", "*.created", "com.example:a/b-c_1.x"])
def test_an_event_type_is_words_with_dots(kind: str) -> None:
    assert TriggerEventConfig(event_type=kind).event_type == kind


@pytest.mark.parametrize("kind", ["", "user.", ".a", "a b", "user.cre*", "***", "{{a}}", "é", "a" * 201])
def test_an_event_type_that_is_none_is_refused(kind: str) -> None:
    assert "event type" in refusal(TriggerEventConfig, event_type=kind)


def test_a_schedule_has_a_cron_expression_or_an_interval() -> None:
    assert TriggerScheduleConfig.model_validate({"interval": "15m"}).interval == 900
    assert "exactly one of `cron` and `interval`" in refusal(TriggerScheduleConfig)
    assert "exactly one of `cron` and `interval`" in refusal(
        TriggerScheduleConfig, cron="@daily", interval=60
    )
    assert "greater than or equal to 1" in refusal(TriggerScheduleConfig, interval=0.5)


def test_a_schedule_says_what_is_done_about_overlaps_and_late_ticks() -> None:
    plain = TriggerScheduleConfig(cron="@daily")
    assert (plain.overlap, plain.catch_up, plain.catch_up_window, plain.jitter) == (
        "allow",
        "last",
        86_400,
        None,
    )
    told = {
        "interval": "15m",
        "overlap": "queue",
        "catch_up": "all",
        "catch_up_window": "6h",
        "jitter": "30s",
    }
    config = TriggerScheduleConfig.model_validate(told)
    assert (config.catch_up_window, config.jitter) == (21_600, 30)
    assert "'allow', 'skip', 'queue' or 'cancel_running'" in refusal(
        TriggerScheduleConfig, cron="@daily", overlap="wait"
    )
    assert "'last', 'all' or 'none'" in refusal(TriggerScheduleConfig, cron="@daily", catch_up="first")
    assert "greater than 0" in refusal(TriggerScheduleConfig, cron="@daily", jitter=0)
    assert "less than or equal to 86400" in refusal(TriggerScheduleConfig, cron="@daily", jitter="2d")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_has_its_iana_name(zone: str) -> None:
    assert TriggerScheduleConfig(cron="@daily", timezone=zone).timezone == zone


@pytest.mark.parametrize(
    "zone", ["", "Berlin", "America", "../etc/passwd", "/etc/passwd", "a\0b", "tzdata.zi"]
)
def test_a_time_zone_that_is_none_is_refused(zone: str) -> None:
    assert f"there is no time zone {zone!r}" in refusal(TriggerScheduleConfig, cron="@daily", timezone=zone)


@pytest.mark.parametrize("zone", ["CEST", "PDT", "IST"])
def test_to_an_abbreviation_no_other_is_near(zone: str) -> None:
    said = refusal(TriggerScheduleConfig, cron="@daily", timezone=zone)
    assert "write an IANA name such as 'Europe/Berlin'" in said


def test_the_near_time_zone_is_suggested() -> None:
    said = refusal(TriggerScheduleConfig, cron="@daily", timezone="Europe/Belin")
    assert "did you mean 'Europe/Berlin'?" in said
    assert "at most 64 characters" in refusal(TriggerScheduleConfig, cron="@daily", timezone="x" * 65)


def test_the_context_of_these_tests_stands_still() -> None:
    assert a_context().now() == NOW


def test_a_manual_trigger_may_say_what_it_does() -> None:
    assert TriggerManualConfig(description="Send it").description == "Send it"
