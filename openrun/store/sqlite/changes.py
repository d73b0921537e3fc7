"""What accepted slices change, as rows for the statements that write them."""

from collections.abc import Iterable, Sequence
from typing import Any

from openrun.store.admission import hold_of
from openrun.store.rows import DeliveryRow, Release, Standing
from openrun.store.sqlite.judge import Accepted
from openrun.store.sqlite.text import clean, clean_or_none

Row = tuple[Any, ...]
_DAMAGED = "damaged"


def is_damaged(hold: str | None) -> bool:
    """Whether a hold keeps its run from ever becoming due by itself."""
    return hold is not None and hold.startswith(_DAMAGED)


def due_at(part: Accepted, now: int) -> int | None:
    """When a new run wants to be claimed."""
    birth = part.part.birth
    if part.ended or (birth is not None and birth.ticket is not None):
        return None
    if part.part.release is not None:
        return _wanted(part.part.release)
    return now if part.part.worker is None else None


def births(accepted: Iterable[Accepted], now: int) -> list[Row]:
    """Rows of new runs."""
    return [_birth(each, now) for each in accepted if each.before is None]


def advances(accepted: Iterable[Accepted]) -> list[Row]:
    """Where runs stand after their new events: one row for each, though several slices moved it."""
    rows: dict[str, Row] = {}
    for each in accepted:
        standing = each.part.standing
        if each.before is None or standing is None:
            continue
        run_id = each.part.run_id
        size = each.draft.size + (rows[run_id][1] if run_id in rows else 0)
        rows[run_id] = (run_id, size, each.after.seq, each.after.hash, standing.updated_at, _error(standing))
    return list(rows.values())


def settlements(accepted: Iterable[Accepted]) -> list[Row]:
    """Runs that have another status, are given back, or have ended."""
    rows: dict[str, Row] = {}
    for each in accepted:
        released = each.part.release is not None
        if each.before is not None and (released or each.after.status is not each.before.status):
            rows[each.part.run_id] = _settlement(each)
    return list(rows.values())


def dedupes(accepted: Iterable[Accepted]) -> list[Row]:
    starts = [(each.part.run_id, each.part.birth.dedupe) for each in accepted if each.part.birth]
    return [(clean(its.key), its.payload_hash, run_id, its.expires_at) for run_id, its in starts if its]


def deliveries(accepted: Iterable[Accepted]) -> list[Row]:
    """What came from outside and started runs."""
    births = [each.part.birth for each in accepted if each.part.birth]
    return [_delivery(birth.delivery) for birth in births if birth.delivery]


def taken(accepted: Iterable[Accepted]) -> list[Row]:
    """Inbox rows, by number, with the event that answers them."""
    return [(number, each.part.run_id, each.part.last) for each in accepted for number in each.part.taken]


def recovered(accepted: Iterable[Accepted]) -> list[str]:
    """Runs whose crashes are forgotten."""
    return [each.part.run_id for each in accepted if each.before and each.before.crashes > each.after.crashes]


def replays(accepted: Iterable[Accepted]) -> list[tuple[str, str]]:
    """Dead runs, each with the new run that repeats it."""
    return [
        (each.part.birth.replay_of, each.part.run_id)
        for each in accepted
        if each.part.birth and each.part.birth.replay_of
    ]


def woken_children(accepted: Sequence[Accepted], now: int) -> Iterable[tuple[int, str]]:
    """Runs that became due because another's slice made them, each with the number of that slice."""
    for each in accepted:
        if each.draft.number != each.root:
            due = due_at(each, now)
            if due is not None and due <= now:
                yield each.root, each.part.run_id


def _birth(each: Accepted, now: int) -> Row:
    part, birth, standing = each.part, each.part.birth, each.part.standing
    assert birth is not None
    return (
        part.run_id,
        birth.flow_id,
        birth.version,
        each.after.status,
        birth.trigger,
        birth.parent_run_id,
        birth.replay_of,
        birth.depth,
        birth.created_at,
        standing.updated_at if standing else birth.created_at,
        standing.ended_at if standing else None,
        _error(standing),
        each.after.seq,
        each.draft.size,
        each.after.hash,
        each.after.worker,
        part.fence,
        due_at(each, now),
        None if each.ended else part.release.hold if part.release else hold_of(birth),
        birth.namespace,
    )


def _delivery(row: DeliveryRow) -> Row:
    return (
        row.run_id,
        row.namespace,
        row.flow_id,
        clean(row.trigger),
        row.received_at,
        clean(row.method),
        clean(row.path),
        clean_or_none(row.delivery_id),
        row.digest,
        row.size,
        clean_or_none(row.remote),
        row.replay_of,
    )


def _settlement(each: Accepted) -> Row:
    ended_at = each.part.standing.ended_at if each.part.standing else None
    release = None if each.ended else each.part.release
    return (
        each.part.run_id,
        each.after.status,
        ended_at,
        each.after.worker is None,
        _wanted(release) if release else None,
        release.hold if release else None,
        release is not None and not is_damaged(release.hold),
    )


def _wanted(release: Release) -> int | None:
    return None if is_damaged(release.hold) else release.due_at


def _error(standing: Standing | None) -> str | None:
    return None if standing is None else clean_or_none(standing.error)
