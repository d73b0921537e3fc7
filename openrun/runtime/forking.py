"""Forks: new runs that begin with what holds of an old one. Retrying a run is one of them."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from openrun.core.errors import OpenRunError
from openrun.core.events import CompensationCompleted, Fact, FlowCompleted, FlowStarted, decode_fact
from openrun.core.fork import ChildRun, ForkPlan, Origin, Repeat, Target, Wish, done_outside, plan_fork
from openrun.core.strict_json import canonical, plain
from openrun.core.types import RunStatus
from openrun.core.undoing import CompensationStatus
from openrun.definition.changes import changes
from openrun.definition.program import Program
from openrun.definition.reads import reads
from openrun.runtime.births import birth_of, forked
from openrun.runtime.clock import Clock
from openrun.runtime.errors import CompensationOpen, KeyConflict, UnknownRun, UnknownVersion
from openrun.runtime.ids import NewRunId
from openrun.runtime.library import Library
from openrun.store.base import Records
from openrun.store.projection import in_ms
from openrun.store.rows import Committed, Dedupe, Duplicate, Slice, Verdict
from openrun.store.tickets import Ticket

LATEST = "latest"
_SHORTEST_PREFIX = 8
_DEDUPE_MS = 24 * 3_600_000


class NotRetryable(OpenRunError):
    """The run has not ended, or has ended well."""


class WouldRepeat(OpenRunError):
    """The fork would do again what was done outside, or may have been; `repeats` says what."""

    def __init__(self, run_id: str, repeats: Sequence[Repeat]) -> None:
        self.repeats = tuple(repeats)
        lines = "".join(f"\n  {_line(each)}" for each in self.repeats)
        super().__init__(f"forking run {run_id} so would repeat what it has done outside:{lines}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """A run that was forked; `replayed` when that was done before under the same key."""

    run_id: str
    plan: ForkPlan
    replayed: bool = False


class Forking:
    """Plans forks, and makes them; `write` has a slice committed."""

    def __init__(
        self,
        store: Records,
        library: Library,
        clock: Clock,
        new_run_id: NewRunId,
        write: Callable[[Slice], Awaitable[Verdict]],
    ) -> None:
        self._store = store
        self._library = library
        self._clock = clock
        self._new_run_id = new_run_id
        self._write = write

    async def plan(self, run_id: str, wish: Wish, version: str | None = None) -> ForkPlan:
        """How a fork would begin; without a step in the wish, a retry of what did not succeed.

        `version` is one of the flow's (a hash, at least 8 digits of it, or "latest") in place of the run's own.
        Raises `UnknownRun`, `UnknownVersion`, `NotRetryable`, `MissingCode`, `NoSuchActivation`, `PatchError` and its kind,
        and `PermanentError` for a key of the engine's that the patch would set.
        """
        facts = await self._facts(run_id)
        if wish.step is None:
            _check_retryable(run_id, facts[-1])
        begun = facts[0]
        assert isinstance(begun, FlowStarted)
        namespace = await self._namespace(run_id)
        old = await self._library.program(begun.flow_id, begun.version, namespace)
        new = await self._version(begun, namespace, old, version)
        differences = changes(old, new)
        plan = plan_fork(
            Origin(graph=old.graph, facts=facts),
            Target(
                graph=new.graph,
                version=new.version,
                run_id=self._new_run_id(),
                now=self._clock.now(),
                reads=reads(new),
                changed=differences.changed,
                within=differences.within,
            ),
            wish,
        )
        below = [each async for each in self._done_below(plan.children)]
        return replace(plan, repeats=(*plan.repeats, *below))

    async def fork(
        self,
        run_id: str,
        wish: Wish,
        version: str | None = None,
        *,
        repeat_effects: bool = False,
        key: str | None = None,
    ) -> Forked:
        """Make a fork; when this returns, the new run exists, and is due.

        With a `key`, the same key and the same wish give the same run for 24 hours. Raises what `plan` raises,
        `WouldRepeat` unless told to `repeat_effects`, `KeyConflict`, and PermanentError where the run's input has no
        key for the flow control of the version.
        """
        plan = await self.plan(run_id, wish, version)
        if plan.repeats and not repeat_effects:
            raise WouldRepeat(run_id, plan.repeats)
        dedupe = None if key is None else self._dedupe(run_id, wish, version, key)
        return await self._make(run_id, plan, dedupe, retries=wish.step is None)

    async def _make(self, run_id: str, plan: ForkPlan, dedupe: Dedupe | None, *, retries: bool) -> Forked:
        begun = plan.facts[0]
        assert isinstance(begun, FlowStarted)
        ticket = await self._ticket(begun, namespace := await self._namespace(run_id))
        # Once it succeeds, the dead letter that it repeats is none any more.
        dead = await self._store.dead_letter(run_id) if retries else None
        replay_of = None if dead is None else run_id
        birth = birth_of(begun, namespace, dedupe=dedupe, replay_of=replay_of, ticket=ticket)
        match await self._write(forked(plan.facts, plan.machine, birth)):
            case Committed():
                return Forked(run_id=plan.run_id, plan=plan)
            case Duplicate(run_id=known, same_payload=True):
                return Forked(run_id=known, plan=plan, replayed=True)
            case Duplicate(run_id=known):
                raise KeyConflict(f"run {known} was forked from {run_id} under this key, in another way")
            case stale:
                raise OpenRunError(f"run {run_id} could not be forked: {stale}")

    async def _ticket(self, begun: FlowStarted, namespace: str) -> Ticket | None:
        """A fork takes its turn like any other run of its flow, a child's fork too: nobody waits for it."""
        program = await self._library.program(begun.flow_id, begun.version, namespace)
        return None if program.flow_control is None else program.flow_control.ticket(namespace, begun.input)

    # -- planning ---------------------------------------------------------------------------------

    async def _done_below(self, children: Sequence[ChildRun]) -> AsyncIterator[Repeat]:
        """What the child runs of steps that run again have done outside, told of as done by these steps."""
        pending = list(children)
        for child in pending:
            rows = await self._store.events(child.run_id)
            if not rows:
                # One that was never started has done nothing; of one that was removed nobody knows any more.
                if await self._store.tombstone(child.run_id) is not None:
                    yield _below(child, "unknown")
                continue
            facts = [decode_fact(row.body) for row in rows]
            begun = facts[0]
            assert isinstance(begun, FlowStarted)
            namespace = await self._namespace(child.run_id)
            program = await self._library.program(begun.flow_id, begun.version, namespace)
            done, started = done_outside(Origin(graph=program.graph, facts=facts))
            for each in done:
                yield _below(child, each.status, each.effect or each.step_id, each.key)
            pending += [
                ChildRun(step_id=child.step_id, scope=child.scope, run_id=each.run_id) for each in started
            ]

    async def _namespace(self, run_id: str) -> str:
        row = await self._store.run(run_id)
        if row is None:
            raise UnknownRun(f"the store has no run {run_id!r}")
        return row.namespace

    async def _facts(self, run_id: str) -> list[Fact]:
        rows = await self._store.events(run_id)
        if not rows:
            raise UnknownRun(f"the store has no run {run_id!r}")
        return await self._settled(run_id, [decode_fact(row.body) for row in rows])

    async def _settled(self, run_id: str, facts: list[Fact]) -> list[Fact]:
        """The facts with what people said of compensations that did not succeed: done by hand, they are done."""
        if not any(isinstance(each, CompensationCompleted) for each in facts):
            return facts
        said = {
            (row.step_id, row.scope): row.resolution
            for row in await self._store.compensations(run_id)
            if row.status != CompensationStatus.COMPLETED
        }
        waiting = sorted(step_id for (step_id, _scope), resolution in said.items() if resolution is None)
        if waiting:
            raise CompensationOpen(
                f"the undoing of {', '.join(map(repr, waiting))} of run {run_id} waits for a person: "
                "resolve it, or ignore it, before the run is forked"
            )
        return [_by_hand(each, said) for each in facts]

    async def _version(self, begun: FlowStarted, namespace: str, old: Program, wanted: str | None) -> Program:
        if wanted is None:
            return old
        flow_id = begun.flow_id
        if wanted == LATEST:
            return await self._library.current(flow_id, namespace) or old
        known = {row.version for row in await self._store.versions(flow_id, namespace=namespace)}
        found = [wanted] if wanted in known else sorted(each for each in known if each.startswith(wanted))
        if len(wanted) < _SHORTEST_PREFIX or len(found) != 1:
            raise UnknownVersion(_no_version(flow_id, wanted, known))
        return await self._library.program(flow_id, found[0], namespace)

    def _dedupe(self, run_id: str, wish: Wish, version: str | None, key: str) -> Dedupe:
        asked = canonical([run_id, wish.step, wish.scope, plain(list(wish.patch)), version])
        return Dedupe(
            key=f"fork:{run_id}:{key}",
            payload_hash=hashlib.sha256(asked.encode()).hexdigest(),
            expires_at=in_ms(self._clock.now()) + _DEDUPE_MS,
        )


def _by_hand(fact: Fact, said: Mapping[tuple[str, str], str | None]) -> Fact:
    if isinstance(fact, CompensationCompleted) and said.get((fact.step_id, fact.scope)) == "resolved":
        return msgspec.structs.replace(fact, status=CompensationStatus.COMPLETED)
    return fact


def _check_retryable(run_id: str, last: Fact) -> None:
    if not isinstance(last, FlowCompleted):
        raise NotRetryable(f"run {run_id} has not ended; cancel it first, or fork it at a step")
    if last.status is RunStatus.SUCCEEDED:
        raise NotRetryable(f"run {run_id} has succeeded: there is nothing to retry; fork it at a step")


def _no_version(flow_id: str, wanted: str, known: set[str]) -> str:
    names = ", ".join(sorted(each[:12] for each in known))
    return (
        f"flow {flow_id!r} has no one version {wanted!r}; give all of its hash, at least {_SHORTEST_PREFIX} digits "
        f"of one that it has ({names}), or {LATEST!r}"
    )


def _below(child: ChildRun, status: str, effect: str | None = None, key: str | None = None) -> Repeat:
    return Repeat(step_id=child.step_id, scope=child.scope, effect=effect, key=key, status=status)


def _line(repeat: Repeat) -> str:
    place = repeat.step_id if repeat.scope == "/" else f"{repeat.step_id} in {repeat.scope}"
    what = "" if repeat.effect is None else f": {repeat.effect}"
    return f"{place}{what} ({repeat.status})"
