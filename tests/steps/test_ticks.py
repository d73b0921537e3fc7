"""When schedules are due, held against an oracle that walks through the minutes one by one."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openrun.steps.triggers import TriggerScheduleConfig
from openrun.steps.triggers.cron import normal_cron
from openrun.steps.triggers.ticks import Ticks, in_ms, interval_like
from openrun.steps.triggers.zone import Zone

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Chatham",
)  # fmt: skip
CHANGES_TO_BE_SEEN = {
    "Europe/Berlin": 14,
    "America/New_York": 14,
    "Australia/Lord_Howe": 14,
    "Africa/Casablanca": 15,
    "Asia/Kathmandu": 0,
    "Pacific/Chatham": 14,
}
BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AROUND = 5 * 60
"""Minutes."""
MS = 60_000


def ticks_of(cron: str, zone: str = "UTC") -> Ticks:
    return Ticks.of(TriggerScheduleConfig(cron=cron, timezone=zone))


def ms(text: str) -> int:
    return in_ms(datetime.fromisoformat(text))


def fires(cron: str, zone: str, since: str, until: str) -> list[str]:
    """The instants of a schedule from `since` on and before `until`, as wall times with their offset."""
    ticks = ticks_of(cron, zone)
    found = ticks.between(ms(since) - 1, ms(until) - 1, 1_000)
    return [ticks.zone.local(each).isoformat(timespec="minutes") for each in found]


# -- the oracle -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """What a field of an expression says, and which values fit."""

    text: str
    values: frozenset[int]

    @property
    def any(self) -> bool:
        return self.text == "*"


Expression = tuple[Field, Field, Field, Field, Field]


def items(low: int, high: int) -> st.SearchStrategy[Field]:
    value = st.integers(low, high)
    step = st.integers(1, 40)
    return st.one_of(
        value.map(lambda n: Field(str(n), frozenset({n}))),
        st.tuples(value, value)
        .map(sorted)
        .map(lambda ends: _stepped(f"{ends[0]}-{ends[1]}", ends[0], ends[1], 1)),
        st.tuples(value, value, step).map(
            lambda abn: _stepped(
                f"{min(abn[:2])}-{max(abn[:2])}/{abn[2]}", min(abn[:2]), max(abn[:2]), abn[2]
            )
        ),
        step.map(lambda n: _stepped(f"*/{n}", low, high, n)),
    )


def without_star(low: int, high: int) -> st.SearchStrategy[Field]:
    """Values of a part of what the field may have."""
    return fields(low, high).filter(lambda each: "*" not in each.text)


def _stepped(text: str, low: int, high: int, step: int) -> Field:
    return Field(text, frozenset(range(low, high + 1, step)))


def fields(low: int, high: int) -> st.SearchStrategy[Field]:
    lists = st.lists(items(low, high), min_size=1, max_size=3).map(
        lambda each: Field(
            ",".join(one.text for one in each), frozenset().union(*(one.values for one in each))
        )
    )
    return st.one_of(st.just(Field("*", frozenset(range(low, high + 1)))), lists)


# Mostly days that occur near the changes, so that there is something to go wrong.
any_day = st.just(Field("*", frozenset(range(1, 32))))
any_weekday = st.just(Field("*", frozenset(range(7))))
expressions: st.SearchStrategy[Expression] = st.tuples(
    fields(0, 59),
    fields(0, 23) | without_star(0, 4),
    any_day | without_star(1, 31),
    st.just(Field("*", frozenset(range(1, 13)))),
    any_weekday | without_star(0, 6),
)


def fits(expression: Expression, wall: datetime) -> bool:
    minute, hour, day, month, weekday = expression
    if wall.minute not in minute.values or wall.hour not in hour.values or wall.month not in month.values:
        return False
    on_day, on_weekday = wall.day in day.values, wall.isoweekday() % 7 in weekday.values
    return on_day and on_weekday if day.any or weekday.any else on_day or on_weekday


def wild(expression: Expression) -> bool:
    return any(item.startswith("*") for each in expression[:2] for item in each.text.split(","))


@cache
def windows(zone: str) -> list[list[tuple[int, datetime]]]:
    """Around each change of the zone, from some hours before to some hours after: each minute with its wall time."""
    info = ZoneInfo(zone)
    hours = [BEGIN + HOUR * n for n in range((END - BEGIN) // HOUR + 1)]
    changed = [
        after
        for before, after in pairwise(hours)
        if before.astimezone(info).utcoffset() != after.astimezone(info).utcoffset()
    ]
    assert len(changed) == CHANGES_TO_BE_SEEN[zone]
    starts = changed or [BEGIN + HOUR * 2_000, BEGIN + HOUR * 7_000]
    return [
        [
            (in_ms(at), at.astimezone(info).replace(tzinfo=None))
            for at in (start + MINUTE * n for n in range(-AROUND, AROUND))
        ]
        for start in starts
    ]


def walked(expression: Expression, window: list[tuple[int, datetime]]) -> Iterator[int]:
    """What is due in a window, found by looking at each minute of it, and at those that it skips."""
    each_time = wild(expression)
    expected = window[0][1]
    for at, wall in window:
        again = wall < expected
        skipped = [expected + MINUTE * n for n in range((wall - expected) // MINUTE)]
        expected = max(expected, wall + MINUTE)
        if each_time:
            due = fits(expression, wall)
        else:
            due = (not again and fits(expression, wall)) or any(fits(expression, one) for one in skipped)
        if due:
            yield at


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=50)
@given(expression=expressions)
@example(
    expression=(
        Field("30", frozenset({30})),
        Field("2", frozenset({2})),
        *[Field("*", frozenset(range(32)))] * 3,
    )
)
def test_every_change_from_2024_to_2030_is_gone_through_as_the_rule_says(
    zone: str, expression: Expression
) -> None:
    cron = " ".join(each.text for each in expression)
    ticks = ticks_of(cron, zone)
    assert interval_like(cron) is wild(expression)
    for window in windows(zone):
        since, until = window[0][0] - 1, window[-1][0]
        assert ticks.between(since, until, 10_000) == list(walked(expression, window)), cron


@given(
    expression=expressions,
    minutes=st.integers(0, 2 * AROUND - 1),
    zone=st.sampled_from(ZONES),
    more=st.data(),
)
def test_the_next_tick_is_the_same_wherever_one_looks_from(
    expression: Expression, minutes: int, zone: str, more: Any
) -> None:
    window = more.draw(st.sampled_from(windows(zone)))
    since = window[minutes][0] + more.draw(st.integers(0, MS - 1))
    ticks = ticks_of(" ".join(each.text for each in expression), zone)
    later = [at for at in walked(expression, window) if at > since]
    found = ticks.next(since)
    if later:
        assert found == later[0]
    else:
        assert found is None or found > window[-1][0]


# -- the rule, case by case -----------------------------------------------------------------------


def test_a_tick_in_the_gap_comes_at_the_first_instant_after_it() -> None:
    days = ("2026-03-28T12:00Z", "2026-03-30T12:00Z")
    assert fires("30 2 * * *", "Europe/Berlin", *days) == ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]
    at = ms("2026-03-29T01:00Z")
    assert ticks_of("30 2 * * *", "Europe/Berlin").note(at) == "moved: 02:30 does not exist on that day"


def test_several_ticks_of_one_gap_are_one() -> None:
    days = ("2026-03-29T00:30Z", "2026-03-29T02:00Z")
    assert fires("0,20,40 2,3 * * *", "Europe/Berlin", *days) == [
        "2026-03-29T03:00+02:00",
        "2026-03-29T03:20+02:00",
        "2026-03-29T03:40+02:00",
    ]


def test_a_tick_in_the_fold_comes_the_first_time_only() -> None:
    days = ("2026-10-24T12:00Z", "2026-10-26T12:00Z")
    assert fires("30 2 * * *", "Europe/Berlin", *days) == ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]
    assert ticks_of("30 2 * * *", "Europe/Berlin").note(ms("2026-10-25T00:30Z")) == "first of two 02:30"


def test_what_repeats_within_hours_goes_through_both_passes_of_the_fold() -> None:
    ticks = ticks_of("*/30 * * * *", "Europe/Berlin")
    found = ticks.between(ms("2026-10-24T23:59Z"), ms("2026-10-25T02:00Z"), 10)
    assert [each % (30 * MS) for each in found] == [0] * 5
    assert [ticks.note(each) for each in found] == [
        "first of two 02:00",
        "first of two 02:30",
        "second of two 02:00",
        "second of two 02:30",
        None,
    ]


def test_what_repeats_within_hours_gets_nothing_extra_from_the_gap() -> None:
    days = ("2026-03-29T00:30Z", "2026-03-29T02:00Z")
    assert fires("*/30 * * * *", "Europe/Berlin", *days) == [
        "2026-03-29T01:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-29T03:30+02:00",
    ]
    assert fires("*/5 2 * * *", "Europe/Berlin", *days) == []
    assert ticks_of("*/30 * * * *", "Europe/Berlin").note(ms("2026-03-29T01:00Z")) is None


def test_a_zone_that_changes_by_half_an_hour_skips_and_repeats_half_an_hour() -> None:
    spring, autumn = ("2026-10-03T00:00Z", "2026-10-03T16:00Z"), ("2026-04-04T14:00Z", "2026-04-04T16:30Z")
    assert fires("15 2 * * *", "Australia/Lord_Howe", *spring) == ["2026-10-04T02:30+11:00"]
    assert fires("45 1 * * *", "Australia/Lord_Howe", *autumn) == ["2026-04-05T01:45+11:00"]
    assert fires("45 * * * *", "Australia/Lord_Howe", *autumn) == [
        "2026-04-05T01:45+11:00",
        "2026-04-05T01:45+10:30",
        "2026-04-05T02:45+10:30",
    ]


def test_a_day_that_a_zone_left_out_has_one_tick_at_its_end() -> None:
    days = ("2011-12-29T22:00Z", "2012-01-01T00:00Z")
    assert fires("0 9 * * *", "Pacific/Apia", *days) == [
        "2011-12-31T00:00+14:00",
        "2011-12-31T09:00+14:00",
        "2012-01-01T09:00+14:00",
    ]


def test_what_falls_into_the_gap_of_every_year_is_never_due_and_holds_nobody_up() -> None:
    assert ticks_of("*/5 2 * 3 l0", "Europe/Berlin").next(ms("2026-01-01T00:00Z")) is None


def test_an_interval_has_its_ticks_at_its_multiples_since_1970() -> None:
    ticks = Ticks.of(TriggerScheduleConfig(interval="7h", timezone="Europe/Berlin"))
    step = 7 * 3_600_000
    assert ticks.next(0) == step
    assert ticks.next(step) == 2 * step
    assert ticks.next(-1) == 0
    assert ticks.between(step, 3 * step, 10) == [2 * step, 3 * step]
    assert ticks.note(step) is None


def test_ticks_are_wall_times_of_the_zone() -> None:
    ticks = ticks_of("0 9 * * mon", "America/New_York")
    found = ticks.after(datetime(2026, 3, 2, 20, tzinfo=UTC), 2)
    assert [each.isoformat() for each in found] == ["2026-03-09T09:00:00-04:00", "2026-03-16T09:00:00-04:00"]


def test_no_more_ticks_are_found_than_were_asked_for() -> None:
    assert len(ticks_of("* * * * *").between(0, 10**12, 7)) == 7


@pytest.mark.parametrize(
    ("cron", "repeats"),
    [
        ("*/15 * * * *", True),
        ("0 * * * *", True),
        ("*/5 2 * * *", True),
        ("5,*/20 2 * * *", True),
        ("? 2 * * *", True),
        ("0 */2 * * *", True),
        ("@hourly", True),
        ("30 2 * * *", False),
        ("0-59 2 * * *", False),
        ("0,30 0-23/2 * * mon", False),
        ("@daily", False),
    ],
)
def test_a_star_in_the_minute_or_the_hour_makes_an_expression_repeat_within_hours(
    cron: str, repeats: bool
) -> None:
    assert interval_like(cron) is repeats


def test_an_instant_that_is_a_fraction_after_a_tick_belongs_to_the_next() -> None:
    ticks = ticks_of("* * * * *")
    assert ticks.next(1) == MS
    assert ticks.next(MS - 1) == MS
    assert ticks.next(MS) == 2 * MS


@pytest.mark.parametrize("zone", ZONES)
def test_a_later_wall_time_is_no_earlier_instant(zone: str) -> None:
    known = Zone.of(zone)
    for window in windows(zone):
        first = window[0][0] + known.offset(window[0][0])
        instants = [known.instant(first + n * MS) for n in range(2 * AROUND)]
        assert instants == sorted(instants)


# -- what is hostile ------------------------------------------------------------------------------

HOSTILE = [
    "0 0 30 2 *",
    "0 0 31 2,4,6,9,11 *",
    "* * * 2 1#5",
    "*/0 * * * *",
    "x" * 100_000,
    "* " * 100_000,
    ",".join(["0-59/1"] * 35) + " * * * *",
    "0-59/1," * 35 + "1 30 2 *",
    ",".join(["*"] * 120) + " * 31 2 *",
    "* * " + ",".join(["1-31"] * 40) + " 2 *",
]


@pytest.mark.parametrize("cron", HOSTILE)
def test_what_a_hostile_expression_costs_is_bounded(cron: str) -> None:
    calls = 0

    def count(_frame: object, _event: str, _argument: object) -> None:
        nonlocal calls
        calls += 1

    known = sys.getprofile()
    sys.setprofile(count)
    try:
        normal_cron(cron)
    except ValueError:
        pass
    finally:
        sys.setprofile(known)
    assert calls < 30_000
