"""What becomes of a schedule's ticks: pure, from its row and the time to what is to be written.

Ticks are decided in order, each once, none before its time. A tick's time is its instant and its part of the jitter,
and never before that of the tick before it. Then, in this order:

1. A schedule that is paused, or whose flow is disabled, lets its ticks go by.
2. A tick that is decided more than a minute after its time is late. Late by more than the catch-up window it is
   missed, and so it is with `catch_up: none`. With `last`, it gives way to a later one that is due too.
3. What is left fires, unless the run before is still going on and `overlap` says otherwise. What has waited for that run
   for longer than the catch-up window is missed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from openrun.core.types import FINAL
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.ticks import Ticks, delay
from openrun.store.timetable import ScheduleRow, TickOutcome

ON_TIME_MS = 60_000
"""A tick that is decided within this time is not late."""
AGAIN_MS = 500
"""How soon a schedule with a queued tick is looked at again."""
KEPT_MS = 30 * 86_400_000
"""Ticks older than this are forgotten; nothing is written of those that come to light only then."""

_REASONS = {
    TickOutcome.SKIPPED: "the run before was still going on",
    TickOutcome.QUEUED: "it waits for the run before",
    TickOutcome.COALESCED: "a later tick stands for it",
}
_WAITED = "it waited for the run before for longer than the catch-up window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What becomes of one tick."""

    tick: int
    outcome: TickOutcome
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a schedule: ticks in order, and when to look at it next (None: never)."""

    ticks: tuple[Decided, ...] = ()
    cursor: int
    due_at: int | None
    cancel: str | None = None
    """The run that is to make room."""

    @property
    def fires(self) -> tuple[int, ...]:
        """The ticks that start a run each."""
        return tuple(each.tick for each in self.ticks if each.outcome is TickOutcome.FIRED)


def decide(
    row: ScheduleRow, config: TriggerScheduleConfig, ticks: Ticks, now: int, most: int = 1_000
) -> Decision:
    """What is to be done about a schedule at this instant, about at most `most` of its ticks."""
    cursor = max(row.cursor, now - KEPT_MS)
    due, following = _due(row, config, ticks, (cursor, now, most))
    more = following is not None and following <= now
    if row.paused_at is not None or not row.enabled:
        why = "the schedule was paused" if row.enabled else "its flow was disabled"
        decided = [Decided(tick=each.tick, outcome=TickOutcome.PAUSED, reason=why) for each in due]
        cancel, again = None, None
    else:
        late, firing = _caught_up(due, config, more=more)
        overlapping = _Overlap(row, config, now)
        overlapping.take(firing)
        decided = sorted([*late, *overlapping.decided], key=lambda each: each.tick)
        cancel, again = overlapping.cancel, overlapping.again if overlapping.waits else None
    soon = [at for at in (following, None if again is None else now + again) if at is not None]
    return Decision(
        ticks=tuple(decided),
        cursor=due[-1].tick if due else cursor,
        # What is left of a backlog goes behind all that is due: else many backlogs would keep out the others.
        due_at=max(now, min(soon)) if soon else None,
        cancel=cancel,
    )


@dataclass(frozen=True, slots=True)
class _Due:
    tick: int
    late: int
    """By how many ms."""


def _due(
    row: ScheduleRow, config: TriggerScheduleConfig, ticks: Ticks, span: tuple[int, int, int]
) -> tuple[list[_Due], int | None]:
    """The ticks whose time has come, and when that of the next one comes."""
    cursor, now, most = span
    place = (row.namespace, row.flow_id, row.trigger)
    found: list[_Due] = []
    time = 0
    for tick in ticks.between(cursor, now, most + 1):
        time = max(time, tick + delay(config.jitter, place, tick))
        if time > now or len(found) == most:
            return found, time
        found.append(_Due(tick, now - time))
    # What comes next waits for those before it too.
    after = ticks.next(found[-1].tick if found else cursor)
    return found, None if after is None else max(time, after + delay(config.jitter, place, after))


def _window(config: TriggerScheduleConfig) -> int:
    return int(seconds_in(config.catch_up_window) * 1_000)


def _caught_up(
    due: Sequence[_Due], config: TriggerScheduleConfig, *, more: bool
) -> tuple[list[Decided], list[int]]:
    """Those that are not to fire, late as they are, and those that are; `more` says that later ones are due too."""
    window = _window(config)
    if config.catch_up == "none":
        window = min(window, ON_TIME_MS)
    decided: list[Decided] = []
    firing: list[int] = []
    last = None if more else due[-1].tick if due else None
    for each in due:
        if each.late > window:
            why = f"it came to light {each.late / 1_000:.0f} s late"
            decided.append(Decided(tick=each.tick, outcome=TickOutcome.MISSED, reason=why))
        elif config.catch_up == "last" and each.late > ON_TIME_MS and each.tick != last:
            decided.append(_decided(each.tick, TickOutcome.COALESCED))
        else:
            firing.append(each.tick)
    return decided, firing


class _Overlap:
    """Lets ticks fire, or not, as the run before allows."""

    def __init__(self, row: ScheduleRow, config: TriggerScheduleConfig, now: int) -> None:
        self._row = row
        self._policy = config.overlap
        self._oldest = now - _window(config)
        self._queued = row.first_queued
        self._free = row.last_run_id is None or row.last_status is None or row.last_status in FINAL
        self.decided: list[Decided] = []
        self.cancel: str | None = None
        self.waits = False
        self.again = AGAIN_MS
        """After how many ms to look again at those that wait."""

    def take(self, firing: Sequence[int]) -> None:
        """Say what becomes of what is queued, and of these."""
        match self._policy:
            case "allow":
                self._fire_all([*self._waiting(), *firing])
            case "skip":
                self._one_at_a_time([*self._waiting(), *firing], TickOutcome.SKIPPED)
            case "queue":
                self._one_at_a_time([*self._waiting(), *firing], TickOutcome.QUEUED)
            case "cancel_running":
                self._latest([*self._waiting(), *firing])
            case _:
                assert_never(self._policy)

    def _waiting(self) -> Iterable[int]:
        if self._queued is None:
            return ()
        # Others may be queued behind it, that the row does not tell of.
        self.waits = True
        if self._queued < self._oldest:
            self.decided.append(Decided(tick=self._queued, outcome=TickOutcome.MISSED, reason=_WAITED))
            self.again = 0
            # With `queue` it is the turn of those behind it, at the next look, and of no later tick before them.
            self._free = self._free and self._policy != "queue"
            return ()
        return (self._queued,)

    def _fire_all(self, ticks: Iterable[int]) -> None:
        self.decided += [_decided(tick, TickOutcome.FIRED) for tick in ticks]

    def _one_at_a_time(self, ticks: Sequence[int], otherwise: TickOutcome) -> None:
        for tick in ticks:
            if self._free:
                self._free = False
                self._fire_all([tick])
            elif tick != self._queued:
                self.decided.append(_decided(tick, otherwise))
                self.waits = self.waits or otherwise is TickOutcome.QUEUED

    def _latest(self, ticks: Sequence[int]) -> None:
        if not ticks:
            return
        *older, latest = ticks
        self.decided += [_decided(tick, TickOutcome.COALESCED) for tick in older]
        if self._free:
            self._fire_all([latest])
        elif latest != self._queued:
            self.decided.append(_decided(latest, TickOutcome.QUEUED))
            self.waits, self.cancel = True, self._row.last_run_id


def _decided(tick: int, outcome: TickOutcome) -> Decided:
    return Decided(tick=tick, outcome=outcome, reason=_REASONS.get(outcome))
