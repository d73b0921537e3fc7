"""Writing slices: one transaction, a handful of statements however many slices there are."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store.rows import Verdict
from openrun.store.sqlite import changes
from openrun.store.sqlite.clock import Clocks
from openrun.store.sqlite.connection import as_json, ask, tell, writing
from openrun.store.sqlite.draft import Batch
from openrun.store.sqlite.inbox import deliver
from openrun.store.sqlite.judge import Accepted, Head, Judge
from openrun.store.sqlite.notices import notify
from openrun.store.sqlite.outside import write
from openrun.store.sqlite.tickets import queue, release


def commit(connection: sqlite3.Connection, batch: Batch, clocks: Clocks) -> list[Verdict]:
    with writing(connection):
        return commit_within(connection, batch, clocks, clocks.now())


def commit_within(connection: sqlite3.Connection, batch: Batch, clocks: Clocks, now: int) -> list[Verdict]:
    """Write slices within a transaction."""
    lease = {"boot": clocks.boot(), "boot_id": clocks.boot_id}
    judge = Judge(ask(connection, "heads", list[Head], slices=batch.heads, now=now, **lease))
    verdicts = [judge.judge(each) for each in batch.drafts]
    woken = _write(connection, judge.accepted, batch.blob, now)
    return [
        replace(verdict, woken=len(woken[draft.number])) if draft.number in woken else verdict
        for draft, verdict in zip(batch.drafts, verdicts, strict=True)
    ]


def _write(
    connection: sqlite3.Connection, accepted: Sequence[Accepted], blob: bytes, now: int
) -> Mapping[int, set[str]]:
    """Runs that became due, by the number of the slice that did it."""
    _change(connection, "bear", changes.births(accepted, now))
    queue(connection, accepted, now)
    _insert(connection, "add_events", [each.draft.events for each in accepted if each.part.events], blob=blob)
    _insert(
        connection, "put_activations", [each.draft.activations for each in accepted if each.part.activations]
    )
    write(connection, [each.draft.outside for each in accepted if each.draft.outside is not None])
    _change(connection, "advance", changes.advances(accepted))
    _change(connection, "keep_dedupe", changes.dedupes(accepted))
    _change(connection, "add_deliveries", changes.deliveries(accepted))
    woken = _wake(connection, accepted, now)
    _change(connection, "take_messages", changes.taken(accepted))
    # After the messages: a run that is given back is due at once when one waits for it.
    _change(connection, "settle", changes.settlements(accepted), now=now)
    _change(connection, "forget_crashes", changes.recovered(accepted))
    _end(connection, accepted, now)
    notify(connection, accepted, now)
    return woken


def _wake(connection: sqlite3.Connection, accepted: Sequence[Accepted], now: int) -> Mapping[int, set[str]]:
    woken: dict[int, set[str]] = defaultdict(set)
    for root, run_id in changes.woken_children(accepted, now):
        woken[root].add(run_id)
    sent = [(each.root, message) for each in accepted for message in each.part.messages]
    if sent:
        deliveries = deliver(connection, [message for _, message in sent], now)
        for (root, message), delivery in zip(sent, deliveries, strict=True):
            if delivery.wakes:
                woken[root].add(message.run_id)
    return woken


def _end(connection: sqlite3.Connection, accepted: Sequence[Accepted], now: int) -> None:
    over = [each for each in accepted if each.ended]
    failed = [each.part.run_id for each in over if each.after.status is RunStatus.FAILED]
    _change(connection, "bury", failed)
    for run_id, replay in changes.replays(accepted):
        tell(connection, "count_replay", run_id=run_id, replay=replay)
    well = [each.after.replay_of for each in over if each.after.status is RunStatus.SUCCEEDED]
    _change(connection, "raise_dead", [each for each in well if each])
    _change(connection, "empty_inbox", [each.part.run_id for each in over])
    if over:
        release(connection, [each.part.run_id for each in over], now)


def _change(connection: sqlite3.Connection, name: str, rows: Sequence[Any], **given: Any) -> None:
    if rows:
        tell(connection, name, rows=as_json(rows), **given)


def _insert(connection: sqlite3.Connection, name: str, rows: Sequence[bytes], **given: Any) -> None:
    """The rows are JSON already."""
    if rows:
        tell(connection, name, rows=(b"[" + b",".join(rows) + b"]").decode(), **given)
