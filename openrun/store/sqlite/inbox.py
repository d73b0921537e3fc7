"""Inboxes: what others have to say to a run."""

import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from openrun.core.strict_json import canonical
from openrun.core.types import FINAL, RunStatus
from openrun.store.rows import InboxRow, Message, Posted
from openrun.store.sqlite.changes import is_damaged
from openrun.store.sqlite.connection import as_json, ask, tell, writing
from openrun.store.sqlite.text import clean

_CANCEL = "cancel"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message, and whether its run became due by it."""

    posted: Posted
    wakes: bool = False


class _Recipient(msgspec.Struct, frozen=True, array_like=True):
    """A run that gets a message, and the message with the same key that it got before."""

    status: RunStatus | None
    worker: str | None
    hold: str | None
    queued: int | None
    kind: str | None
    body: str | None


def post(connection: sqlite3.Connection, messages: Sequence[Message], now: int) -> list[Posted]:
    with writing(connection):
        return [each.posted for each in deliver(connection, messages, now)]


def deliver(connection: sqlite3.Connection, messages: Sequence[Message], now: int) -> list[Delivery]:
    """Put messages into inboxes, within a transaction."""
    letters = [_letter(each) for each in messages]
    recipients = ask(connection, "recipients", list[_Recipient], rows=as_json(letters))
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    deliveries = [_judge(letter, its, seen) for letter, its in zip(letters, recipients, strict=True)]
    fresh = [letter for letter, its in zip(letters, deliveries, strict=True) if its.posted.fresh]
    if fresh:
        tell(connection, "add_messages", rows=as_json(fresh))
    woken = {letter[0] for letter, its in zip(letters, deliveries, strict=True) if its.wakes}
    if woken:
        tell(connection, "wake", rows=as_json(sorted(woken)), now=now)
    _leave_queues(
        connection, {its[0] for its, to in zip(letters, recipients, strict=True) if to.queued} & woken
    )
    return deliveries


def _leave_queues(connection: sqlite3.Connection, run_ids: Collection[str]) -> None:
    """A queued run that is cancelled takes no slot."""
    if run_ids:
        tell(connection, "leave_queue", rows=as_json(sorted(run_ids)))
        tell(connection, "release_hold", rows=as_json(sorted(run_ids)))


def waiting_for_worker(connection: sqlite3.Connection, worker: str) -> list[InboxRow]:
    return ask(connection, "inbox_of_worker", list[InboxRow], worker=worker)


def waiting_for_runs(connection: sqlite3.Connection, run_ids: Sequence[str]) -> list[InboxRow]:
    return ask(connection, "inbox_of_runs", list[InboxRow], rows=as_json(run_ids))


def _letter(message: Message) -> tuple[str, str, str, str]:
    return (message.run_id, clean(message.key), clean(message.kind), canonical(message.body))


def _judge(
    letter: tuple[str, str, str, str], its: _Recipient, seen: dict[tuple[str, str], tuple[str, str]]
) -> Delivery:
    run_id, key, *content = letter
    if its.status is None or its.status in FINAL:
        return Delivery(posted=Posted(status=its.status))
    held = its.worker is not None
    known = seen.get((run_id, key)) or ((its.kind, its.body) if its.kind is not None else None)
    if known is not None:
        return Delivery(posted=Posted(status=its.status, held=held, conflict=known != tuple(content)))
    seen[run_id, key] = (content[0], content[1])
    # Whatever else a queued run is told, it keeps its place in the queue.
    kept_back = is_damaged(its.hold) or (its.queued and content[0] != _CANCEL)
    return Delivery(posted=Posted(status=its.status, fresh=True, held=held), wakes=not held and not kept_back)
