"""Who of a lane may start: no limit is exceeded, nobody waits for ever, and whoever is turned away is told why."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openrun.store.admission import (
    PRIORITY_MS,
    Admission,
    LaneState,
    Waiting,
    cancel_message,
    check_ticket,
    decide,
    hold_of,
    shares,
)
from openrun.store.base import StoreError
from openrun.store.rows import Birth, Release
from openrun.store.tickets import AtLimit, LaneRules, Ticket
from tests.store.given import NOW, Told

MOST = 10


def queue(*names: str, at: int = NOW) -> tuple[Waiting, ...]:
    """Runs that joined one after another, a millisecond apart."""
    return tuple(
        Waiting(run_id=name, turn=at + number, queued_at=at + number) for number, name in enumerate(names)
    )


def lane(*names: str, rules: dict[str, Any], **more: Any) -> LaneState:
    waiting = queue(*names)
    newest = waiting[-1] if waiting else None
    given_ = {"waiting": waiting, "newest": newest, **more}
    return LaneState(flow_id="import", key="acme", rules=LaneRules(**rules), **given_)


def turned_away(its: Admission) -> list[str]:
    return [run_id for run_id, _ in its.cancel]


def test_an_empty_lane_asks_for_nothing() -> None:
    assert decide(lane(rules={"limit": 1}), NOW, MOST) == Admission()


def test_a_lane_without_bounds_admits_all_in_order() -> None:
    assert decide(lane("a", "b", rules={}), NOW, MOST) == Admission(admit=("a", "b"))


def test_who_is_over_the_limit_waits_for_an_end() -> None:
    its = decide(lane("a", "b", "c", rules={"limit": 3}, running=1), NOW, MOST)
    assert its == Admission(admit=("a", "b"))


def test_who_is_over_the_total_waits_for_room_in_the_pool() -> None:
    full = lane("a", rules={"limit": 3, "total": 5}, running=1, pool_running=5)
    assert decide(full, NOW, MOST) == Admission(blocked=True)
    assert decide(replace(full, pool_running=4), NOW, MOST) == Admission(admit=("a",))
    # Its own end is what it waits for, whatever the pool holds.
    assert decide(replace(full, running=3), NOW, MOST) == Admission()


def test_a_lane_whose_limit_was_lowered_admits_nobody_until_it_is_below() -> None:
    assert decide(lane("a", rules={"limit": 1}, running=4), NOW, MOST) == Admission()


def test_no_more_are_admitted_at_once_than_asked_for() -> None:
    assert decide(lane("a", "b", "c", rules={}), NOW, 2) == Admission(admit=("a", "b"), ready_at=NOW)
    assert decide(lane("a", rules={}, more=True), NOW, MOST) == Admission(admit=("a",), ready_at=NOW)


def test_new_ones_are_cancelled_at_the_limit_and_told_so() -> None:
    its = decide(lane("a", "b", rules={"limit": 1, "at_limit": AtLimit.CANCEL_NEW}), NOW, MOST)
    assert its.admit == ("a",)
    assert its.cancel == (("b", "the limit of 1 run for key 'acme' of flow 'import' is reached"),)
    assert its.ready_at is None
    rules = {"total": 7, "at_limit": AtLimit.CANCEL_NEW}
    its = decide(lane("a", rules=rules, pool_running=7, more=True), NOW, MOST)
    assert its.cancel == (("a", "the limit of 7 runs in all of flow 'import' is reached"),)
    assert its.ready_at == NOW


def test_the_oldest_running_one_makes_room_for_the_newest() -> None:
    rules = {"limit": 2, "at_limit": AtLimit.CANCEL_RUNNING}
    its = decide(lane("a", "b", rules=rules, running=2, oldest=("r1", "r2")), NOW, MOST)
    assert its.admit == ()
    assert turned_away(its) == ["a"]
    assert its.make_room == (("r1", "a newer run takes its place for key 'acme' of flow 'import'"),)


def test_a_running_one_is_asked_to_make_room_once() -> None:
    rules = {"limit": 1, "at_limit": AtLimit.CANCEL_RUNNING}
    its = decide(lane("b", "c", rules=rules, running=1, told=1), NOW, MOST)
    assert (turned_away(its), its.make_room, its.ready_at) == (["b"], (), None)


def test_as_many_are_asked_to_make_room_as_a_lowered_limit_needs() -> None:
    rules = {"limit": 1, "at_limit": AtLimit.CANCEL_RUNNING}
    its = decide(lane("a", rules=rules, running=3, told=1, oldest=("r2", "r3")), NOW, MOST)
    assert [run_id for run_id, _ in its.make_room] == ["r2", "r3"]


def test_a_full_pool_makes_room_where_the_newest_waits() -> None:
    rules = {"total": 2, "at_limit": AtLimit.CANCEL_RUNNING}
    its = decide(lane("a", rules=rules, running=1, oldest=("r1",), pool_running=2), NOW, MOST)
    assert [run_id for run_id, _ in its.make_room] == ["r1"]
    assert its.blocked


def test_only_the_newest_waits_where_that_is_asked() -> None:
    rules = {"limit": 1, "at_limit": AtLimit.KEEP_NEWEST}
    its = decide(lane("a", "b", "c", rules=rules), NOW, MOST)
    assert its == Admission(
        admit=("a",), cancel=(("b", "superseded by a newer one"),), ready_at=None, blocked=False
    )
    beyond = Waiting(run_id="z", turn=NOW + 99, queued_at=NOW + 99)
    its = decide(lane("a", "b", rules=rules, running=1, newest=beyond, more=True), NOW, MOST)
    assert (turned_away(its), its.ready_at) == (["a", "b"], NOW)


def test_a_rate_counts_every_window() -> None:
    rules = {"rate": 2, "period_ms": 1_000}
    its = decide(lane("a", "b", "c", rules=rules), NOW, MOST)
    assert its == Admission(admit=("a", "b"), ready_at=NOW + 1_000)
    its = decide(lane("c", "d", rules=rules, started=1, first_start=NOW - 400), NOW, MOST)
    assert its == Admission(admit=("c",), ready_at=NOW + 600)


def test_who_is_over_the_rate_is_cancelled_where_that_is_asked() -> None:
    rules = {"rate": 1, "period_ms": 60_000, "cancel_over_rate": True}
    its = decide(lane("a", "b", rules=rules), NOW, MOST)
    assert its.admit == ("a",)
    assert its.cancel == (("b", "the rate of 1 run in 60 s for key 'acme' of flow 'import' is reached"),)


def test_nobody_makes_room_for_one_that_the_rate_holds_back() -> None:
    rules = {"limit": 1, "at_limit": AtLimit.CANCEL_RUNNING, "rate": 1, "period_ms": 1_000}
    state = lane("a", "b", rules=rules, running=1, oldest=("r1",), started=1, first_start=NOW - 1)
    its = decide(state, NOW, MOST)
    assert (turned_away(its), its.make_room, its.ready_at) == (["a"], (), NOW + 999)


def test_a_burst_is_one_run_once_it_is_quiet() -> None:
    state = lane("a", "b", rules={"quiet_ms": 500}, burst_at=NOW)
    its = decide(state, NOW + 1, MOST)
    assert (turned_away(its), its.admit, its.ready_at, its.burst_at) == (["a"], (), NOW + 501, NOW)
    its = decide(lane("b", rules={"quiet_ms": 500}, burst_at=NOW), NOW + 500, MOST)
    assert its == Admission(admit=("b",), burst_at=None)


def test_a_burst_that_never_ends_starts_at_its_bound() -> None:
    rules = {"quiet_ms": 500, "quiet_max_ms": 2_000}
    state = lane("a", rules=rules, burst_at=NOW - 1_900)
    assert decide(state, NOW, MOST).ready_at == NOW + 100
    assert decide(state, NOW + 100, MOST).admit == ("a",)


def test_all_of_a_burst_are_turned_away_before_the_newest_starts() -> None:
    newest = Waiting(run_id="z", turn=NOW, queued_at=NOW)
    state = lane("a", "b", rules={"quiet_ms": 1}, newest=newest, more=True, burst_at=NOW)
    its = decide(state, NOW + 9, MOST)
    assert (its.admit, turned_away(its), its.ready_at) == ((), ["a", "b"], NOW + 9)


def test_the_newest_of_a_burst_waits_for_room() -> None:
    state = lane("a", rules={"quiet_ms": 1, "limit": 1}, running=1, burst_at=NOW)
    assert decide(state, NOW + 9, MOST) == Admission(burst_at=NOW)


def test_a_ticket_is_for_runs_that_nobody_holds() -> None:
    ticket = Ticket(lane="l", pool="p", key="acme", rules=LaneRules())
    check_ticket(Told("r1", worker=None, fence=0).begins(ticket=ticket))
    check_ticket(Told("r1").begins())
    with pytest.raises(StoreError, match=r"'r1'.*ticket"):
        check_ticket(Told("r1").begins(ticket=ticket))
    with pytest.raises(StoreError, match=r"'r1'.*ticket"):
        check_ticket(Told("r1", worker=None, fence=0).begins(ticket=ticket, release=Release(due_at=None)))


def test_a_queued_run_says_what_it_waits_for() -> None:
    birth = Birth(flow_id="import", version="v1", created_at=NOW)
    ticket = Ticket(lane="l", pool="p", key="acme", rules=LaneRules())
    assert hold_of(birth) is None
    assert hold_of(replace(birth, ticket=ticket)) == "queued: flow_control lane 'acme' of flow 'import'"
    assert hold_of(replace(birth, ticket=replace(ticket, key=""))) == "queued: flow_control of flow 'import'"


def test_whoever_has_to_go_is_cancelled_with_the_reason() -> None:
    its = cancel_message("r1", "too many")
    assert (its.run_id, its.kind) == ("r1", "cancel")
    assert its.body == {"reason": "too many", "hard": False, "compensate": False}


def test_a_share_is_at_least_one() -> None:
    assert [shares(10, 3), shares(2, 5), shares(0, 0)] == [3, 1, 1]


# -- any rules, any order of events ---------------------------------------------------------------

RULES = st.builds(
    LaneRules,
    limit=st.none() | st.integers(1, 3),
    total=st.none() | st.integers(1, 4),
    at_limit=st.sampled_from(AtLimit),
    rate=st.none() | st.integers(1, 3),
    period_ms=st.integers(1, 50),
    cancel_over_rate=st.booleans(),
    quiet_ms=st.sampled_from([0, 0, 20]),
    quiet_max_ms=st.none() | st.just(40),
)


class Model:
    """One lane, kept as simply as can be; runs end when they are told to, and when `end` is called."""

    def __init__(self, rules: LaneRules) -> None:
        self.rules = rules
        self.now = NOW
        self.waiting: list[Waiting] = []
        self.running: dict[str, bool] = {}
        self.starts: list[int] = []
        self.cancelled: dict[str, str] = {}
        self.admitted: list[str] = []
        self.burst_at: int | None = None
        self.ready_at: int | None = None
        self.born = 0

    def join(self, priority: int) -> None:
        turn = self.now - PRIORITY_MS * priority
        self.waiting.append(Waiting(run_id=f"r{self.born:04}", turn=turn, queued_at=self.now))
        self.born += 1
        self.burst_at = self.now if self.burst_at is None else self.burst_at
        self.ready_at = self.now

    def end(self) -> None:
        if self.running:
            del self.running[next(iter(self.running))]
            self.ready_at = self.now

    def look(self, most: int) -> None:
        while self.ready_at is not None and self.ready_at <= self.now:
            self.apply(decide(self.state(most), self.now, most))

    def state(self, most: int) -> LaneState:
        recent = [at for at in self.starts if at > self.now - self.rules.period_ms]
        ordered = sorted(self.waiting, key=lambda its: (its.turn, its.run_id))
        return LaneState(
            flow_id="f",
            key="k",
            rules=self.rules,
            running=len(self.running),
            told=sum(self.running.values()),
            oldest=tuple(run_id for run_id, told in self.running.items() if not told),
            pool_running=len(self.running),
            started=len(recent),
            first_start=min(recent, default=None),
            waiting=tuple(ordered[: most + 1]),
            more=len(ordered) > most + 1,
            newest=max(self.waiting, key=lambda its: (its.queued_at, its.run_id), default=None),
            burst_at=self.burst_at,
        )

    def apply(self, its: Admission) -> None:
        queued = {each.run_id for each in self.waiting}
        gone = [*its.admit, *(run_id for run_id, _ in its.cancel)]
        assert len(set(gone)) == len(gone)
        assert set(gone) <= queued
        self.waiting = [each for each in self.waiting if each.run_id not in gone]
        for run_id in its.admit:
            self.running[run_id] = False
            self.starts.append(self.now)
            self.admitted.append(run_id)
        self.cancelled |= dict(its.cancel)
        for run_id, _ in its.make_room:
            assert self.running[run_id] is False
            self.running[run_id] = True
        self.burst_at, self.ready_at = its.burst_at, its.ready_at
        self.check()

    def check(self) -> None:
        rules = self.rules
        for bound in (rules.limit, rules.total):
            assert bound is None or len(self.running) <= bound
        if rules.rate is not None:
            for first, last in zip(self.starts, self.starts[rules.rate :], strict=False):
                assert last - first >= rules.period_ms
        stuck = self.waiting and self.ready_at is None
        assert not stuck or self.running, "somebody waits, and nothing will ever happen"


@settings(max_examples=300, deadline=None)
@given(
    RULES,
    st.lists(
        st.tuples(st.integers(0, 15), st.sampled_from(["join", "join", "end"]), st.integers(0, 2)),
        max_size=40,
    ),
    st.integers(1, 4),
)
def test_no_limit_is_exceeded_and_everybody_starts_or_is_told_why(
    rules: LaneRules, events: list[tuple[int, str, int]], most: int
) -> None:
    model = Model(rules)
    for after, what, priority in events:
        model.now += after
        if what == "join":
            model.join(priority)
        else:
            model.end()
        model.look(most)
    for _ in range(200):
        if not model.waiting and not model.running:
            break
        model.now = max(model.now, model.ready_at) if model.ready_at is not None else model.now
        model.look(most)
        model.end()
        model.look(most)
    assert not model.waiting
    assert len(model.admitted) + len(model.cancelled) == model.born
    keeps_all = rules.at_limit is AtLimit.QUEUE and not rules.quiet_ms and not rules.cancel_over_rate
    assert not keeps_all or not model.cancelled


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 3)), min_size=1, max_size=30), st.integers(1, 4)
)
def test_the_queue_is_left_in_the_order_of_turns(joined: list[tuple[int, int]], most: int) -> None:
    model = Model(LaneRules(limit=1))
    for after, priority in joined:
        model.now += after
        model.join(priority)
    turns = {each.run_id: (each.turn, each.run_id) for each in model.waiting}
    while model.waiting:
        model.look(most)
        model.end()
    assert [turns[run_id] for run_id in model.admitted] == sorted(turns.values())
