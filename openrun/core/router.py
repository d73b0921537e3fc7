"""Where settled edges lead: every edge settles once per frame, and every step decides by its edges.

The router turns the end of an activation into settled edges, follows them through frames, loops and tokens,
and leaves behind what is to be started (`ready`), what fails without running (`doomed`), and what was passed
over (`skipped`). It follows edges from a list, never by recursion, so that a dead path of any length costs
no stack.

Invariants: an edge settles at most once per frame, except that the exit of a loop may fire again; a step
decides at most once per frame, and a NO_WAIT step that runs again opens a token frame; what is left in no
list is decided.
"""

from collections import deque

from openrun.core.bearings import entered_from, is_barred, is_own, round_of, scope_below, upstream_error
from openrun.core.catches import new_bit, outside, worse
from openrun.core.errors import ErrorObject
from openrun.core.frame import Activation, Frame, Phase, Refusal, Round, Walk
from openrun.core.graph import Link
from openrun.core.joins import CANCELLED, CAUGHT, FAILED, FIRED, NOT_TAKEN, SKIPPED, Tally, Verdict, decide
from openrun.core.layers import Layer
from openrun.core.types import ERROR_PORT, JoinMode, Losers

_SETTLED = tuple((state, 0) for state in range(FAILED + 1))
"""Shared, since nearly all edges settle without anybody having caught: a run keeps one per edge."""
_ALL_MODES = frozenset({JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE})


class Router:
    """Settles edges and lets steps decide; owned by one machine."""

    __slots__ = (
        "closing",
        "doomed",
        "frames",
        "idle",
        "limit",
        "overrun",
        "raced",
        "ready",
        "skipped",
        "started",
        "todo",
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.started = 0
        """Activations so far."""
        self.overrun = False
        """An activation past the limit was refused."""
        self.frames: dict[str, Frame] = {}
        self.todo: deque[tuple[Frame, Link, int, int]] = deque()
        self.ready: dict[Activation, None] = {}
        self.doomed: list[Activation] = []
        self.raced: list[tuple[Frame, int]] = []
        """FIRST_SUCCESS joins with `losers: cancel` that have just fired."""
        self.closing: list[Round] = []
        """Loops that may have fallen quiet."""
        self.idle: list[Walk] = []
        """Walks that may have fallen quiet."""
        self.skipped: list[tuple[Frame, int, int]] = []

    # -- the end of an activation -----------------------------------------------------------------

    def settle_success(self, act: Activation, ports: tuple[str, ...]) -> bool:
        """Fire the edges of `ports`, let the others die; say whether any fired."""
        any_fired = False
        frame, mask = act.frame, act.mask
        for link in frame.walk.graph.out[act.step]:
            if link.port in ports:
                any_fired = True
                self.follow(frame, link, FIRED, mask)
            else:
                self.follow(frame, link, NOT_TAKEN, 0)
        return any_fired

    def settle_failure(self, act: Activation) -> None:
        """Fire the `error` edges where there are any; else let all edges die failed."""
        frame, bit = act.frame, 0
        graph = frame.walk.graph
        caught = graph.error_wired[act.step]
        if caught:
            bit = new_bit(frame.walk, act.step, frame.round)
        for link in graph.out[act.step]:
            if link.port == ERROR_PORT:
                self.follow(frame, link, FIRED, act.mask | bit)
            elif caught:
                self.follow(frame, link, CAUGHT, bit)
            else:
                self.follow(frame, link, FAILED, 0)

    def kill(self, frame: Frame, step: int, state: int, mask: int) -> None:
        """Let all edges of a step die that does not run; its `error` edges say only that it was skipped."""
        for link in frame.walk.graph.out[step]:
            if link.port == ERROR_PORT:
                self.follow(frame, link, SKIPPED, 0)
            else:
                self.follow(frame, link, state, mask)

    def pass_over(self, frame: Frame, step: int, state: int, mask: int) -> None:
        """The step does not run in this frame."""
        frame.passed[step] = state
        self.skipped.append((frame, step, state))
        self.kill(frame, step, state, mask)

    # -- along an edge ----------------------------------------------------------------------------

    def follow(self, frame: Frame, link: Link, state: int, mask: int) -> None:
        """Settle `link`, which leaves a step of `frame`, in the frame of its target."""
        if link.sole and state == FIRED and not frame.watch:
            # The most common edge there is needs no list: nothing but its target hears of it.
            frame.edges[link.index] = (state, mask) if mask else _SETTLED[state]
            self._run(frame, link.target, mask)
        elif link.plain:
            self.todo.append((frame, link, state, mask))
        elif link.exits:
            self._leave(frame, link, state, mask)
        elif link.back is not None:
            self._repeat(round_of(frame, link.back), frame, link, state, mask)
        else:
            self.todo.append((frame, link, state, mask))

    def _leave(self, frame: Frame, link: Link, state: int, mask: int) -> None:
        if state != FIRED:
            around = round_of(frame, link.exits[0])
            around.died[link.index] = worse(around.died.get(link.index), state, mask)
            return
        for region in link.exits:
            around = round_of(frame, region)
            around.fired.add(link.index)
            mask = outside(around, mask)
            frame = around.frame
        self._land(frame, link, state, mask)

    def _land(self, frame: Frame, link: Link, state: int, mask: int) -> None:
        if link.back is not None:
            self._repeat(round_of(frame, link.back), frame, link, state, mask)
        else:
            self.todo.append((frame, link, state, mask))

    def _repeat(self, around: Round, frame: Frame, link: Link, state: int, mask: int) -> None:
        if state == FIRED and frame.walk.guarded and is_barred(around.frame, link.target):
            state = CANCELLED
        if state == FIRED and around.iterations >= around.loop.limit:
            self._refuse(around, frame, link)
            state, mask = FAILED, 0
        if state != FIRED:
            around.backs = worse(around.backs, state, mask)
            return
        around.iterations += 1
        inner = self._iteration(around, around.iterations)
        inner.opened_by = link
        around.arrivals[link.index, frame.scope] = inner
        self._run(inner, link.target, mask)
        for header in around.loop.region.headers:
            if header != link.target:
                self.pass_over(inner, header, SKIPPED, 0)

    def _refuse(self, around: Round, frame: Frame, link: Link) -> None:
        walk = frame.walk
        header = walk.graph.steps[link.target].id
        message = (
            f"the loop at step {header!r} went round {around.loop.limit} times and would go on; "
            f"end it earlier, or raise max_iterations on {header!r}"
        )
        error = ErrorObject(code="LOOP_LIMIT", message=message, details={"limit": around.loop.limit})
        around.refused.add((link.index, frame.scope))
        walk.failures.append(Refusal(link, around, frame.scope, error))

    # -- at a step --------------------------------------------------------------------------------

    def drain(self) -> None:
        """Follow everything that is to be followed, and close the loops that have fallen quiet."""
        while True:
            while self.todo:
                self._arrive(*self.todo.popleft())
            if not self.closing:
                return
            self._close(self.closing.pop())

    def _arrive(self, frame: Frame, link: Link, state: int, mask: int) -> None:
        first = link.index not in frame.edges
        if first:
            frame.edges[link.index] = (state, mask) if mask else _SETTLED[state]
            if frame.watch:
                for watcher, step in frame.watch.pop(link.index, ()):
                    self._count(watcher, step, state, mask, own=False)
        place = frame
        if link.enters is not None:
            around = self._round(frame, link.enters)
            place = around.first
            if first and not link.exits:
                self._input_final(around)
        graph = frame.walk.graph
        step = link.target
        if not first:
            if graph.steps[step].join_mode is JoinMode.NO_WAIT and not graph.steps[step].always:
                self._run(place, step, mask)
        else:
            self._count(place, step, state, mask, own=True)

    def _count(self, frame: Frame, step: int, state: int, mask: int, *, own: bool) -> None:
        tally = frame.tallies.get(step)
        if tally is None:
            tally = self._tally(frame, step)
        tally.add(state, mask, own=own)
        spec = frame.walk.graph.steps[step]
        if spec.join_mode is JoinMode.NO_WAIT and not spec.always:
            if state == FIRED:
                self._run(frame, step, mask)
            if tally.pending == 0:
                self._decided(frame, tally)
                if not tally.fired:
                    self.pass_over(frame, step, tally.reason, tally.caught)
        elif tally.own_pending and spec.join_mode is not JoinMode.FIRST_SUCCESS:
            return
        elif not tally.decided:
            self._decide(frame, step, tally, spec.join_mode, always=spec.always)

    def _decide(self, frame: Frame, step: int, tally: Tally, mode: JoinMode, *, always: bool) -> None:
        verdict = decide(mode, tally, always=always)
        if verdict is Verdict.WAIT:
            return
        self._decided(frame, tally)
        if verdict is Verdict.RUN:
            self._run(frame, step, tally.descent)
        elif verdict is Verdict.FAIL:
            self._doom(frame, step, tally)
        else:
            self.pass_over(frame, step, tally.reason, tally.caught)

    def _decided(self, frame: Frame, tally: Tally) -> None:
        tally.decided = True
        frame.walk.open_tallies -= 1

    def _tally(self, frame: Frame, step: int) -> Tally:
        """Count the edges this step decides by in this frame, and look up those of other branches."""
        graph = frame.walk.graph
        base = entered_from(frame, step)
        links = graph.inner[step] if base is frame else graph.inputs[step]
        own = links if base.token is None else tuple(k for k in links if is_own(base, k))
        others = len(links) - len(own)
        spec = graph.steps[step]
        looks_out = spec.always or spec.join_mode in _ALL_MODES
        tally = Tally(len(own) + (others if looks_out else 0), len(own))
        frame.tallies[step] = tally
        frame.walk.open_tallies += 1
        if others and looks_out:
            for link in links:
                if link not in own:
                    self._look_out(base, frame, step, link)
        return tally

    def _look_out(self, base: Frame, frame: Frame, step: int, link: Link) -> None:
        """Count an edge of another branch as it settles, or has settled, in the frame it belongs to."""
        outer = base
        while not is_own(outer, link):
            assert outer.parent is not None
            outer = outer.parent
        settled = outer.edges.get(link.index)
        if settled is None:
            outer.watch.setdefault(link.index, []).append((frame, step))
        else:
            frame.tallies[step].add(*settled, own=False)

    # -- what a step decides ----------------------------------------------------------------------

    def _run(self, frame: Frame, step: int, mask: int) -> None:
        graph = frame.walk.graph
        spec = graph.steps[step]
        repeated = step in frame.acts
        if frame.walk.guarded and is_barred(frame, step):
            if not repeated and step not in frame.passed:
                self.pass_over(frame, step, CANCELLED, 0)
            return
        if self.started >= self.limit:
            self.overrun = True
            if not repeated and step not in frame.passed:
                self.pass_over(frame, step, CANCELLED, 0)
            return
        if repeated:
            frame = self._token(frame, step)
        act = Activation(step, spec, frame, mask)
        self._enlist(act)
        self.ready[act] = None
        if spec.join_mode is JoinMode.FIRST_SUCCESS and spec.losers is Losers.CANCEL:
            self.raced.append((entered_from(frame, step), step))

    def begin(self, walk: Walk, entries: tuple[int, ...]) -> None:
        """Start a walk at its entries: the fired trigger, or where a foreach body begins."""
        self._rule_out(walk, entries)
        for step in entries:
            self._run(walk.root, step, 0)
        if walk.busy == 0:
            self.idle.append(walk)

    def _rule_out(self, walk: Walk, entries: tuple[int, ...]) -> None:
        """Steps that no entry leads to count as skipped, and all their edges are dead."""
        root = walk.root
        steps, links = walk.graph.ruled_out(entries)
        for step in steps:
            root.passed[step] = SKIPPED
            self.skipped.append((root, step, SKIPPED))
        for link in links:
            # Its source lies in no loop with its target: the edge lands in the root frame whatever it leaves.
            self.todo.append((root, link, SKIPPED, 0))
            if link.exits and link.enters is not None:
                self._input_final(self._round(root, link.enters))

    def _doom(self, frame: Frame, step: int, tally: Tally) -> None:
        act = Activation(step, frame.walk.graph.steps[step], frame, tally.descent)
        act.upstream = upstream_error(frame, step)
        self._enlist(act)
        self.doomed.append(act)

    def _enlist(self, act: Activation) -> None:
        frame = act.frame
        self.started += 1
        frame.acts[act.step] = act
        frame.walk.busy += 1
        frame.walk.unfinished[act] = None
        if frame.round is not None:
            frame.round.busy += 1

    def discharge(self, act: Activation, phase: Phase) -> None:
        """The activation has ended, and its edges are settled."""
        act.phase = phase
        self.ready.pop(act, None)
        walk = act.frame.walk
        del walk.unfinished[act]
        walk.busy -= 1
        if walk.busy == 0:
            self.idle.append(walk)
        if act.frame.round is not None:
            self._lighten(act.frame.round)

    # -- frames -----------------------------------------------------------------------------------

    def open_walk(self, walk: Walk, parent: Frame | None, segment: str, layer: Layer) -> Frame:
        """The root frame of a walk: the run's own, or that of an item below the frame of its foreach."""
        scope = "/" if parent is None else scope_below(parent, segment)
        walk.root = self.frames[scope] = Frame(walk, parent, scope, layer)
        walk.scopes.append(scope)
        return walk.root

    def close_walk(self, walk: Walk) -> None:
        """Forget the frames of an item that has ended."""
        for scope in walk.scopes:
            del self.frames[scope]

    def _child(self, parent: Frame, segment: str) -> Frame:
        scope = scope_below(parent, segment)
        frame = self.frames[scope] = Frame(parent.walk, parent, scope, parent.layer)
        parent.walk.scopes.append(scope)
        return frame

    def _token(self, frame: Frame, step: int) -> Frame:
        count = frame.repeats[step] = frame.repeats.get(step, 1) + 1
        inner = self._child(frame, f"{frame.walk.graph.steps[step].id}+{count}")
        inner.token = step
        inner.round = frame.round
        return inner

    def _iteration(self, around: Round, number: int) -> Frame:
        graph = around.frame.walk.graph
        header = graph.steps[around.loop.region.headers[0]].id
        inner = self._child(around.frame, f"{header}:{number}")
        inner.round = around
        return inner

    # -- loops ------------------------------------------------------------------------------------

    def _round(self, frame: Frame, region: int) -> Round:
        """The loop as entered from this frame; entering it opens its first iteration."""
        around = frame.loops.get(region)
        if around is not None:
            return around
        loop = frame.walk.graph.loops[region]
        inputs = [k for k in loop.inputs if frame.token is None or is_own(frame, k)]
        around = Round(loop, frame, len(inputs))
        frame.loops[region] = around
        around.first = self._iteration(around, 1)
        if frame.round is not None:
            frame.round.busy += 1
        frame.walk.busy += 1
        if frame.token is not None:
            self._skip_unreached(around, inputs)
        return around

    def _skip_unreached(self, around: Round, inputs: list[Link]) -> None:
        """Headers that no edge of the token's own leads to count as skipped."""
        reached = {link.target for link in inputs}
        for header in around.loop.region.headers:
            if header not in reached:
                self.pass_over(around.first, header, SKIPPED, 0)

    def _input_final(self, around: Round) -> None:
        around.open_inputs -= 1
        if around.open_inputs == 0:
            self.closing.append(around)

    def _lighten(self, around: Round) -> None:
        around.busy -= 1
        if around.busy == 0:
            self.closing.append(around)

    def _close(self, around: Round) -> None:
        """The loop is quiet: every exit that never fired dies, once."""
        if around.closed or around.busy or around.open_inputs:
            return
        around.closed = True
        for link in around.loop.exits:
            if link.index not in around.fired:
                state, mask = worse(around.died.get(link.index), *around.backs)
                self._die_outward(around, link, state or SKIPPED, mask)
            elif around.loop.region.index == link.exits[-1] and link.enters is not None:
                self._input_final(self._round(around.frame, link.enters))
        frame = around.frame
        if frame.round is not None:
            self._lighten(frame.round)
        frame.walk.busy -= 1
        if frame.walk.busy == 0:
            self.idle.append(frame.walk)

    def _die_outward(self, around: Round, link: Link, state: int, mask: int) -> None:
        here = link.exits.index(around.loop.region.index)
        mask = outside(around, mask)
        if here + 1 < len(link.exits):
            outer = round_of(around.frame, link.exits[here + 1])
            outer.died[link.index] = worse(outer.died.get(link.index), state, mask)
            return
        self._land(around.frame, link, state, mask)
        if link.enters is not None:
            self._input_final(self._round(around.frame, link.enters))
