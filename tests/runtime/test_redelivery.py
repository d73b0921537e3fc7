"""What becomes of a notification after an attempt: the schedule, what receivers ask for, and the end of it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openrun.runtime.redelivery import MOST_ATTEMPTS, PAUSES, Attempted, judged, pause, settled
from openrun.store.outbox import NotificationRow

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
NOW_MS = 1_769_850_000_000
ROW = NotificationRow(
    notification_id="run-7-sub",
    subscription_id="sub",
    namespace="default",
    run_id="run",
    flow_id="orders",
    seq=7,
    type="run.failed",
    at=NOW_MS,
    data="{}",
    attempts=1,
    due_at=NOW_MS,
)
FAILED = Attempted(status=500, error="the receiver answered 500")


def test_a_success_ends_it() -> None:
    row = settled(ROW, Attempted(status=204), NOW_MS)
    assert (row.due_at, row.delivered_at, row.last_status, row.error) == (None, NOW_MS, 204, None)


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    assert PAUSES == (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
    assert MOST_ATTEMPTS == 10


def test_each_failure_waits_longer_and_the_tenth_is_the_last() -> None:
    waits = []
    for attempts in range(1, MOST_ATTEMPTS):
        row = settled(replace(ROW, attempts=attempts), FAILED, NOW_MS)
        assert row.due_at is not None
        assert (row.dead_at, row.last_status, row.error) == (None, 500, "the receiver answered 500")
        waits.append((row.due_at - NOW_MS) / 1_000)
    assert waits == sorted(waits)
    last = settled(replace(ROW, attempts=MOST_ATTEMPTS), FAILED, NOW_MS)
    assert (last.due_at, last.dead_at, last.delivered_at) == (None, NOW_MS, None)


@given(name=st.text(), attempts=st.integers(1, MOST_ATTEMPTS - 1))
def test_pauses_are_spread_by_a_tenth_and_the_same_on_every_machine(name: str, attempts: int) -> None:
    name = name.encode(errors="replace").decode()
    seconds = pause(name, attempts)
    assert 0.9 * PAUSES[attempts - 1] <= seconds <= 1.1 * PAUSES[attempts - 1]
    assert pause(name, attempts) == seconds


def test_two_notifications_of_one_moment_are_tried_again_at_two() -> None:
    assert pause("one", 3) != pause("other", 3)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_status_of_the_two_hundreds_is_a_success(status: int) -> None:
    assert judged(status, {}, NOW) == Attempted(status=status)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 304])
def test_a_redirect_is_a_failure(status: int) -> None:
    how = judged(status, {"location": "https://elsewhere.example"}, NOW)
    assert how.error is not None
    assert "redirects are not followed" in how.error
    assert not how.final


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500, 501, 599, 999, 429, 502, 503, 504])
def test_every_other_status_is_a_failure_that_is_tried_again(status: int) -> None:
    how = judged(status, {}, NOW)
    assert (how.status, how.error, how.final) == (status, f"the receiver answered {status}", False)


def test_410_is_final() -> None:
    how = judged(410, {}, NOW)
    assert how.final
    row = settled(ROW, how, NOW_MS)
    assert (row.due_at, row.dead_at) == (None, NOW_MS)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("120", 120),
        ("999999999", 3_600),
        ("Sat, 31 Jan 2026 09:02:00 GMT", 120),
        ("Sat, 31 Jan 2026 08:00:00 GMT", 0),
        ("soon", None),
    ],
)
def test_a_receiver_that_asks_for_patience_gets_it_for_an_hour_at_most(
    status: int, given: str, seconds: float | None
) -> None:
    assert judged(status, {"retry-after": given}, NOW).retry_after == seconds


def test_patience_is_for_those_who_are_busy() -> None:
    assert judged(500, {"retry-after": "120"}, NOW).retry_after is None


def test_patience_lengthens_a_pause_and_never_shortens_it() -> None:
    asked = Attempted(status=503, error="busy", retry_after=120)
    early = settled(ROW, asked, NOW_MS)
    assert early.due_at == NOW_MS + 120_000
    late = settled(replace(ROW, attempts=4), asked, NOW_MS)
    assert late.due_at is not None
    assert late.due_at >= NOW_MS + 6_480_000


def test_an_error_is_kept_short() -> None:
    row = settled(ROW, Attempted(error="x" * 10_000), NOW_MS)
    assert row.error == "x" * 500
