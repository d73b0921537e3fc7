"""The table of docs/schedules.md about daylight saving is what the schedules of this version do."""

import re
from datetime import date, datetime, timedelta

import pytest

from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.ticks import Ticks, in_ms, interval_like
from openrun.steps.triggers.zone import Zone
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "schedules.md"
ZONE = Zone.of("Europe/Berlin")
DAYS = (date(2026, 3, 29), date(2026, 10, 25))
_ROW = re.compile(r"^\| `([^`]+)` \| (fixed times|interval-like) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_WALL = re.compile(r"\d\d:\d\d [+]\d\d")
ROWS = _ROW.findall(PAGE.read_text())


def fires(cron: str, day: date) -> list[str]:
    """When an expression fires between one and four o'clock, as the page writes it."""
    ticks = Ticks.of(TriggerScheduleConfig(cron=cron, timezone=ZONE.name))
    since = ZONE.instant(in_ms(datetime.fromisoformat(f"{day}T01:00+00:00")))
    until = ZONE.instant(in_ms(datetime.fromisoformat(f"{day}T04:00+00:00")))
    return [f"{ZONE.local(at):%H:%M %z}"[:9] for at in ticks.between(since - 1, until - 1, 100)]


def test_the_table_has_both_kinds_of_expressions_on_the_days_of_the_changes() -> None:
    assert {kind for _cron, kind, _gap, _fold in ROWS} == {"fixed times", "interval-like"}
    assert len(ROWS) >= 8
    for day in DAYS:
        noon = in_ms(datetime.fromisoformat(f"{day}T12:00+00:00"))
        (change,) = ZONE.changes(noon - 86_400_000, noon)
        assert change.is_gap is (day is DAYS[0])
        assert abs(change.after - change.before) == timedelta(hours=1) // timedelta(milliseconds=1)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_an_expression_fires_when_the_table_says(row: tuple[str, str, str, str]) -> None:
    cron, kind, *cells = row
    assert interval_like(cron) is (kind == "interval-like")
    for day, cell in zip(DAYS, cells, strict=True):
        assert _WALL.findall(cell) == fires(cron, day), day
