"""Slices made ready to be written: all that can be done before the writer's thread has its turn."""

from collections.abc import Iterator, Sequence

import msgspec

from openrun.store.admission import check_ticket
from openrun.store.base import StoreError
from openrun.store.births import check_delivery
from openrun.store.rows import ActivationRow, Slice
from openrun.store.sqlite.outside import Outside, outside
from openrun.store.sqlite.text import clean, clean_or_none

HASH_SIZE = 64
SIZE_BITS = 32
"""An event's place is one number: where its hash and body begin in the blob, and in the lowest bits the body's size."""

_encode = msgspec.json.Encoder().encode


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A slice and what will be written of it: each of the two texts is one row for its statement."""

    number: int
    part: Slice
    events: bytes
    activations: bytes
    size: int
    """Sum of its bodies' sizes."""
    outside: Outside | None
    children: "tuple[Draft, ...]"

    def family(self) -> "Iterator[Draft]":
        """This one and all below it, by number."""
        yield self
        for each in self.children:
            yield from each.family()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered to be written at once; the bodies of all events stand in one blob."""

    drafts: tuple[Draft, ...]
    heads: str
    """What has to be known of each slice before it is judged, by number."""
    blob: bytes


def drafted(slices: Sequence[Slice]) -> Batch:
    drawing = _Drawing()
    drafts = tuple(drawing.draft(each) for each in slices)
    heads = [_head(each.part) for draft in drafts for each in draft.family()]
    return Batch(drafts=drafts, heads=_encode(heads).decode(), blob=b"".join(drawing.blob))


def activation_row(row: ActivationRow) -> tuple[str | int | None, ...]:
    error = clean_or_none(row.error)
    return (
        row.step_id,
        row.scope,
        row.status,
        row.attempt,
        row.seq,
        row.started_at,
        row.due_at,
        row.ended_at,
        error,
    )


def _head(part: Slice) -> tuple[str, str | None, int, str | None]:
    dedupe = part.birth and part.birth.dedupe
    return (part.run_id, part.worker, part.last, clean(dedupe.key) if dedupe else None)


def _outside(part: Slice) -> Outside | None:
    if not (part.waits or part.effects or part.progress or part.compensations):
        return None
    return outside(
        waits=part.waits, effects=part.effects, progress=part.progress, compensations=part.compensations
    )


class _Drawing:
    """Numbers the slices and lays out the blob."""

    def __init__(self) -> None:
        self.blob: list[bytes] = []
        self._end = 1
        self._number = 0

    def draft(self, part: Slice) -> Draft:
        number, self._number = self._number, self._number + 1
        begin = self._end
        places = self._lay_out(part)
        return Draft(
            number=number,
            part=part,
            events=_encode((part.run_id, part.first, part.fence, places)),
            activations=_encode((part.run_id, [activation_row(each) for each in part.activations])),
            size=self._end - begin - HASH_SIZE * len(places),
            outside=_outside(part),
            children=tuple(self.draft(each) for each in part.children),
        )

    def _lay_out(self, part: Slice) -> list[int]:
        _check(part)
        text = "".join([each.hash + each.body for each in part.events])
        content = text.encode()
        self.blob.append(content)
        plain = len(content) == len(text)
        places = []
        end = self._end
        for each in part.events:
            size = len(each.body) if plain else len(each.body.encode())
            places.append(end << SIZE_BITS | size)
            end += HASH_SIZE + size
        self._end = end
        return places


def _check(part: Slice) -> None:
    """Events out of place would be written in place of others, so the fault is told before anything is written."""
    run_id, fence = part.run_id, part.fence
    for seq, each in enumerate(part.events, part.first):
        if each.seq != seq or each.fence != fence or each.run_id != run_id or len(each.hash) != HASH_SIZE:
            raise StoreError(
                f"event {each.seq} of run {each.run_id!r} is not what belongs at {seq} of {run_id!r}"
            )
    if part.events and part.standing is None:
        raise StoreError(f"a slice of run {run_id!r} has events, but does not say where the run stands")
    check_delivery(part)
    check_ticket(part)
    if any(each.birth is None for each in part.children):
        raise StoreError(f"a child of run {run_id!r} is no birth")
