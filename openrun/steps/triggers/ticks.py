"""When a schedule is due: instants in ms since 1970 UTC, computed and compared in UTC alone.

An `interval` is due at its multiples since 1970: it knows no zone, does not drift, and has no beginning.

A cron expression is about wall time, which a zone may skip or repeat. The rule is that of Debian's cron. An expression
is *interval-like* when an item of its minute or of its hour begins with `*` or `?` (`*/15 * * * *`, `0 * * * *`,
`*/5 2 * * *`, `@hourly`), else it is for *fixed times* (`30 2 * * *`, `0,30 9-17 * * mon-fri`, `@daily`).

| expression      | wall time is skipped (gap)                         | wall time occurs twice (fold)        |
|-----------------|----------------------------------------------------|--------------------------------------|
| fixed times     | once, at the first instant after the gap; several  | once, the first time                 |
|                 | of one gap, and one due right then, are one tick   |                                      |
| interval-like   | not at all                                         | both times: every n real minutes     |

So a fixed time is due once on each day that it names, and what repeats within hours is due in each minute whose wall
time fits. croniter finds wall times that fit; it never hears of the zone.
"""

import hashlib
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Protocol

from croniter import croniter

from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.cron import YEARS_AHEAD, for_croniter
from openrun.steps.triggers.zone import Change, Zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY = 86_400_000
_FAR = (YEARS_AHEAD * 366 + 1) * _DAY


class Timing(Protocol):
    """What a schedule's config says about when it fires."""

    @property
    def cron(self) -> str | None: ...

    @property
    def timezone(self) -> str: ...

    @property
    def interval(self) -> float | str | None: ...


class _Course(Protocol):
    def next(self, after: int) -> int | None: ...

    def note(self, at: int) -> str | None: ...


def interval_like(cron: str) -> bool:
    """Whether an expression repeats within hours, rather than naming times of the day."""
    if cron.startswith("@"):
        return cron == "@hourly"
    minute, hour = cron.split(" ")[:2]
    return any(item.startswith(("*", "?")) for item in f"{minute},{hour}".split(","))


def in_ms(instant: datetime) -> int:
    """An aware instant in ms, without rounding up."""
    return (instant - _EPOCH) // _MS


def delay(jitter: float | str | None, place: tuple[str, str, str], tick: int) -> int:
    """A tick's part of the jitter, in ms: the same wherever and whenever it is asked for.

    `place` is the namespace, the flow and the trigger.
    """
    if jitter is None:
        return 0
    named = "\0".join((*place, str(tick)))
    part = int.from_bytes(hashlib.sha256(named.encode()).digest()[:8]) / 2**64
    return int(part * seconds_in(jitter) * 1_000)


@dataclass(frozen=True, slots=True)
class Ticks:
    """The instants at which a schedule is due."""

    zone: Zone
    course: _Course

    @classmethod
    def of(cls, timing: Timing) -> "Ticks":
        """Of a trigger's config."""
        zone = Zone.of(timing.timezone)
        if timing.cron is not None:
            return cls(zone, _cron(timing.cron, zone))
        assert timing.interval is not None
        return cls(zone, _Interval(round(seconds_in(timing.interval) * 1_000)))

    def next(self, after: int) -> int | None:
        """The first that is later than this; None when there is none within five years."""
        return self.course.next(after)

    def after(self, instant: datetime, count: int) -> list[datetime]:
        """The next `count` (or fewer), as wall times of the zone with their offset."""
        return [self.zone.local(each) for each in islice(self._later(in_ms(instant)), count)]

    def between(self, after: int, until: int, most: int) -> list[int]:
        """Those later than `after`, up to `until` and then included: the first `most` of them."""
        found: list[int] = []
        for each in self._later(after):
            if each > until or len(found) == most:
                break
            found.append(each)
        return found

    def note(self, at: int) -> str | None:
        """What a change of the zone has done to the tick at this instant, in words."""
        return self.course.note(at)

    def _later(self, after: int) -> Iterator[int]:
        at = self.next(after)
        while at is not None:
            yield at
            at = self.next(at)


class _Interval:
    """Multiples of a time since 1970."""

    __slots__ = ("_step",)

    def __init__(self, step: int) -> None:
        self._step = step

    def next(self, after: int) -> int:
        return (after // self._step + 1) * self._step

    def note(self, at: int) -> None:
        """Zones have no part in it."""


class _Cron:
    """A cron expression in a zone; remembers the last stretch without a tick that it has found."""

    def __init__(self, expression: str, zone: Zone) -> None:
        self._zone = zone
        self._walls = croniter(for_croniter(expression), 0.0, max_years_between_matches=YEARS_AHEAD)
        self._repeats = interval_like(expression)
        self._clear: tuple[int, int] = (0, 0)

    def next(self, after: int) -> int | None:
        since, at = self._clear
        if since <= after < at:
            return at
        found = self._next_of_all(after) if self._repeats else self._next_fixed(after)
        if found is not None:
            self._clear = (after, found)
        return found

    def _next_fixed(self, after: int) -> int | None:
        wall: int | None = after + self._zone.offset(after)
        for change in self._zone.changes(after - _DAY, after):
            # In its second pass, a fold has nothing that was not due in its first.
            wall = max(after + change.after, change.at + change.before - 1)
        while wall is not None:
            wall = self._next_wall(wall)
            if wall is not None and (at := self._zone.instant(wall)) > after:
                return at
        return None

    def _next_of_all(self, after: int) -> int | None:
        known, searched, offset = after, after, self._zone.offset(after)
        while (wall := self._next_wall(searched + offset)) is not None:
            at = wall - offset
            changes = self._zone.changes(known, at)
            if not changes:
                return at
            # What fits may fall into the gap of every year.
            if at > after + _FAR:
                return None
            known, searched, offset = changes[0].at, changes[0].at - 1, changes[0].after
        return None

    def _next_wall(self, wall: int) -> int | None:
        # A copy, for croniter keeps its place in itself.
        try:
            seconds: float = copy(self._walls).get_next(float, start_time=wall / 1_000)
        except ValueError:
            return None
        return round(seconds * 1_000)

    def note(self, at: int) -> str | None:
        for change in self._zone.changes(at - _DAY, at + _DAY):
            said = self._gap_note(change, at) if change.is_gap else self._fold_note(change, at)
            if said is not None:
                return said
        return None

    def _gap_note(self, change: Change, at: int) -> str | None:
        if at != change.at or self._repeats:
            return None
        skipped = self._next_wall(change.at + change.before - 1)
        if skipped is None or skipped >= change.at + change.after:
            return None
        return f"moved: {_clock(skipped)} does not exist on that day"

    def _fold_note(self, change: Change, at: int) -> str | None:
        if abs(at - change.at) > change.before - change.after:
            return None
        which = "first" if at < change.at else "second"
        wall = at + (change.before if at < change.at else change.after)
        twice = change.at + change.after <= wall < change.at + change.before
        return f"{which} of two {_clock(wall)}" if twice else None


@lru_cache(maxsize=4_096)
def _cron(expression: str, zone: Zone) -> _Cron:
    return _Cron(expression, zone)


def _clock(wall: int) -> str:
    return f"{_EPOCH + timedelta(milliseconds=wall):%H:%M}"
