"""The checks are checked: each of these faults, planted in the rules, is caught by the checks named beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from openrun.core import graph, joins, router, verdict
from openrun.core import listening as listening_module
from openrun.core import machine as machine_module
from openrun.core.asks import Answer, AskKind
from openrun.core.events import EffectRecorded, StepStarted
from openrun.core.frame import Activation, Fanout, Frame, Phase, Round
from openrun.core.graph import Link
from openrun.core.halts import Halts
from openrun.core.joins import FAILED, FIRED, SKIPPED, Tally, Verdict
from openrun.core.listening import Listening
from openrun.core.machine import Machine
from openrun.core.pen import Pen
from openrun.core.results import StepRunResult
from openrun.core.router import Router
from openrun.core.types import ERROR_PORT, JoinMode, RunStatus
from openrun.core.undo import Undo
from openrun.core.undoing import CompensationOutcome

from . import (
    test_abort as abort,
)
from . import (
    test_asks as asks,
)
from . import (
    test_cases as cases,
)
from . import (
    test_diamonds as diamonds,
)
from . import (
    test_effects as effects,
)
from . import (
    test_foreach as foreach,
)
from . import (
    test_loops as loops,
)
from . import (
    test_outcome as outcome,
)
from . import (
    test_stopping as stopping,
)
from . import (
    test_tokens as tokens,
)
from . import (
    test_undo as undo,
)
from .harness import wait
from .laws import ends_batch, loop_order_batch, oracle_batch, order_batch

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Fault:
    plant: Plant
    caught_by: tuple[Callable[[], object], ...]


FAULTS: dict[str, Fault] = {}


def caught_by(*checks: Callable[[], object]) -> Callable[[Plant], Plant]:
    def keep(plant: Plant) -> Plant:
        FAULTS[plant.__name__] = Fault(plant, checks)
        return plant

    return keep


def bound(check: Callable[..., object], *given: Any) -> Callable[[], object]:
    return lambda: check(*given)


def _nothing(*_: object, **__: object) -> None:
    """In place of what should be done."""


@caught_by(diamonds.check_all_diamonds, oracle_batch)
def a_caught_edge_counts_as_failed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(router, "CAUGHT", FAILED)


@caught_by(bound(diamonds.check_diamond, "ALL_SUCCESS", "handler_rejoins"), oracle_batch)
def a_caught_edge_is_never_taken_care_of(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tally, "uncaught", property(lambda tally: tally.has(joins.CAUGHT)))


@caught_by(bound(diamonds.check_diamond, "ALL_SUCCESS", "handler_elsewhere"), oracle_batch)
def a_caught_edge_is_always_taken_care_of(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tally, "uncaught", property(lambda _: False))


@caught_by(cases.test_9_a_skip_travels_through_skipped_steps_to_a_far_join, oracle_batch, ends_batch)
def dead_edges_do_not_travel_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Router, "kill", _nothing)


@caught_by(diamonds.test_the_error_port_of_a_step_that_did_not_run_says_only_that_it_was_skipped)
def the_error_port_of_a_step_that_did_not_run_dies_with_its_reason(patch: pytest.MonkeyPatch) -> None:
    def kill(self: Router, frame: Frame, step: int, state: int, mask: int) -> None:
        for link in frame.walk.graph.out[step]:
            self.follow(frame, link, state, mask)

    patch.setattr(Router, "kill", kill)


@caught_by(bound(diamonds.check_diamond, "ALL_DONE", "both_failed"), oracle_batch)
def all_done_ignores_failures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(joins, "_LOUD", 1 << FIRED | 1 << joins.CAUGHT)


@caught_by(bound(diamonds.check_diamond, "FIRST_SUCCESS", "both_failed"), oracle_batch)
def a_lost_race_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    decide = joins.decide

    def lenient(mode: JoinMode, tally: Tally, *, always: bool) -> Verdict:
        found = decide(mode, tally, always=always)
        return Verdict.PASS if found is Verdict.FAIL and mode is JoinMode.FIRST_SUCCESS else found

    patch.setattr(router, "decide", lenient)


@caught_by(bound(cases.test_18_a_race_is_won_while_the_loser_waits_for_a_timer, "a"))
def a_race_waits_for_all(patch: pytest.MonkeyPatch) -> None:
    decide = joins.decide

    def patient(mode: JoinMode, tally: Tally, *, always: bool) -> Verdict:
        return Verdict.WAIT if tally.pending else decide(mode, tally, always=always)

    patch.setattr(router, "decide", patient)


@caught_by(tokens.test_a_step_that_runs_again_takes_all_after_it_into_a_frame_of_its_own, ends_batch)
def a_repeated_step_gets_no_frame(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Router, "_token", lambda _self, frame, _step: frame)


@caught_by(
    bound(
        tokens.test_a_join_after_a_repeated_step_looks_outward_for_other_branches,
        "ALL_DONE",
        ("t", "x", "a", "b"),
    )
)
def a_join_in_a_token_frame_does_not_look_outward(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Router, "_look_out", _nothing)


@caught_by(
    bound(
        tokens.test_a_join_after_a_repeated_step_looks_outward_for_other_branches,
        "ALL_DONE",
        ("t", "x", "a", "b"),
    ),
    ends_batch,
)
def every_edge_counts_as_the_tokens_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(router, "is_own", lambda _frame, _link: True)


@caught_by(loops.test_an_exit_that_never_fired_dies_once_when_the_loop_is_quiet, ends_batch)
def exits_do_not_die_when_a_loop_is_quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Router, "_die_outward", _nothing)


@caught_by(loops.test_an_exit_fires_each_time_an_iteration_fires_it)
def an_exit_fires_once(patch: pytest.MonkeyPatch) -> None:
    leave = Router._leave

    def once(self: Router, frame: Frame, link: Link, state: int, mask: int) -> None:
        if frame.round is None or link.index not in frame.round.fired:
            leave(self, frame, link, state, mask)

    patch.setattr(Router, "_leave", once)


@caught_by(loops.test_a_loop_is_not_quiet_before_all_edges_into_it_have_settled)
def a_loop_is_quiet_while_an_edge_into_it_is_unsettled(patch: pytest.MonkeyPatch) -> None:
    lighten = Router._lighten

    def hasty(self: Router, around: Round) -> None:
        around.open_inputs = 0
        lighten(self, around)

    patch.setattr(Router, "_lighten", hasty)


@caught_by(loops.test_a_dead_exit_takes_the_reason_of_a_back_edge_that_died_worse)
def the_least_reason_of_a_dead_exit_wins(patch: pytest.MonkeyPatch) -> None:
    def least(known: tuple[int, int] | None, state: int, mask: int) -> tuple[int, int]:
        return (state, mask) if known is None or not known[0] else (min(known[0], state or SKIPPED), mask)

    patch.setattr(router, "worse", least)


@caught_by(loops.test_joins_inside_are_fresh_in_each_iteration, loop_order_batch)
def iterations_share_one_frame(patch: pytest.MonkeyPatch) -> None:
    opened: dict[Round, Frame] = {}
    iteration = Router._iteration

    def shared(self: Router, around: Round, number: int) -> Frame:
        return opened.setdefault(around, iteration(self, around, number))

    patch.setattr(Router, "_iteration", shared)


@caught_by(
    bound(loops.test_the_arrival_past_the_limit_is_not_delivered, 2),
)
def a_loop_goes_round_once_too_often(patch: pytest.MonkeyPatch) -> None:
    limit = graph._limit
    patch.setattr(graph, "_limit", lambda region, spec: limit(region, spec) + 1)


@caught_by(bound(loops.test_a_loop_may_go_round_as_often_as_its_limit_says, 2))
def a_loop_goes_round_once_too_seldom(patch: pytest.MonkeyPatch) -> None:
    limit = graph._limit
    patch.setattr(graph, "_limit", lambda region, spec: limit(region, spec) - 1)


@caught_by(bound(cases.test_18_a_race_is_won_while_the_loser_waits_for_a_timer, "a"))
def losers_are_not_cancelled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Halts, "bar_losers", _nothing)


@caught_by(stopping.test_steps_on_a_losers_branch_do_not_start_afterwards)
def losers_are_not_barred(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(router, "is_barred", lambda _frame, _step: False)


@caught_by(
    outcome.test_a_plain_step_that_ran_for_another_branch_does_not_forgive,
    bound(diamonds.check_diamond, "ALL_DONE", "failed"),
    oracle_batch,
)
def whatever_ran_handles_a_failure(patch: pytest.MonkeyPatch) -> None:
    target = verdict._Inquiry._target

    def forgiving(self: Any, *where: Any) -> None:
        place, step = where[-2:]
        act = place.acts.get(step) if place is not None else None
        if act is None or not act.ran:
            target(self, *where)

    patch.setattr(verdict._Inquiry, "_target", forgiving)


@caught_by(outcome.test_one_path_that_ends_badly_is_enough, oracle_batch)
def the_best_path_of_a_failure_counts(patch: pytest.MonkeyPatch) -> None:
    def one(self: Any, frame: Frame, step: int) -> None:
        links = [link for link in frame.walk.graph.out[step] if link.port != ERROR_PORT]
        if links:
            self._owe(frame, links[0])

    patch.setattr(verdict._Inquiry, "_dead_end", one)


@caught_by(outcome.test_a_failure_that_is_allowed_is_handled, oracle_batch)
def a_failure_that_is_allowed_is_not_handled(patch: pytest.MonkeyPatch) -> None:
    failure = verdict._Inquiry._failure

    def strict(self: Any, act: Activation) -> None:
        failure(self, act)
        if act.spec.allow_failure:
            self._need(verdict.Fate.LOST)

    patch.setattr(verdict._Inquiry, "_failure", strict)


@caught_by(stopping.test_a_finally_block_runs_after_a_cancel_and_the_run_is_cancelled)
def a_finally_block_is_not_protected(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(graph, "_protected", lambda _spec, _links: frozenset())


@caught_by(stopping.test_fail_fast_cancels_the_rest_once_a_failure_cannot_be_handled)
def fail_fast_drains(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Machine, "_cannot_be_handled", lambda _self, _walk: False)


@caught_by(cases.test_20_a_cancel_during_retry_back_off_does_not_revive_the_step)
def a_cancel_spares_a_step_in_back_off(patch: pytest.MonkeyPatch) -> None:
    cancel = Halts.cancel

    def spare(self: Halts, act: Activation, *, cut: bool) -> None:
        if act.phase is not Phase.SCHEDULED:
            cancel(self, act, cut=cut)

    patch.setattr(Halts, "cancel", spare)


@caught_by(oracle_batch, ends_batch)
def steps_that_the_trigger_cannot_reach_stay_unsettled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Router, "_rule_out", _nothing)


@caught_by(bound(stopping.test_past_the_limit_of_activations_nothing_starts_and_the_run_fails, 2, "failed"))
def the_limit_of_activations_is_one_too_high(patch: pytest.MonkeyPatch) -> None:
    made = Router.__init__
    patch.setattr(Router, "__init__", lambda self, limit: made(self, limit + 1))


@caught_by(foreach.test_results_keep_the_items_order_whoever_ends_first)
def results_come_in_the_order_of_ends(patch: pytest.MonkeyPatch) -> None:
    record = Fanout.record

    def by_end(self: Fanout, index: int, output: Any, error: Any) -> None:
        record(self, index, None, error)
        self.results[self.total - len(self.running) - 1] = output

    patch.setattr(Fanout, "record", by_end)


@caught_by(bound(foreach.test_no_more_items_run_at_once_than_allowed, 2))
def concurrency_is_not_bounded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Fanout, "startable", property(lambda fan: not fan.stopped and fan.next < fan.total))


@caught_by(ends_batch, order_batch)
def the_fold_forgets_what_steps_wrote(patch: pytest.MonkeyPatch) -> None:
    write = Pen.write
    patch.setattr(Pen, "write", lambda self, act, _patch, output, seq: write(self, act, {}, output, seq))


@caught_by(ends_batch, order_batch)
def the_fold_is_not_the_run(patch: pytest.MonkeyPatch) -> None:
    """An attempt is counted by the machine itself, not by its fact."""
    started = Machine._step_started
    seen: set[tuple[str, str]] = set()

    def remember(self: Machine, event: Any) -> None:
        started(self, event)
        act = self.activation(event.step_id, event.scope)
        act.attempt += (event.step_id, event.scope) in seen
        seen.add((event.step_id, event.scope))

    patch.setitem(cast("dict[Any, Any]", machine_module._HANDLERS), StepStarted, remember)


# -- asks --------------------------------------------------------------------------------------------


@caught_by(asks.test_a_signal_goes_to_the_step_that_has_waited_longest)
def a_signal_goes_to_who_began_to_wait_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listening, "first", lambda self, name: next(reversed(self._named.get(name, {})), None))


@caught_by(bound(asks.test_a_signal_that_comes_while_its_step_is_on_its_way_is_for_the_next, "later"))
def a_signal_goes_to_a_step_that_is_on_its_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listening, "first", lambda self, name: next(iter(self._named.get(name, {})), None))


@caught_by(asks.test_early_signals_are_kept_and_heard_in_the_order_in_which_they_came)
def early_signals_are_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listening, "keep", _nothing)


@caught_by(asks.test_a_step_that_waits_for_several_hears_the_signal_that_came_first)
def early_signals_are_heard_in_the_order_of_the_asks(patch: pytest.MonkeyPatch) -> None:
    keep = Listening.keep

    def unordered(self: Listening, answer: Answer) -> None:
        keep(self, answer)
        self._arrivals = 0

    patch.setattr(Listening, "keep", unordered)


@caught_by(
    bound(asks.test_a_signal_that_comes_while_its_step_is_on_its_way_is_for_the_next, "kept"),
    asks.test_signals_that_come_back_are_heard_before_those_that_came_after,
)
def a_signal_too_many_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listening, "_pass_on", _nothing)


@caught_by(asks.test_a_step_that_waits_on_keeps_its_asks_and_their_answers)
def an_approval_is_over_with_its_first_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(listening_module, "_ONE_ANSWER", frozenset(AskKind))


@caught_by(asks.test_an_interrupt_asked_again_after_its_answer_came_runs_the_step_at_once)
def an_interrupt_that_is_over_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    def patient(self: Listening, act: Activation, wait: Any, now: Any) -> None:
        act.interrupted = True
        self._begin_all(act, wait.asks, now)
        act.heard = len(act.answers)

    patch.setattr(Listening, "interrupt", patient)


@caught_by(
    asks.test_the_asks_of_a_cancelled_step_are_cancelled,
    asks.test_an_ask_whose_time_is_up_ends_by_the_port_of_its_step,
)
def asks_outlive_their_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listening, "end", _nothing)


@caught_by(asks.test_an_interrupt_that_the_step_went_on_without_is_over)
def an_interrupt_outlives_what_it_was_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listening, "drop", _nothing)


@caught_by(asks.test_of_several_interrupts_only_those_expire_whose_time_is_up)
def every_interrupt_expires_with_the_first(patch: pytest.MonkeyPatch) -> None:
    expire = Listening.expire

    def hasty(self: Listening, act: Activation, now: Any) -> None:
        expire(self, act, now.replace(year=9_000))

    patch.setattr(Listening, "expire", hasty)


# -- effects and aborts ------------------------------------------------------------------------------


@caught_by(effects.test_what_is_known_of_an_effect_is_what_was_recorded_last)
def only_the_first_effect_is_known(patch: pytest.MonkeyPatch) -> None:
    def first(self: Machine, event: EffectRecorded) -> None:
        act = self.activation(event.step_id, event.scope)
        act.effects = {(event.name, event.ordinal): event, **act.effects}

    patch.setitem(cast("dict[Any, Any]", machine_module._HANDLERS), EffectRecorded, first)


@caught_by(effects.test_what_was_changed_by_hand_is_seen_from_there_on)
def a_fork_does_not_change_the_state(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pen, "fork", _nothing)


@caught_by(
    abort.test_no_error_port_fires_and_nothing_forgives_an_abort,
    abort.test_an_abort_ends_the_run_with_its_payload,
)
def an_abort_is_a_failure_like_any_other(patch: pytest.MonkeyPatch) -> None:
    failed = Machine._failed

    def plain(self: Machine, act: Activation, result: StepRunResult) -> None:
        failed(self, act, StepRunResult.failure(act.step_id, result.failed_with()))

    patch.setattr(Machine, "_failed", plain)


# -- undoing -----------------------------------------------------------------------------------------


@caught_by(undo.test_a_chain_that_fails_is_undone_last_first)
def what_was_done_is_undone_first_first(patch: pytest.MonkeyPatch) -> None:
    def remember(self: Undo, act: Activation, at: Any) -> None:
        self.done.insert(0, (act, at))

    patch.setattr(Undo, "remember", remember)


@caught_by(bound(undo.test_a_cancelled_run_is_undone_only_if_that_was_wished, False, []))
def every_run_that_was_cancelled_is_undone(patch: pytest.MonkeyPatch) -> None:
    begin = Undo.begin

    def eager(self: Undo, status: RunStatus) -> None:
        self.wanted = True
        begin(self, status)

    patch.setattr(Undo, "begin", eager)


@caught_by(undo.test_a_run_that_is_cancelled_hard_is_not_undone)
def a_hard_cancel_is_a_soft_one_to_what_undoes(patch: pytest.MonkeyPatch) -> None:
    begin = Undo.begin

    def eager(self: Undo, status: RunStatus) -> None:
        self.refused = False
        begin(self, status)

    patch.setattr(Undo, "begin", eager)


@caught_by(undo.test_what_undoes_a_step_reads_the_state_right_after_that_step)
def what_undoes_reads_the_state_of_now(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Undo, "undone_by", lambda _self, _act: None)


@caught_by(
    undo.test_what_undoes_a_step_reads_the_state_right_after_that_step,
    undo.test_what_undoes_an_item_reads_the_items_own_state,
)
def what_was_overwritten_is_forgotten_before_it_is_undone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Undo, "readers", lambda _self: None)


@caught_by(
    undo.test_a_stubborn_step_that_could_not_be_undone_in_time_ends_before_the_next_begins,
)
def the_next_is_undone_while_the_one_before_still_runs(patch: pytest.MonkeyPatch) -> None:
    def settle(self: Undo, status: Any) -> None:
        self._results[status] += 1
        self.pending = None
        self._close()

    patch.setattr(Undo, "settle", settle)


@caught_by(bound(undo.test_a_hard_cancel_ends_what_undoes_and_tells_what_is_left, wait()))
def a_hard_cancel_does_not_stop_what_undoes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Undo, "stop", _nothing)


@caught_by(bound(undo.test_what_cannot_be_undone_does_not_keep_the_others, "b", CompensationOutcome.PARTIAL))
def what_cannot_be_undone_counts_as_undone(patch: pytest.MonkeyPatch) -> None:
    quiet = Undo.quiet
    patch.setattr(Undo, "quiet", lambda self, _error: quiet(self, None))


@caught_by(undo.test_what_was_undone_in_spite_of_a_hard_cancel_counts)
def what_was_undone_in_spite_of_a_cancel_does_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Undo, "_did_it", lambda _self: False)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    fault.plant(monkeypatch)
    missed = [check for check in fault.caught_by if not _raises(check)]
    assert not missed, f"{name} is not caught by {missed}"


def _raises(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:  # noqa: BLE001
        return True
    return False
