"""Reads, under locks, what is to be known about a batch before it is decided."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from openrun.store.postgres.draft import Draft
from openrun.store.postgres.ledger import Facts, Start
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.text import place
from openrun.store.rows import Message, Slice

Cursor = AsyncCursor[TupleRow]


async def gather(connection: Connection, slices: Sequence[Slice], messages: Sequence[Message]) -> Facts:
    """The facts about these slices and messages, in one round trip (two if slices may be on disk already).

    To be called in a pipeline, in a transaction.
    """
    pieces = [*_with_children(slices)]
    messages = [*messages, *(each for piece in pieces for each in piece.messages)]
    reading = _Reading(connection)
    runs = await reading.ask("lock_runs", _run_ids(pieces, messages))
    workers = sorted({piece.worker for piece in pieces if piece.worker is not None})
    clock = await reading.ask("leased", {"workers": workers})
    keys = sorted({place(each.birth.dedupe.key) for each in pieces if each.birth and each.birth.dedupe})
    starts = await reading.ask("lock_starts", {"places": keys}, only_if=keys)
    known = sorted({(each.run_id, place(each.key)) for each in messages})
    bodies = await reading.ask("known_messages", columns(("run_ids", "places"), known), only_if=known)
    released = [piece.run_id for piece in pieces if piece.release]
    waiting = await reading.ask("waiting_numbers", {"run_ids": released}, only_if=released)

    drafts = {row[0]: Draft(*row) for row in await reading.rows(runs)}
    now, leased = (await reading.rows(clock))[0]
    facts = Facts(
        now=now,
        runs=drafts,
        leased=frozenset(leased),
        starts={},
        expired=[],
        messages={},
        waiting={},
        events={},
    )
    _sort_starts(facts, await reading.rows(starts))
    facts.messages = {(run_id, key): (kind, body) for run_id, key, kind, body in await reading.rows(bodies)}
    for run_id, number in await reading.rows(waiting):
        facts.waiting.setdefault(run_id, set()).add(number)
    repeated = sorted(_maybe_repeated(pieces, drafts))
    events = await reading.ask("known_events", columns(("run_ids", "seqs"), repeated), only_if=repeated)
    facts.events = {
        (run_id, seq): (fence, digest) for run_id, seq, fence, digest in await reading.rows(events)
    }
    return facts


def columns(names: Iterable[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Rows as one array for each column: any number of them is one parameter."""
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=False))


class _Reading:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(
        self, name: str, parameters: Mapping[str, Any], *, only_if: Sequence[Any] | bool = True
    ) -> Cursor | None:
        return await self._connection.execute(sql(name), parameters) if only_if else None

    async def rows(self, cursor: Cursor | None) -> list[TupleRow]:
        return [] if cursor is None else await cursor.fetchall()


def _with_children(slices: Iterable[Slice]) -> Iterator[Slice]:
    for piece in slices:
        yield piece
        yield from _with_children(piece.children)


def _run_ids(pieces: Iterable[Slice], messages: Iterable[Message]) -> dict[str, list[str]]:
    return {"run_ids": sorted({*(each.run_id for each in pieces), *(each.run_id for each in messages)})}


def _sort_starts(facts: Facts, rows: Iterable[TupleRow]) -> None:
    for key, run_id, payload_hash, expires_at in rows:
        if expires_at > facts.now:
            facts.starts[key] = Start(run_id, payload_hash)
        else:
            facts.expired.append(key)


def _maybe_repeated(pieces: Iterable[Slice], runs: Mapping[str, Draft]) -> set[tuple[str, int]]:
    """The last events of slices whose runs have come that far already."""
    lasts = (piece.events[-1] for piece in pieces if piece.events)
    return {
        (each.run_id, each.seq) for each in lasts if each.run_id in runs and runs[each.run_id].seq >= each.seq
    }
