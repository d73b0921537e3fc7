from datetime import UTC, datetime, timedelta, timezone

import pytest

from openrun.core.errors import PermanentError, RateLimited, StepError, TransientError
from openrun.net.status import failure_of, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def failed(status: int, headers: dict[str, str] | None = None) -> StepError:
    error = failure_of(status, headers or {}, method="GET", url="https://u:p@h.example/p?token=t#f", now=NOW)
    assert error is not None
    return error


@pytest.mark.parametrize("status", [200, 201, 204, 206, 299, 300, 301, 304, 308, 399])
def test_a_success_or_a_redirect_is_no_failure(status: int) -> None:
    assert failure_of(status, {}, method="GET", url="https://h.example/", now=NOW) is None


@pytest.mark.parametrize("status", [408, 425, 500, 501, 502, 503, 504, 599, 600, 999])
def test_what_may_pass_is_transient(status: int) -> None:
    error = failed(status)
    assert type(error) is TransientError
    assert error.error.retryable
    assert error.error.code == f"HTTP_{status}"
    assert error.error.details == {"status": status}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 451, 499, 101])
def test_what_will_not_pass_is_permanent(status: int) -> None:
    error = failed(status)
    assert type(error) is PermanentError
    assert error.error.code == f"HTTP_{status}"
    assert error.error.details == {"status": status}


def test_too_many_requests_is_a_rate_limit() -> None:
    error = failed(429, {"retry-after": "7"})
    assert type(error) is RateLimited
    assert error.error.code == "RATE_LIMITED"
    assert error.error.retry_after == 7.0
    assert error.error.details == {"status": 429}


def test_an_unavailable_service_may_ask_for_patience() -> None:
    assert failed(503, {"retry-after": "7"}).error.retry_after == 7.0


@pytest.mark.parametrize("status", [400, 404, 408, 500, 502])
def test_no_other_status_may_ask_for_patience(status: int) -> None:
    assert failed(status, {"retry-after": "7"}).error.retry_after is None


def test_a_failure_names_method_url_and_status_without_secrets() -> None:
    assert str(failed(404)) == "GET https://h.example/p: the server answered 404"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("000000000120", 120.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 5000, 3600.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90.0),
        ("Sun Mar  1 12:01:30 2026", 90.0),
        ("Sun, 01 Mar 2026 14:01:30 +0200", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Mon, 01 Mar 2027 12:00:00 GMT", 3600.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_capped_at_an_hour(
    value: str, seconds: float
) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [None, "", "soon", "-5", "1.5", "1e3", "٣", "Sun, 99 Mar 2026 12:01:30 GMT", "1 2", "nan", "\x00"],
)
def test_a_retry_after_that_reads_as_neither_is_ignored(value: str | None) -> None:
    assert retry_after(value, NOW) is None


@pytest.mark.parametrize(
    "value",
    [
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999",
        "Fri, 31 Dec 9999 23:59:59 -9999",
    ],
)
def test_a_retry_after_beyond_all_calendars_does_no_harm(value: str) -> None:
    assert retry_after(value, NOW) in (None, 3600.0)


def test_retry_after_compares_instants_whatever_the_time_zone_of_now() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert retry_after("Sun, 01 Mar 2026 12:01:30 GMT", elsewhere) == 90.0
