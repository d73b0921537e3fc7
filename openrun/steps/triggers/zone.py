"""When a time zone changes its offset, and which instant a wall time is.

All is in ms: instants since 1970 UTC, wall times as if they were UTC. The standard library answers for one instant; the changes themselves are found by looking at each day, and the second
of a change by halving. What was found of a zone is kept.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_SECOND = 1_000
_DAY = 86_400 * _SECOND
_PAGE = 400 * _DAY
_NEAR = 2 * _DAY
"""No wall time is further from its instant."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Change(NamedTuple):
    """From the instant `at` on, the offset to UTC is `after`; until then it was `before`."""

    at: int
    before: int
    after: int

    @property
    def is_gap(self) -> bool:
        """Wall times from `at + before` to `at + after` do not exist; else those between occur twice."""
        return self.after > self.before


class Zone:
    """An IANA time zone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._info = ZoneInfo(name)
        self._pages: dict[int, tuple[Change, ...]] = {}

    @staticmethod
    @lru_cache(maxsize=1_000)
    def of(name: str) -> "Zone":
        """The zone of this name, which must be known to exist."""
        return Zone(name)

    def offset(self, at: int) -> int:
        """What is added to this instant to get its wall time."""
        offset = self.local(at).utcoffset()
        assert offset is not None
        return offset // timedelta(milliseconds=1)

    def local(self, at: int) -> datetime:
        """The wall time of this instant, with its offset."""
        return (_EPOCH + timedelta(milliseconds=at)).astimezone(self._info)

    def changes(self, after: int, until: int) -> list[Change]:
        """Changes later than `after`, up to `until` and then included, in order."""
        return [
            each
            for number in range(after // _PAGE, until // _PAGE + 1)
            for each in self._page(number)
            if after < each.at <= until
        ]

    def instant(self, wall: int) -> int:
        """The first instant that has this wall time; for one in a gap, the first instant after the gap.

        A later wall time never has an earlier instant.
        """
        offset = None
        for change in self.changes(wall - _NEAR, wall + _NEAR):
            if wall - change.before < change.at:
                return wall - change.before
            if wall - change.after < change.at:
                return change.at
            offset = change.after
        return wall - (self.offset(wall) if offset is None else offset)

    def _page(self, number: int) -> tuple[Change, ...]:
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = tuple(self._found(number * _PAGE, (number + 1) * _PAGE))
        return page

    def _found(self, since: int, until: int) -> list[Change]:
        found = []
        before = self.offset(since - _SECOND)
        for day in range(since, until, _DAY):
            after = self.offset(day + _DAY - _SECOND)
            if after != before:
                found.append(Change(self._moment(day - _SECOND, day + _DAY - _SECOND), before, after))
                before = after
        return found

    def _moment(self, low: int, high: int) -> int:
        before = self.offset(low)
        while high - low > _SECOND:
            middle = (low + high) // (2 * _SECOND) * _SECOND
            if self.offset(middle) == before:
                low = middle
            else:
                high = middle
        return high
