"""Who of a lane may start: pure decisions, the same in every store. Instants are UTC in ms since 1970.

A store loads the state of a lane, asks `decide`, and writes down what it says, in one transaction.
"""

import msgspec

from openrun.store.base import StoreError
from openrun.store.rows import Birth, Message, Slice
from openrun.store.tickets import AtLimit, LaneRules

PRIORITY_MS = 3_000
"""By how much a point of priority lets a run pass for older than it is."""
QUEUED = "queued"
"""A hold that begins so belongs to a run that is not admitted yet."""
_MESSAGE_KEY = "flow_control"


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a lane's queue; the queue's order is that of (turn, run_id)."""

    run_id: str
    turn: int
    queued_at: int


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """A lane as it stands; what its rules do not ask for need not be told."""

    flow_id: str
    key: str
    rules: LaneRules
    running: int = 0
    """Admitted and not over; only with `rules.limit`."""
    told: int = 0
    """How many of these were asked to make room."""
    oldest: tuple[str, ...] = ()
    """The others, oldest admission first; only with `at_limit=CANCEL_RUNNING`."""
    pool_running: int = 0
    """Admitted and not over in the whole pool; only with `rules.total`."""
    started: int = 0
    """Admissions later than `period_ms` ago; only with `rules.rate`."""
    first_start: int | None = None
    """The first of these."""
    waiting: tuple[Waiting, ...] = ()
    """The queue, in order: its beginning, at least two where there are two (else the newest might hide the others)."""
    more: bool = False
    """Whether it goes on after that."""
    newest: Waiting | None = None
    """Who joined it last, by (queued_at, run_id)."""
    burst_at: int | None = None
    """When the first joined of those that `quiet_ms` makes one."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done in a lane."""

    admit: tuple[str, ...] = ()
    cancel: tuple[tuple[str, str], ...] = ()
    """Runs of the queue that are turned away, each with the reason."""
    make_room: tuple[tuple[str, str], ...] = ()
    """Running ones that are asked to end, each with the reason."""
    ready_at: int | None = None
    """When to look again; None is not before something happens in the lane."""
    blocked: bool = False
    """Only the pool's total holds it back: it is to be looked at when there is room in the pool."""
    burst_at: int | None = None


def decide(state: LaneState, now: int, most: int) -> Admission:
    """What is to be done now; `most` bounds how many are admitted at once (then `ready_at` is now)."""
    if not state.waiting:
        return Admission()
    if state.rules.quiet_ms:
        return _debounced(state, now, most)
    return _within_limits(state, now, most)


def check_ticket(part: Slice) -> None:
    """A run with a ticket is born in the queue: nobody holds it. Raises `StoreError`."""
    if part.birth is None or part.birth.ticket is None:
        return
    if part.worker is not None or part.release is not None:
        raise StoreError(
            f"run {part.run_id!r} has a ticket and is held or given back: it is to be born held by nobody"
        )


def hold_of(birth: Birth) -> str | None:
    """Why a new run is due at no time; None for one without a ticket."""
    if birth.ticket is None:
        return None
    lane = f" lane {birth.ticket.key!r}" if birth.ticket.key else ""
    return f"{QUEUED}: flow_control{lane} of flow {birth.flow_id!r}"


def cancel_message(run_id: str, reason: str, key: str = _MESSAGE_KEY) -> Message:
    """What ends a run that is turned away or has to make room."""
    body = {"reason": reason, "hard": False, "compensate": False}
    return Message(run_id=run_id, kind="cancel", key=key, body=body)


def shares(rooms: int, lanes: int) -> int:
    """How many each of so many lanes of a pool may admit at once."""
    return max(1, rooms // max(1, lanes))


def _debounced(state: LaneState, now: int, most: int) -> Admission:
    """The newest stands for all before it, and starts once its lane is quiet."""
    newest = state.newest or max(state.waiting, key=_age)
    older = _turned_away(state, "superseded by a newer one", keep=newest)
    burst_at = newest.queued_at if state.burst_at is None else state.burst_at
    if state.more:
        # Those that are not seen yet are turned away before anything starts: else they would be a burst of their own.
        return Admission(cancel=older, ready_at=now, burst_at=burst_at)
    ready_at = newest.queued_at + state.rules.quiet_ms
    if state.rules.quiet_max_ms is not None:
        ready_at = min(ready_at, burst_at + state.rules.quiet_max_ms)
    if now < ready_at:
        return Admission(cancel=older, ready_at=ready_at, burst_at=burst_at)
    alone = msgspec.structs.replace(state, waiting=(newest,), newest=newest)
    its = _within_limits(alone, now, most)
    over = bool(its.admit or its.cancel)
    return msgspec.structs.replace(its, cancel=older + its.cancel, burst_at=None if over else burst_at)


def _within_limits(state: LaneState, now: int, most: int) -> Admission:
    rate, room = _rate_room(state), _room(state)
    count = min(rate, room, most, len(state.waiting))
    admit = tuple(each.run_id for each in state.waiting[:count])
    left = msgspec.structs.replace(
        state,
        waiting=state.waiting[count:],
        newest=None if state.newest in state.waiting[:count] else state.newest,
        running=state.running + count,
        pool_running=state.pool_running + count,
        started=state.started + count,
        first_start=now if count and state.first_start is None else state.first_start,
    )
    return msgspec.structs.replace(_of_the_others(left, now), admit=admit)


def _of_the_others(state: LaneState, now: int) -> Admission:
    """What becomes of those that are not admitted, given all that are."""
    rules = state.rules
    if not state.waiting:
        return Admission(ready_at=now if state.more else None)
    if _rate_room(state) <= 0:
        return _over_the_rate(state, now)
    if _room(state) > 0:
        return Admission(ready_at=now)
    match rules.at_limit:
        case AtLimit.CANCEL_NEW:
            return _cancelled(state, now, _limit_reached(state))
        case AtLimit.KEEP_NEWEST:
            return _kept(state, now)
        case AtLimit.CANCEL_RUNNING:
            return _preempting(state, now)
        case _:
            return Admission(blocked=_is_blocked(state))


def _over_the_rate(state: LaneState, now: int) -> Admission:
    rules = state.rules
    if rules.cancel_over_rate:
        reason = f"the rate of {_runs(rules.rate)} in {rules.period_ms / 1000:g} s{_place(state)} is reached"
        return _cancelled(state, now, reason)
    assert state.first_start is not None
    ready_at = state.first_start + rules.period_ms
    if rules.at_limit in (AtLimit.KEEP_NEWEST, AtLimit.CANCEL_RUNNING):
        return msgspec.structs.replace(
            _kept(state, now), ready_at=now if state.more else ready_at, blocked=False
        )
    return Admission(ready_at=ready_at)


def _cancelled(state: LaneState, now: int, reason: str) -> Admission:
    return Admission(cancel=_turned_away(state, reason), ready_at=now if state.more else None)


def _kept(state: LaneState, now: int) -> Admission:
    """The newest waits, the others are turned away."""
    newest = _newest(state)
    return Admission(
        cancel=_turned_away(state, "superseded by a newer one", keep=newest),
        ready_at=now if state.more else None,
        blocked=_is_blocked(state),
    )


def _preempting(state: LaneState, now: int) -> Admission:
    """The newest waits for the end of the oldest that run."""
    rules = state.rules
    lacking = 0 if rules.limit is None else state.running + 1 - rules.limit
    if rules.total is not None and state.pool_running >= rules.total:
        lacking = max(lacking, 1)
    reason = f"a newer run takes its place{_place(state)}"
    asked = state.oldest[: max(0, lacking - state.told)]
    return msgspec.structs.replace(_kept(state, now), make_room=tuple((each, reason) for each in asked))


def _turned_away(state: LaneState, reason: str, keep: Waiting | None = None) -> tuple[tuple[str, str], ...]:
    kept = None if keep is None else keep.run_id
    return tuple((each.run_id, reason) for each in state.waiting if each.run_id != kept)


def _newest(state: LaneState) -> Waiting:
    """Of those that still wait; it may stand where the queue is not told."""
    return state.newest if state.newest is not None else max(state.waiting, key=_age)


def _age(waiting: Waiting) -> tuple[int, str]:
    return (waiting.queued_at, waiting.run_id)


def _is_blocked(state: LaneState) -> bool:
    return _lane_room(state) > 0


def _room(state: LaneState) -> int:
    total = state.rules.total
    in_pool = _BOUNDLESS if total is None else total - state.pool_running
    return max(0, min(in_pool, _lane_room(state)))


def _lane_room(state: LaneState) -> int:
    limit = state.rules.limit
    return _BOUNDLESS if limit is None else limit - state.running


def _rate_room(state: LaneState) -> int:
    rate = state.rules.rate
    return _BOUNDLESS if rate is None else max(0, rate - state.started)


_BOUNDLESS = 1 << 31


def _limit_reached(state: LaneState) -> str:
    rules = state.rules
    if _is_blocked(state):
        return f"the limit of {_runs(rules.total)} in all of flow {state.flow_id!r} is reached"
    return f"the limit of {_runs(rules.limit)}{_place(state)} is reached"


def _place(state: LaneState) -> str:
    key = f" for key {state.key!r}" if state.key else ""
    return f"{key} of flow {state.flow_id!r}"


def _runs(number: int | None) -> str:
    return "1 run" if number == 1 else f"{number} runs"
