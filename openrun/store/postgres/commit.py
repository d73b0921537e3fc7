"""One transaction for many: locks and reads in one round trip, decides, writes and commits in another."""

from collections.abc import Sequence
from functools import partial

from openrun.store.admission import check_ticket
from openrun.store.base import StoreError, StoreUnavailable
from openrun.store.births import check_delivery
from openrun.store.postgres.again import until_alone
from openrun.store.postgres.faults import REFUSALS
from openrun.store.postgres.gather import gather
from openrun.store.postgres.ledger import Ledger
from openrun.store.postgres.link import Connection
from openrun.store.postgres.record import record
from openrun.store.rows import Message, Posted, Slice, Stale, Verdict


async def commit(connection: Connection, slices: Sequence[Slice]) -> list[Verdict]:
    """Write slices in one transaction; data that Postgres does not take costs only the slice it belongs to."""
    for each in slices:
        check(each)
    try:
        verdicts, _ = await _transact(connection, slices, ())
    except REFUSALS:
        return [await _alone(connection, each) for each in slices]
    return verdicts


async def post(connection: Connection, messages: Sequence[Message]) -> list[Posted]:
    """Put messages into inboxes in one transaction."""
    _, posted = await _transact(connection, (), messages)
    return posted


async def _alone(connection: Connection, piece: Slice) -> Verdict:
    try:
        verdicts, _ = await _transact(connection, [piece], ())
    except REFUSALS as error:
        return Stale(reason=f"Postgres does not take it: {error}")
    return verdicts[0]


async def _transact(
    connection: Connection, slices: Sequence[Slice], messages: Sequence[Message]
) -> tuple[list[Verdict], list[Posted]]:
    try:
        return await until_alone(connection, partial(_try, slices=slices, messages=messages))
    except REFUSALS:
        await connection.rollback()
        raise


async def _try(
    connection: Connection, *, slices: Sequence[Slice], messages: Sequence[Message]
) -> tuple[list[Verdict], list[Posted]]:
    async with connection.pipeline():
        await connection.execute(b"BEGIN")
        ledger = Ledger(await gather(connection, slices, messages))
        verdicts = [ledger.commit(each) for each in slices]
        posted = [ledger.post(each) for each in messages]
        await record(connection, ledger)
        end = await connection.execute(b"COMMIT")
    if end.statusmessage != "COMMIT":
        raise StoreUnavailable(f"Postgres did not commit, but said {end.statusmessage}")
    return verdicts, posted


def check(piece: Slice) -> None:
    """Raises `StoreError` for events out of place: they would make a journal that nobody can read."""
    places = [(each.run_id, each.seq, each.fence) for each in piece.events]
    if places != [(piece.run_id, seq, piece.fence) for seq in range(piece.first, piece.last + 1)]:
        raise StoreError(
            f"the events of a slice of run {piece.run_id!r} do not follow event {piece.first - 1}"
        )
    if piece.events and piece.standing is None:
        raise StoreError(f"a slice of run {piece.run_id!r} has events, but does not say where the run stands")
    check_delivery(piece)
    check_ticket(piece)
    for child in piece.children:
        check(child)
