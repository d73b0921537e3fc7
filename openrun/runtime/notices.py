"""Which facts of a run others may want to be told, and in what words. Pure, and on the way of every commit.

One fact makes one notice at most: its seq names it. What a flow put out is not in it, nor what it asks about: they may
be large or private, and the API has them.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from openrun.core.asks import Ask, AskChange, AskKind
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    Event,
    Fact,
    FlowCompleted,
    FlowForked,
    FlowStarted,
    ReviewRequested,
    StepInterrupted,
    StepWaiting,
)
from openrun.core.results import WaitForAnswers
from openrun.core.types import RunStatus
from openrun.core.undoing import CompensationStatus
from openrun.store.outbox import Notice
from openrun.store.projection import in_ms

MOST_BYTES = 16_384
"""Of the data of a notice, as JSON."""
_LONGEST_TEXT = 1_000
_LONGEST_CODE = 100
_MOST_ASKS = 20
_OF_PEOPLE = (AskKind.APPROVAL, AskKind.INPUT)


class NoticeType(StrEnum):
    """What a notice may tell."""

    STARTED = "run.started"
    SUCCEEDED = "run.succeeded"
    FAILED = "run.failed"
    CANCELLED = "run.cancelled"
    ABORTED = "run.aborted"
    NEEDS_REVIEW = "run.needs_review"
    APPROVAL_REQUESTED = "approval.requested"
    INPUT_REQUESTED = "input.requested"
    COMPENSATION_FAILED = "compensation.failed"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question to people, without what it is about."""

    wait_id: str
    kind: AskKind
    name: str | None
    title: str | None
    approvers: tuple[str, ...]
    quorum: int
    expires_at: datetime | None


class NoticeData(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice says. Those that may be unset are there where the type of the notice has them."""

    run_id: str
    flow_id: str
    version: str
    namespace: str
    trigger: str | None
    parent_run_id: str | None
    seq: int
    status: RunStatus
    error: ErrorObject | None = None
    hops: int
    started_at: datetime
    ended_at: datetime | None = None
    step_id: str | UnsetType | None = UNSET
    scope: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    asks: tuple[Asked, ...] | UnsetType = UNSET
    forked_from: str | UnsetType = UNSET


def notices_of(
    facts: Sequence[Fact], begun: FlowStarted, namespace: str, changes: Iterable[AskChange] = ()
) -> tuple[Notice, ...]:
    """What the next facts of a run tell; `changes` are those of its asks that came with them."""
    telling = [fact for fact in facts if type(fact) in _TELLING]
    if not telling:
        return ()
    opened = open_asks(changes)
    found: list[Notice] = []
    for fact in telling:
        notice = notice_of(fact, begun, namespace, opened)
        if notice is not None:
            found.append(notice)
        # A step that waits on has the same asks again.
        opened -= _asks_of(fact)
    return tuple(found)


def open_asks(changes: Iterable[AskChange]) -> frozenset[str]:
    """The asks that are open after these changes."""
    last = {each.ask.id: each.closed_at is None for each in changes}
    return frozenset(ask for ask, is_open in last.items() if is_open)


def notice_of(fact: Fact, begun: FlowStarted, namespace: str, opened: Collection[str] = ()) -> Notice | None:
    """What a fact tells, if anything; `begun` is the first fact of its run, `opened` are asks that are new and open.

    A step that is woken and waits on records the asks that it has already: only those that were opened are told.
    """
    made = _TELLING[type(fact)](fact, opened) if type(fact) in _TELLING else None
    if made is None:
        return None
    kind, more = made
    data = NoticeData(
        run_id=fact.run_id,
        flow_id=fact.flow_id,
        version=begun.version,
        namespace=namespace,
        trigger=begun.trigger,
        parent_run_id=begun.parent_run_id,
        seq=fact.seq,
        hops=begun.hops,
        started_at=begun.timestamp,
        **more,
    )
    return Notice(type=kind.value, seq=fact.seq, at=in_ms(fact.timestamp), data=_encoded(data))


_More = dict[str, Any]
_Made = tuple[NoticeType, _More]


def _started(_fact: Event, _opened: Collection[str]) -> _Made:
    return NoticeType.STARTED, {"status": RunStatus.RUNNING}


def _forked(fact: Event, _opened: Collection[str]) -> _Made:
    assert isinstance(fact, FlowForked)
    return NoticeType.STARTED, {"status": RunStatus.RUNNING, "forked_from": fact.origin}


def _completed(fact: Event, _opened: Collection[str]) -> _Made:
    assert isinstance(fact, FlowCompleted)
    failure = next((each for each in fact.failures if not each.handled), None)
    more: _More = {"status": fact.status, "ended_at": fact.timestamp}
    if failure is not None:
        more |= {"error": failure.error, "step_id": failure.step_id, "scope": failure.scope}
    return NoticeType(f"run.{fact.status.value}"), more


def _review(fact: Event, _opened: Collection[str]) -> _Made:
    assert isinstance(fact, ReviewRequested)
    more: _More = {
        "status": RunStatus.NEEDS_REVIEW,
        "reason": fact.reason,
        "step_id": fact.step_id,
        "scope": fact.scope,
    }
    return NoticeType.NEEDS_REVIEW, more


def _uncompensated(fact: Event, _opened: Collection[str]) -> _Made | None:
    assert isinstance(fact, CompensationCompleted)
    if fact.status is CompensationStatus.COMPLETED:
        return None
    more: _More = {
        "status": RunStatus.COMPENSATING,
        "reason": fact.status.value,
        "error": fact.error,
        "step_id": fact.step_id,
        "scope": fact.scope,
    }
    return NoticeType.COMPENSATION_FAILED, more


def _waiting(fact: Event, opened: Collection[str]) -> _Made | None:
    assert isinstance(fact, StepWaiting)
    return _asking(fact, fact.wait.asks, opened) if isinstance(fact.wait, WaitForAnswers) else None


def _interrupted(fact: Event, opened: Collection[str]) -> _Made | None:
    assert isinstance(fact, StepInterrupted)
    return _asking(fact, fact.asks, opened)


def _asking(
    fact: StepWaiting | StepInterrupted, asks: Sequence[Ask], opened: Collection[str]
) -> _Made | None:
    fresh = [each for each in asks if each.id in opened and each.kind in _OF_PEOPLE]
    if not fresh:
        return None
    approval = any(each.kind is AskKind.APPROVAL for each in fresh)
    more: _More = {
        "status": RunStatus.WAITING,
        "step_id": fact.step_id,
        "scope": fact.scope,
        "asks": tuple(map(_asked, fresh)),
    }
    return (NoticeType.APPROVAL_REQUESTED if approval else NoticeType.INPUT_REQUESTED), more


_TELLING: dict[type, Callable[[Event, Collection[str]], _Made | None]] = {
    FlowStarted: _started,
    FlowForked: _forked,
    FlowCompleted: _completed,
    ReviewRequested: _review,
    CompensationCompleted: _uncompensated,
    StepWaiting: _waiting,
    StepInterrupted: _interrupted,
}


def _asked(ask: Ask) -> Asked:
    return Asked(
        wait_id=ask.id,
        kind=ask.kind,
        name=ask.name,
        title=ask.title,
        approvers=ask.approvers,
        quorum=ask.quorum,
        expires_at=ask.until,
    )


def _asks_of(fact: Event) -> frozenset[str]:
    match fact:
        case StepWaiting(wait=WaitForAnswers(asks=asks)) | StepInterrupted(asks=asks):
            return frozenset(each.id for each in asks)
        case _:
            return frozenset()


_encoder = msgspec.json.Encoder()


def _encoded(data: NoticeData) -> str:
    text = _encoder.encode(data)
    return (text if len(text) <= MOST_BYTES else _encoder.encode(_shortened(data))).decode()


def _shortened(data: NoticeData) -> NoticeData:
    """The same without what may be long; who wants it all asks the API."""
    error, asks, reason, scope = data.error, data.asks, data.reason, data.scope
    return replace(
        data,
        error=error
        and replace(
            error,
            code=error.code[:_LONGEST_CODE],
            message=error.message[:_LONGEST_TEXT],
            details=None,
            type=None,
        ),
        asks=asks and tuple(map(_bare, asks[:_MOST_ASKS])),
        reason=reason and reason[:_LONGEST_TEXT],
        scope=scope and scope[:_LONGEST_TEXT],
    )


def _bare(asked: Asked) -> Asked:
    return replace(asked, name=None, title=None, approvers=())
