"""Writes what a ledger has come to: a few statements, however many slices and events there are."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from openrun.store.admission import PRIORITY_MS
from openrun.store.postgres.draft import Draft
from openrun.store.postgres.gather import columns
from openrun.store.postgres.ledger import Ledger
from openrun.store.postgres.link import Connection
from openrun.store.postgres.outside import Outside
from openrun.store.postgres.queries import sql
from openrun.store.postgres.text import kept, kept_or_none, place
from openrun.store.rows import ActivationRow, Birth, DeliveryRow
from openrun.store.tickets import Ticket

_DRAFT = Draft.__struct_fields__
_BORN = (*_DRAFT, "version", "trigger", "depth", "created_at", "namespace")
_CHANGED = (
    "run_id", "status", "updated_at", "ended_at", "error", "seq", "bytes", "hash", "worker", "due_at", "crashes", "hold",
)  # fmt: skip
_EVENT = ("run_id", "seq", "fence", "hash", "body")
_ACTIVATION = (
    "run_id", "place", "step_id", "scope", "status", "attempt", "seq", "started_at", "due_at", "ended_at", "error",
)  # fmt: skip
_NOTICE = ("run_id", "seq", "type", "at", "data")
_LANE = ("lane", "pool", "namespace", "flow_id", "key", "rules")
_TICKET = ("run_id", "lane", "pool", "ahead")
_DELIVERY = DeliveryRow.__struct_fields__


async def record(connection: Connection, ledger: Ledger) -> None:
    """Send everything; to be called in a pipeline, in a transaction."""
    writing = _Writing(connection)
    await _runs(writing, ledger)
    await writing.rows("insert_events", _EVENT, (_fields(each, _EVENT) for each in ledger.events))
    await writing.rows("upsert_activations", _ACTIVATION, map(activation, ledger.activations.values()))
    if ledger.outside is not None:
        await write_outside(connection, ledger.outside)
    await _starts(writing, ledger)
    await writing.rows("insert_deliveries", _DELIVERY, map(_delivery, ledger.deliveries))
    await _messages(writing, ledger)
    await _dead_letters(writing, ledger)
    await _notices(writing, ledger)
    await _tickets(writing, ledger)
    if ledger.hint:
        await connection.execute(sql("notify"))


def activation(row: ActivationRow) -> tuple[Any, ...]:
    """An activation as it is kept."""
    return (
        row.run_id, place(row.step_id, row.scope), kept(row.step_id), kept(row.scope), row.status, row.attempt,
        row.seq, row.started_at, row.due_at, row.ended_at, kept_or_none(row.error),
    )  # fmt: skip


async def write_activations(connection: Connection, rows: Iterable[ActivationRow]) -> None:
    """Keep where these activations stand; no two rows are about the same one."""
    await _Writing(connection).rows("upsert_activations", _ACTIVATION, map(activation, rows))


async def write_outside(connection: Connection, outside: Outside) -> None:
    """Keep what is said of the world outside."""
    writing = _Writing(connection)
    for name, names, rows in outside.written():
        await writing.rows(name, names, rows)


class _Writing:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, name: str, names: Sequence[str], rows: Iterable[Sequence[Any]], **more: Any) -> None:
        parameters = columns(names, rows)
        if parameters:
            await self._connection.execute(sql(name), {**parameters, **more} if more else parameters)

    async def tell(self, name: str, **given: Any) -> None:
        await self._connection.execute(sql(name), given)

    async def one(self, name: str, parameter: str, values: Sequence[Any]) -> None:
        if values:
            await self._connection.execute(sql(name), {parameter: values})


def _fields(row: Any, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple([getattr(row, name) for name in names])


async def _runs(writing: _Writing, ledger: Ledger) -> None:
    born = (_born(draft, birth) for draft, birth in ledger.born.values())
    changed = (draft for draft in ledger.changed.values() if draft.run_id not in ledger.born)
    await writing.rows("insert_runs", _BORN, born)
    await writing.rows("update_runs", _CHANGED, (_fields(draft, _CHANGED) for draft in changed))


def _born(draft: Draft, birth: Birth) -> tuple[Any, ...]:
    own = (birth.version, kept_or_none(birth.trigger), birth.depth, birth.created_at, birth.namespace)
    return (*_fields(draft, _DRAFT), *own)


def _delivery(row: DeliveryRow) -> tuple[Any, ...]:
    return (
        row.run_id, row.namespace, row.flow_id, kept(row.trigger), row.received_at, kept(row.method), kept(row.path),
        kept_or_none(row.delivery_id), row.digest, row.size, kept_or_none(row.remote), row.replay_of,
    )  # fmt: skip


async def _starts(writing: _Writing, ledger: Ledger) -> None:
    await writing.one("forget_starts", "places", ledger.expired)
    rows = [
        (key, start.payload_hash, run_id, start.expires_at)
        for key, (start, run_id) in sorted(ledger.starts.items())
    ]
    await writing.rows("insert_starts", ("place", "payload_hash", "run_id", "expires_at"), rows)


async def _messages(writing: _Writing, ledger: Ledger) -> None:
    messages = [
        (each.run_id, each.place, each.kind, each.key, each.body) for each in ledger.messages.values()
    ]
    await writing.rows("insert_messages", ("run_id", "place", "kind", "key", "body"), messages)
    await writing.rows("take_messages", ("run_id", "number", "seq"), ledger.taken)
    await writing.one("empty_inboxes", "run_ids", [each for each in ledger.ended if each not in ledger.born])


async def _dead_letters(writing: _Writing, ledger: Ledger) -> None:
    await writing.rows("count_replays", ("dead", "run_id"), ledger.replays)
    ended = ledger.ended.values()
    dead = [
        (each.run_id, each.flow_id, each.error, each.ended_at or each.updated_at, each.replay_of)
        for each in ended
        if each.status == "failed" and each.parent_run_id is None
    ]
    await writing.rows("bury", ("run_id", "flow_id", "error", "failed_at", "replay_of"), dead)
    redeemed = [each.replay_of for each in ended if each.status == "succeeded" and each.replay_of]
    await writing.one("discard", "run_ids", redeemed)


async def _tickets(writing: _Writing, ledger: Ledger) -> None:
    """Last of all: who holds lanes waits for nothing but lanes and pools."""
    over = [each for each in ledger.ended if each not in ledger.born]
    queued = [
        (run_id, birth, birth.ticket)
        for run_id, (draft, birth) in ledger.born.items()
        if birth.ticket and not draft.ended
    ]
    if queued:
        lanes = {its.lane: (birth, its) for _, birth, its in queued}
        await writing.tell("lock_lanes", lanes=[*lanes], run_ids=over)
        await writing.rows("put_lanes", _LANE, (_lane(*each) for each in lanes.values()), now=ledger.now)
        pools = {its.pool: its.rules.total for _, _, its in queued}
        await writing.rows("put_pools", ("pool", "total"), pools.items())
        tickets = ((run_id, its.lane, its.pool, its.priority * PRIORITY_MS) for run_id, _, its in queued)
        await writing.rows("insert_tickets", _TICKET, tickets, now=ledger.now)
    await writing.one("leave_queues", "run_ids", ledger.left)
    if over:
        await writing.tell("release_tickets", run_ids=over, now=ledger.now)


def _lane(birth: Birth, its: Ticket) -> tuple[Any, ...]:
    return (
        its.lane,
        its.pool,
        birth.namespace,
        birth.flow_id,
        kept(its.key),
        msgspec.json.encode(its.rules).decode(),
    )


async def _notices(writing: _Writing, ledger: Ledger) -> None:
    notices = (
        (run_id, each.seq, kept(each.type), each.at, kept(each.data)) for run_id, each in ledger.notices
    )
    await writing.rows("insert_notifications", _NOTICE, notices, now=ledger.now)
