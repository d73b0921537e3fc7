import re
from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.steps.triggers.cron import ALIASES, next_fires, normal_cron

START = datetime(2001, 1, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    "cron",
    [
        "* * * * *",
        "0 9 * * mon-fri",
        "0 9 * * MON-FRI",
        "*/5 0-6,18-23 1,15 jan-jun/2 sun",
        "0 0 l * *",
        "0 0 29 2 *",
        "0 0 * * 5#2",
        "0 0 * * l5",
        "0 0 15w * *",
        "0 0 ? * 7",
        *ALIASES,
    ],
)
def test_a_cron_expression_stays_as_it_is(cron: str) -> None:
    assert normal_cron(cron) == cron


def test_spaces_are_made_single() -> None:
    assert normal_cron("  0  9 * *\tmon ") == "0 9 * * mon"


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("", "fields; write five"),
        ("* * * *", "has 4 fields"),
        ("* * * * * *", "has 6 fields"),
        ("* * * * * * *", "has 7 fields"),
        ("@reboot", "is none of @hourly"),
        ("@", "is none of @hourly"),
        ("0 0 30 2 *", "does not fire within 5 years"),
        ("0 0 31 2,4,6,9,11 *", "does not fire within 5 years"),
        ("* * * 2 1#5", "does not fire within 5 years"),
        ("*/0 * * * *", "'*/0' is no minute (0 to 59)"),
        ("60 * * * *", "'60' is no minute (0 to 59)"),
        ("mon * * * *", "'mon' is no minute (0 to 59)"),
        ("99-1 * * * *", "'99-1' is no minute (0 to 59)"),
        ("0 24 * * *", "'24' is no hour (0 to 23)"),
        ("0 9 * * fri#6", "'fri#6' is no day of week (0 to 7"),
        ("0-99999999999 * * * *", "'0-99999999999' is no minute"),
        ("0-999999999/1 * * * *", "'0-999999999/1' is no minute"),
        ("*/99999999 * * * *", "'*/99999999' is no minute"),
        ("h * * * *", "'h' is no minute"),
        ("* r * * *", "'r' is no hour"),
        ("* * r(1-5) * *", "is no day of month"),
        ("* * * foo *", "'foo' is no month"),
        ("* * * * 1,,2", "'' is no day of week"),
        ("\u0661 * * * *", "is no minute"),
        (",".join(["0-59/1"] * 60) + " * * * *", "at most 256 characters"),
        ("{{cron}}", "fields; write five"),
    ],
)
def test_a_wrong_cron_expression_is_refused(cron: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        normal_cron(cron)


def test_a_long_list_of_full_ranges_is_read() -> None:
    cron = ",".join(["0-59"] * 49) + " * * * *"
    assert normal_cron(cron) == cron


@pytest.mark.parametrize(
    ("cron", "same"),
    [
        ("5-5 * * * *", "5 * * * *"),
        ("5-05/2 * * * *", "5 * * * *"),
        ("0 0 1 JAN-1 *", "0 0 1 1 *"),
        ("0 0 * * mon-mon,fri", "0 0 * * 1,5"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("15-15,50-10 22-2 * * *", "15,50-10 22-2 * * *"),
    ],
)
def test_a_range_of_one_value_is_that_value(cron: str, same: str) -> None:
    assert next_fires(normal_cron(cron), START, 20) == next_fires(same, START, 20)


def test_the_next_fires_are_wall_times() -> None:
    assert next_fires("0 9 * * mon-fri", datetime(2026, 3, 6, 12)) == [  # noqa: DTZ001
        datetime(2026, 3, 9, 9),  # noqa: DTZ001
        datetime(2026, 3, 10, 9),  # noqa: DTZ001
        datetime(2026, 3, 11, 9),  # noqa: DTZ001
    ]


def test_with_a_day_of_month_and_a_day_of_week_either_fires() -> None:
    days = [each.day for each in next_fires("0 0 14 * fri", START, 5)]
    assert days == [5, 12, 14, 19, 26]


def test_fires_that_are_more_than_five_years_apart_are_left_out() -> None:
    # Every leap day is a 29th of February; from 2096 to 2104 there is none.
    assert next_fires("0 0 29 2 *", datetime(2095, 1, 1)) == [datetime(2096, 2, 29)]  # noqa: DTZ001


FIELDS = st.text("0123456789*/,-?#lLwWhHrRjanfebmonsun", max_size=12)


@given(st.lists(FIELDS, min_size=5, max_size=5).map(" ".join) | st.text(max_size=300))
def test_whatever_is_written_is_read_or_refused(cron: str) -> None:
    with suppress(ValueError):
        assert next_fires(normal_cron(cron), START)
