"""Deciding what becomes of slices: each by what the database says, and by what those before it in the batch do."""

from collections.abc import Sequence

import msgspec

from openrun.core.types import FINAL, RunStatus
from openrun.store.rows import Committed, Duplicate, Slice, Stale, Verdict
from openrun.store.sqlite.draft import Draft
from openrun.store.sqlite.text import clean


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What the database says about a slice: its run (no status: there is none), its worker, its last event."""

    status: RunStatus | None
    worker: str | None
    fence: int | None
    seq: int | None
    hash: str | None
    crashes: int | None
    replay_of: str | None
    leased: int
    """Whether the slice's worker has a lease."""
    written: str | None
    """Hash of the event that stands where the slice's last one belongs."""
    owner: str | None
    """The run that was started under its dedupe key, and with which payload."""
    payload_hash: str | None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it stands while the batch is judged."""

    status: RunStatus
    worker: str | None
    fence: int
    seq: int
    hash: str
    crashes: int
    replay_of: str | None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A draft that is to be written."""

    draft: Draft
    root: int
    """The number of the slice that brought it: its own, or that of its first ancestor."""
    before: Known | None
    after: Known

    @property
    def part(self) -> Slice:
        return self.draft.part

    @property
    def ended(self) -> bool:
        return self.after.status in FINAL


class Judge:
    """Collects what is to be written."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.accepted: list[Accepted] = []
        self._heads = heads
        self._known: dict[str, Known] = {}
        self._keys: dict[str, tuple[str, str]] = {}

    def judge(self, draft: Draft) -> Verdict:
        part, head = draft.part, self._heads[draft.number]
        known = self._look_up(part.run_id, head)
        if _is_written(part, known, head):
            return Committed()
        reason = _refusal(part, known, leased=bool(head.leased))
        if reason is not None:
            return Stale(reason=reason)
        return self._accept(draft, known, draft.number)

    def _look_up(self, run_id: str, head: Head) -> Known | None:
        known = self._known.get(run_id)
        if known is None and head.status is not None:
            known = self._known[run_id] = _stored(head)
        return known

    def _accept(self, draft: Draft, before: Known | None, root: int) -> Committed | Duplicate:
        duplicate = self._same_start(draft)
        if duplicate is not None:
            return duplicate
        after = self._known[draft.part.run_id] = _after(draft.part, before)
        self.accepted.append(Accepted(draft=draft, root=root, before=before, after=after))
        for child in draft.children:
            if self._look_up(child.part.run_id, self._heads[child.number]) is None:
                self._accept(child, None, root)
        return Committed()

    def _same_start(self, draft: Draft) -> Duplicate | None:
        dedupe = draft.part.birth and draft.part.birth.dedupe
        if not dedupe:
            return None
        key, head = clean(dedupe.key), self._heads[draft.number]
        if head.owner is not None and head.payload_hash is not None:
            self._keys.setdefault(key, (head.owner, head.payload_hash))
        if key not in self._keys:
            self._keys[key] = (draft.part.run_id, dedupe.payload_hash)
            return None
        run_id, payload_hash = self._keys[key]
        return Duplicate(run_id=run_id, same_payload=payload_hash == dedupe.payload_hash)


def _stored(head: Head) -> Known:
    assert head.status is not None
    assert head.fence is not None
    assert head.seq is not None
    assert head.hash is not None
    assert head.crashes is not None
    return Known(
        status=head.status,
        worker=head.worker,
        fence=head.fence,
        seq=head.seq,
        hash=head.hash,
        crashes=head.crashes,
        replay_of=head.replay_of,
    )


def _after(part: Slice, before: Known | None) -> Known:
    status = before.status if before else RunStatus.PENDING
    if part.standing is not None:
        status = part.standing.status
    free = status in FINAL or part.release is not None
    crashes = before.crashes if before else 0
    replay_of = part.birth.replay_of if part.birth else before.replay_of if before else None
    return Known(
        status=status,
        worker=None if free else part.worker,
        fence=part.fence,
        seq=part.last,
        hash=part.events[-1].hash if part.events else before.hash if before else "",
        crashes=0 if part.events and not (part.release and part.release.crashed) else crashes,
        replay_of=replay_of,
    )


def _is_written(part: Slice, known: Known | None, head: Head) -> bool:
    """A hash covers the event's place and fence, and all events before it."""
    if not part.events:
        return known is not None and _was_released(part, known)
    last = part.events[-1].hash
    return head.written == last or (known is not None and known.seq == part.last and known.hash == last)


def _was_released(part: Slice, known: Known) -> bool:
    """Nobody has taken the run since this fence gave it back, and nothing but that was to be written."""
    only = part.release is not None and not (part.birth or part.children or part.messages)
    left = (known.worker, known.fence, known.seq) == (None, part.fence, part.last)
    return only and left and known.status not in FINAL


def _refusal(part: Slice, known: Known | None, *, leased: bool) -> str | None:
    if part.birth is not None:
        if known is not None:
            return f"run {part.run_id!r} exists already"
    elif known is None:
        return f"there is no run {part.run_id!r}"
    else:
        reason = _no_holder(part, known)
        if reason is not None:
            return reason
    return None if leased or part.worker is None else f"the lease of worker {part.worker!r} has expired"


def _no_holder(part: Slice, known: Known) -> str | None:
    if known.status in FINAL:
        return f"run {part.run_id!r} has ended: {known.status}"
    if part.worker is None or known.worker != part.worker or known.fence != part.fence:
        holder = "nobody holds it" if known.worker is None else f"{known.worker!r} holds it"
        return f"run {part.run_id!r} is not held by {part.worker!r} under fence {part.fence}: {holder}, its fence is {known.fence}"
    if known.seq != part.first - 1:
        return f"run {part.run_id!r} stands at event {known.seq}; events from {part.first} on do not follow"
    return None
