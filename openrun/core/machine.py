"""The machine of one run: apply facts, and it says what is next. Deterministic and without any IO.

Recovery, replay and running are the same act: fold the facts. Everything that can be derived from them
(edges, skips, what is ready) is derived here and nowhere else. Owned by one task; nobody reaches into it.

`ready` are the activations to start, `orders` what else is to be done, in order; `verdict` is set when the
run has nothing left to do. What happens is fed back as the next fact.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from openrun.core.errors import ErrorObject, OpenRunError
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Event,
    Fact,
    FlowCancelRequested,
    FlowCompleted,
    FlowForked,
    FlowPaused,
    FlowResumed,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.fans import Fans
from openrun.core.frame import Activation, Fanout, Frame, Phase, Walk
from openrun.core.graph import Graph
from openrun.core.halts import Halts
from openrun.core.joins import CANCELLED
from openrun.core.layers import Layer, nobody
from openrun.core.listening import Listening
from openrun.core.orders import Fail, Order
from openrun.core.pen import Pen
from openrun.core.results import (
    StepRunResult,
    TimerWake,
    WaitForAnswers,
    WaitForChildren,
    WaitForItems,
)
from openrun.core.router import Router
from openrun.core.state import StateView
from openrun.core.types import DEFAULT_PORT, Json, OnFailure, RunStatus, StepRunStatus
from openrun.core.undo import Undo
from openrun.core.verdict import Fate, RunVerdict, fate, first_unhandled, judged, output_of, over_limit


class UnexpectedFact(OpenRunError):
    """A fact that does not follow from those before it: the journal belongs to another flow, or is damaged."""


class Machine:
    """Folds the facts of one run; with `keep_items` the frames of ended items stay, for explaining."""

    __slots__ = (
        "_aborted", "_fans", "_halts", "_live", "_over", "_pen", "_root", "_router", "_verdict", "cancel_reason", "cancelled",
        "flow_id", "graph", "listening", "orders", "paused", "ready", "review", "roots", "run_id", "seq",
        "skipped", "status", "stop_error", "undo", "verdict",
    )  # fmt: skip

    def __init__(self, graph: Graph, run_id: str, *, keep_items: bool = False) -> None:
        self.graph = graph
        self.run_id = run_id
        self.flow_id = ""
        self.seq = 0
        self.status = RunStatus.PENDING
        self._over = False
        self.roots: dict[str, Json] = {}
        """The roots `run` and `trigger` of the state."""
        self.orders: list[Order] = []
        self.verdict: RunVerdict | None = None
        self.stop_error: ErrorObject | None = None
        """Why the run stops early, when not by a cancel."""
        self.cancelled = False
        self.paused = False
        self.review: str | None = None
        """Why a person must look at the run as a whole; nothing starts meanwhile."""
        self.cancel_reason = "race lost"
        self._router = Router(graph.spec.max_activations)
        self.ready = self._router.ready
        self.skipped = self._router.skipped
        self._root = Walk(graph, None, 0)
        self._router.open_walk(self._root, None, "", Layer(None))
        self._halts = Halts(self._router, self.orders)
        self._fans = Fans(self._router, self._halts, self.orders, keep_items=keep_items)
        self.listening = Listening(self.orders)
        self._aborted: StepRunResult | None = None
        self.undo = Undo(self._router, self._halts, self.orders)
        self._pen = Pen(self.undo)
        self._live = self._pen.live
        self._verdict: RunVerdict | None = None
        """How the run ends once what it did is undone."""

    # -- asking -----------------------------------------------------------------------------------

    def activation(self, step_id: str, scope: str) -> Activation:
        """The activation of a step in a scope. Raises `UnexpectedFact` if there is none."""
        frame = self._router.frames.get(scope)
        if frame is not None:
            at = frame.walk.graph.index.get(step_id)
            act = None if at is None else frame.acts.get(at)
            if act is not None:
                return act
        raise UnexpectedFact(f"run {self.run_id}: there is no activation of {step_id!r} in scope {scope!r}")

    def view(self, act: Activation, extra: Mapping[str, Json] | None = None) -> StateView:
        """The state as this activation reads it."""
        roots = self.roots if not extra else {**self.roots, **extra}
        if self.undo.walk is None or (done := self.undo.undone_by(act)) is None:
            return StateView(act.frame, act.snapshot, roots)
        return StateView(done.frame, done.snapshot if act.spec.as_run else done.seq, roots)

    def state(self) -> dict[str, Json]:
        """The run's state now, without the roots of the engine but `steps`."""
        view = StateView(self._root.root, self.seq, {})
        return view.everything()

    @property
    def halted(self) -> bool:
        """Nothing starts or wakes until the run is resumed or cancelled."""
        return self.paused or self.review is not None

    @property
    def undoing(self) -> bool:
        """What the run has done is being undone."""
        return self.undo.reason is not None

    @property
    def cut(self) -> bool:
        """Not even steps marked always start any more."""
        return self._root.cut

    @property
    def stopping(self) -> bool:
        """Nothing starts any more but the steps marked always."""
        return self._root.stopping

    def take_skipped(self) -> list[tuple[Frame, int, int]]:
        """Steps passed over since last asked: frame, step, edge state."""
        found = self.skipped[:]
        self.skipped.clear()
        return found

    def frames(self) -> Mapping[str, Frame]:
        """All frames by scope, for explaining."""
        return self._router.frames

    @property
    def unfinished(self) -> list[Activation]:
        """Every activation that has not ended, those of items included, oldest first."""
        found: list[Activation] = []
        walks = [self._root] if self.undo.walk is None else [self._root, self.undo.walk]
        while walks:
            walk = walks.pop()
            found += walk.unfinished
            walks += [inner for act in walk.unfinished if act.fanout for inner in act.fanout.walks.values()]
        return found

    # -- applying ---------------------------------------------------------------------------------

    def apply(self, event: Fact) -> None:
        """Fold the next fact. Raises `UnexpectedFact` when it does not follow; then the machine is spent."""
        if event.seq != self.seq + 1:
            raise UnexpectedFact(f"run {self.run_id}: fact {event.seq} came after {self.seq}")
        if self._over:
            raise UnexpectedFact(f"run {self.run_id} has ended; nothing follows, yet {event!r} came")
        self.seq = event.seq
        _HANDLERS[type(event)](self, event)

    def _flow_started(self, event: FlowStarted) -> None:
        self.status = RunStatus.RUNNING
        self.flow_id = event.flow_id
        root = self._root
        for key, value in event.state.items():
            root.root.layer.write(key, value, event.seq, nobody)
        self.roots = {
            "run": {"id": event.run_id, "flow": event.flow_id, "started_at": event.timestamp.isoformat()},
            "trigger": {"id": event.trigger, "input": event.input},
        }
        trigger = event.trigger
        entries = self.graph.entries() if trigger is None else (self.graph.index[trigger],)
        self._router.begin(root, entries)
        self._advance(root)

    def _step_started(self, event: StepStarted) -> None:
        act = self.activation(event.step_id, event.scope)
        if act.phase is Phase.READY:
            self.ready.pop(act, None)
            act.snapshot = event.seq
            self._live[act] = None
        elif act.phase is not Phase.SCHEDULED:
            raise UnexpectedFact(f"run {self.run_id}: {event.step_id!r} in {event.scope} starts twice")
        act.phase = Phase.LIVE
        act.attempt = event.attempt
        if act.answers:
            # Its next attempt hears again what it was told.
            act.heard, act.interrupted = 0, False
        act.wait = act.wake = act.fanout = act.error = None

    def _step_completed(self, event: StepCompleted) -> None:
        act = self._ending(event)
        walk = act.frame.walk
        result = event.result
        if result.status is StepRunStatus.SUCCESS:
            if act.step in walk.graph.compensations:
                # Before it writes: what it read is kept from now on.
                self.undo.remember(act, event.timestamp)
            self._pen.write(act, event.patch, result.output, self.seq)
            act.fired = result.ports
            if not self._router.settle_success(act, result.ports):
                walk.leaves[act.spec.id] = result.output
            if act.spec.replies:
                walk.replied = True
                walk.reply = result.output
        else:
            self._failed(act, result)
        self._router.discharge(act, Phase.DONE)
        if result.aborts and self._aborted is result:
            self._stop(cut=False)
        self._advance(walk)

    def _failed(self, act: Activation, result: StepRunResult) -> None:
        error = act.error = result.failed_with()
        self._pen.write(act, {}, error.to_json(), self.seq)
        act.frame.walk.failures.append(act)
        if result.aborts and not self.undoing:
            self._router.kill(act.frame, act.step, CANCELLED, 0)
            if not self.stopping:
                self._aborted = result
                self.cancel_reason = error.message
        elif act.spec.allow_failure and not act.frame.walk.graph.error_wired[act.step]:
            act.fired = (DEFAULT_PORT,)
            if not self._router.settle_success(act, act.fired):
                act.frame.walk.leaves[act.spec.id] = error.to_json()
        else:
            self._router.settle_failure(act)

    def _step_scheduled(self, event: StepScheduled) -> None:
        act = self.activation(event.step_id, event.scope)
        act.phase = Phase.SCHEDULED
        act.due = event.not_before
        act.error = event.error

    def _step_waiting(self, event: StepWaiting) -> None:
        act = self.activation(event.step_id, event.scope)
        act.phase = Phase.WAITING
        act.wait = event.wait
        act.wake = None
        act.interrupted = False
        if isinstance(event.wait, WaitForItems | WaitForChildren):
            act.fanout = Fanout(event.wait)
            self._fans.feed(act, act.fanout, self.seq)
        if isinstance(event.wait, WaitForAnswers):
            self.listening.wait(act, event.wait, event.timestamp)
        else:
            self.listening.drop(act, event.timestamp)
        self._advance(act.frame.walk)

    def _step_interrupted(self, event: StepInterrupted) -> None:
        act = self.activation(event.step_id, event.scope)
        act.phase = Phase.WAITING
        wait = act.wait = WaitForAnswers(asks=event.asks, until=event.until)
        self.listening.interrupt(act, wait, event.timestamp)

    def _signal_received(self, event: SignalReceived) -> None:
        if event.step_id is None:
            self.listening.keep(event.answer)
            return
        act = self.activation(event.step_id, event.scope)
        if self.listening.listener(event.answer.ask) is not act:
            raise UnexpectedFact(f"run {self.run_id}: {event.step_id!r} has not asked {event.answer.ask!r}")
        self.listening.hear(act, event.answer, event.timestamp)

    def _effect_recorded(self, event: EffectRecorded) -> None:
        act = self.activation(event.step_id, event.scope)
        act.effects = {**act.effects, (event.name, event.ordinal): event}

    def _flow_forked(self, event: FlowForked) -> None:
        self._pen.fork(self._root.root, event)

    def _compensation_started(self, event: CompensationStarted) -> None:
        self._check_undone(event)
        self.undo.start()

    def _compensation_completed(self, event: CompensationCompleted) -> None:
        self._check_undone(event)
        self.undo.settle(event.status)
        self._finish()
        self._advance(self._root)

    def _check_undone(self, event: CompensationStarted | CompensationCompleted) -> None:
        act = self.undo.subject if self.undoing else None
        if act is None or (act.step_id, act.scope) != (event.step_id, event.scope):
            raise UnexpectedFact(f"run {self.run_id}: {event.step_id!r} is not what is to be undone")

    def _step_cancelled(self, event: StepCancelled) -> None:
        act = self._ending(event)
        self._router.kill(act.frame, act.step, CANCELLED, 0)
        self._router.discharge(act, Phase.CANCELLED)
        self._advance(act.frame.walk)

    def _timer_fired(self, event: TimerFired) -> None:
        if event.step_id is None and self.stopping:
            # What is left of a run that stops has had its time; what a person must look into is waited for.
            self._halts.stop(self._root, cut=True)
        elif event.step_id is None:
            self._stop_run(
                ErrorObject(
                    code="RUN_TIMEOUT",
                    message="the run took longer than its flow's timeout; raise `timeout`, or make it shorter",
                )
            )
        else:
            act = self.activation(event.step_id, event.scope)
            if act.phase is not Phase.WAITING:
                raise UnexpectedFact(f"run {self.run_id}: {event.step_id!r} waits for no timer")
            act.wake = TimerWake(answers=act.answers)
            self.listening.expire(act, event.timestamp)
        self._advance(self._root)

    def _child_completed(self, event: ChildCompleted) -> None:
        act = self.activation(event.step_id, event.scope)
        if act.fanout is None:
            raise UnexpectedFact(f"run {self.run_id}: {event.step_id!r} waits for no child")
        error = None
        if event.status is not RunStatus.SUCCEEDED:
            error = event.error or ErrorObject(code="CHILD_FAILED", message=f"child run {event.status.value}")
        self._fans.ended(act, act.fanout, (event.index, event.output, error), self.seq)
        self._advance(act.frame.walk)

    def _cancel_requested(self, event: FlowCancelRequested) -> None:
        if self.undoing:
            self.paused = False
            self.review = None
            self.undo.stop(cut=event.hard)
        elif event.error is not None:
            self._stop_run(event.error, cut=event.hard)
        else:
            self.cancelled = True
            self.undo.wanted |= event.compensate
            self.cancel_reason = event.reason
            self._stop(cut=event.hard)
        self.undo.refused |= event.hard
        self._advance(self._root)

    def _flow_paused(self, _event: FlowPaused) -> None:
        self.paused = True

    def _flow_resumed(self, _event: FlowResumed) -> None:
        self.paused = False
        self.review = None

    def _review_requested(self, event: ReviewRequested) -> None:
        if event.step_id is None:
            self.review = event.reason
            return
        act = self.activation(event.step_id, event.scope)
        if act.phase not in (Phase.LIVE, Phase.RESUMING):
            raise UnexpectedFact(f"run {self.run_id}: the outcome of {event.step_id!r} is not unknown")
        act.phase = Phase.REVIEW
        act.doubt = event.key

    def _review_resolved(self, event: ReviewResolved) -> None:
        act = self.activation(event.step_id, event.scope)
        if act.phase is not Phase.REVIEW:
            raise UnexpectedFact(f"run {self.run_id}: nobody asked for a review of {event.step_id!r}")
        act.phase = Phase.LIVE
        act.doubt = None

    def _flow_completed(self, event: FlowCompleted) -> None:
        self.status = event.status
        self._over = True

    # -- what follows -----------------------------------------------------------------------------

    def _advance(self, walk: Walk) -> None:
        """Follow what the last fact set going until nothing more can be derived."""
        router = self._router
        if router.todo or router.closing:
            router.drain()
        while router.doomed or router.raced or router.overrun or router.idle or walk.failures:
            if not (self._halt(walk) or self._conclude()):
                return
            router.drain()

    def _halt(self, walk: Walk) -> bool:
        """Stop what has lost its sense: losers of a race, a run past its limit, a walk that can only fail."""
        router = self._router
        if router.raced:
            self._halts.bar_losers(*router.raced.pop())
        elif router.overrun and self.stop_error is None:
            self._stop_run(over_limit(self.graph.spec.max_activations), cut=True)
        elif self._cannot_be_handled(walk):
            self.cancel_reason = "fail_fast"
            self._halts.stop(walk, cut=False)
        else:
            return False
        return True

    def _conclude(self) -> bool:
        """Order the failures of what cannot run, and end a walk that has fallen quiet."""
        doomed = self._router.doomed
        if doomed:
            self.orders += [Fail(act, act.upstream) for act in doomed if act.upstream is not None]
            doomed.clear()
        elif self._router.idle:
            self._ended(self._router.idle.pop())
        else:
            return False
        return True

    def _cannot_be_handled(self, walk: Walk) -> bool:
        if walk.graph.spec.on_failure is not OnFailure.FAIL_FAST or walk.stopping:
            return False
        return any(fate(failure) is Fate.LOST for failure in walk.failures)

    def _ended(self, walk: Walk) -> None:
        if walk.busy:
            return
        if walk is self.undo.walk:
            self.undo.quiet(first_unhandled(walk, self._router.frames.values()))
        elif walk.owner is None:
            self._verdict = judged(
                walk,
                self._router.frames.values(),
                stop_error=self.stop_error,
                aborted=self._aborted,
                cancelled=self.cancelled,
            )
            self.undo.begin(self._verdict.status)
        else:
            error = first_unhandled(walk, self._router.frames.values())
            self._fans.item_ended(walk, output_of(walk), error, self.seq)
        self._finish()

    def _finish(self) -> None:
        """The run ends once what it did is undone."""
        if self._verdict is not None and self.undo.over:
            outcome = self.undo.outcome()
            self.verdict = replace(self._verdict, compensation=outcome) if outcome else self._verdict

    def _stop_run(self, error: ErrorObject, *, cut: bool = False) -> None:
        self.stop_error = error
        self.cancel_reason = error.code
        self._stop(cut=cut)

    def _stop(self, *, cut: bool) -> None:
        """Stop the run; it has to come to its end, so a pause ends too."""
        self.paused = False
        self.review = None
        self._halts.stop(self._root, cut=cut)

    def _ending(self, event: StepCompleted | StepCancelled) -> Activation:
        act = self.activation(event.step_id, event.scope)
        if act.phase in (Phase.DONE, Phase.CANCELLED):
            raise UnexpectedFact(f"run {self.run_id}: {event.step_id!r} in {event.scope} ends twice")
        act.seq = event.seq
        self._live.pop(act, None)
        if act.answers or self.listening.asks:
            self.listening.end(act, event)
        return act


# ruff: noqa: SLF001
_HANDLERS: Mapping[type[Event], Callable[[Machine, Any], None]] = {
    FlowStarted: Machine._flow_started,
    StepStarted: Machine._step_started,
    StepCompleted: Machine._step_completed,
    StepScheduled: Machine._step_scheduled,
    StepWaiting: Machine._step_waiting,
    StepInterrupted: Machine._step_interrupted,
    SignalReceived: Machine._signal_received,
    EffectRecorded: Machine._effect_recorded,
    CompensationStarted: Machine._compensation_started,
    CompensationCompleted: Machine._compensation_completed,
    FlowForked: Machine._flow_forked,
    StepCancelled: Machine._step_cancelled,
    TimerFired: Machine._timer_fired,
    ChildCompleted: Machine._child_completed,
    FlowCancelRequested: Machine._cancel_requested,
    FlowPaused: Machine._flow_paused,
    FlowResumed: Machine._flow_resumed,
    ReviewRequested: Machine._review_requested,
    ReviewResolved: Machine._review_resolved,
    FlowCompleted: Machine._flow_completed,
}
