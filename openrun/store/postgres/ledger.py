"""What a batch of slices and messages comes to: decided from facts alone, and written by somebody else.

The facts are read under locks on every run that the batch touches, so they hold until the transaction ends. A slice
is looked at as a whole before any of it is taken over: one that is refused leaves nothing.
"""

import msgspec

from openrun.core.strict_json import canonical
from openrun.core.types import RunStatus
from openrun.store.outbox import Notice
from openrun.store.postgres.draft import Draft
from openrun.store.postgres.outside import Outside
from openrun.store.postgres.text import kept, place
from openrun.store.rows import (
    ActivationRow,
    Birth,
    Committed,
    Dedupe,
    DeliveryRow,
    Duplicate,
    EventRow,
    Message,
    Posted,
    Slice,
    Stale,
    Verdict,
)
from openrun.store.upserts import activation_over

_CANCEL = "cancel"
"""The message that a run is told though it is queued."""


class Start(msgspec.Struct, frozen=True):
    """A run that was started under a key."""

    run_id: str
    payload_hash: str


class NewMessage(msgspec.Struct, frozen=True):
    """A message as it is kept."""

    run_id: str
    place: bytes
    kind: str
    key: str
    body: str


class Facts(msgspec.Struct):
    """What is on disk about all that a batch names."""

    now: int
    runs: dict[str, Draft]
    leased: frozenset[str]
    """Workers with a valid lease."""
    starts: dict[bytes, Start]
    """By the digest of their key; those that have expired are not among them."""
    expired: list[bytes]
    """Digests of keys that may be used again."""
    messages: dict[tuple[str, bytes], tuple[str, str]]
    """Kind and body of messages that are known, by run and digest of their key."""
    waiting: dict[str, set[int]]
    """Numbers of the messages that wait for the runs that are released."""
    events: dict[tuple[str, int], tuple[int, str]]
    """Fence and hash of events that slices may be repeating."""


class Ledger:
    """Owned by one transaction; takes slices and messages in turn, each sees what those before it did."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.born: dict[str, tuple[Draft, Birth]] = {}
        self.changed: dict[str, Draft] = {}
        self.ended: dict[str, Draft] = {}
        self.events: list[EventRow] = []
        self.activations: dict[tuple[str, str, str], ActivationRow] = {}
        self.outside: Outside | None = None
        """None as long as no slice says anything of it."""
        self.starts: dict[bytes, tuple[Dedupe, str]] = {}
        self.messages: dict[tuple[str, bytes], NewMessage] = {}
        self.taken: list[tuple[str, int, int]] = []
        self.replays: list[tuple[str, str]] = []
        self.deliveries: list[DeliveryRow] = []
        self.notices: list[tuple[str, Notice]] = []
        self.left: list[str] = []
        """Runs that are queued no more, though nobody has admitted them."""
        self.hint = False
        """Somebody should look: a run is due or may be admitted, or its holder has a message."""

    @property
    def now(self) -> int:
        return self._facts.now

    @property
    def expired(self) -> list[bytes]:
        """Keys used again whose former use must go."""
        return [each for each in self._facts.expired if each in self.starts]

    def commit(self, piece: Slice) -> Verdict:
        """Take a slice over, or say why not."""
        refusal = self._refused_birth(piece, piece.birth) if piece.birth else self._refused(piece)
        if refusal is not None:
            return refusal
        if piece.birth:
            self._bear(piece, piece.birth)
        draft = self._facts.runs[piece.run_id]
        self._advance(draft, piece)
        woken = {each.run_id for each in piece.children if self._child(each)}
        woken |= {each.run_id for each in piece.messages if self._deliver(each) and self._is_due(each.run_id)}
        self._settle(draft, piece)
        return Committed(woken=len(woken))

    def post(self, message: Message) -> Posted:
        """Put a message into an inbox, if there is one for it."""
        draft = self._facts.runs.get(message.run_id)
        if draft is None:
            return Posted(status=None)
        status = RunStatus(draft.status)
        held = draft.worker is not None
        if draft.ended:
            return Posted(status=status)
        if self._deliver(message):
            return Posted(status=status, fresh=True, held=held)
        known = self._facts.messages[message.run_id, place(message.key)]
        return Posted(status=status, conflict=known != _content(message), held=held)

    # -- refusing ---------------------------------------------------------------------------------

    def _refused(self, piece: Slice) -> Verdict | None:
        draft = self._facts.runs.get(piece.run_id)
        if draft is None:
            return Stale(reason=f"there is no run {piece.run_id!r}")
        if piece.events and self._repeats(piece.events[-1]):
            return Committed()
        if not piece.events and piece.release and self._was_released(draft, piece):
            return Committed()
        return self._not_holding(draft, piece)

    def _not_holding(self, draft: Draft, piece: Slice) -> Stale | None:
        if draft.ended:
            return Stale(reason=f"run {piece.run_id!r} has ended: {draft.status}")
        if piece.worker is None or (draft.worker, draft.fence) != (piece.worker, piece.fence):
            holder = f"worker {draft.worker!r} holds" if draft.worker else "nobody holds"
            return Stale(
                reason=f"{holder} run {piece.run_id!r} under fence {draft.fence}, not worker {piece.worker!r} "
                f"under fence {piece.fence}"
            )
        if draft.seq != piece.first - 1:
            return Stale(
                reason=f"run {piece.run_id!r} stands at event {draft.seq}; event {piece.first} does not follow"
            )
        return self._without_lease(piece)

    def _without_lease(self, piece: Slice) -> Stale | None:
        if piece.worker is None or piece.worker in self._facts.leased:
            return None
        return Stale(reason=f"the lease of worker {piece.worker!r} has expired")

    def _refused_birth(self, piece: Slice, birth: Birth) -> Verdict | None:
        if piece.run_id in self._facts.runs:
            if piece.events and self._repeats(piece.events[-1]):
                return Committed()
            return Stale(reason=f"there is another run {piece.run_id!r} already")
        start = self._facts.starts.get(place(birth.dedupe.key)) if birth.dedupe else None
        if birth.dedupe and start:
            return Duplicate(
                run_id=start.run_id, same_payload=start.payload_hash == birth.dedupe.payload_hash
            )
        return self._without_lease(piece)

    def _repeats(self, event: EventRow) -> bool:
        return self._facts.events.get((event.run_id, event.seq)) == (event.fence, event.hash)

    def _was_released(self, draft: Draft, piece: Slice) -> bool:
        standing = (draft.worker, draft.fence, draft.seq)
        return not draft.ended and standing == (None, piece.fence, piece.first - 1)

    # -- taking over ------------------------------------------------------------------------------

    def _bear(self, piece: Slice, birth: Birth) -> None:
        draft = Draft.of_birth(piece, birth)
        self._facts.runs[piece.run_id] = draft
        self.born[piece.run_id] = draft, birth
        if birth.dedupe:
            key = place(birth.dedupe.key)
            self.starts[key] = birth.dedupe, piece.run_id
            self._facts.starts[key] = Start(piece.run_id, birth.dedupe.payload_hash)
        if birth.delivery:
            self.deliveries.append(birth.delivery)
        self.hint |= birth.ticket is not None
        if birth.replay_of:
            self.replays.append((birth.replay_of, piece.run_id))

    def _child(self, piece: Slice) -> bool:
        """Whether a run became due by this; one that exists, or was started elsewhere, is left alone."""
        taken = self.commit(piece) if piece.birth and piece.run_id not in self._facts.runs else None
        return isinstance(taken, Committed) and self._is_due(piece.run_id)

    def _advance(self, draft: Draft, piece: Slice) -> None:
        crashed = piece.release is not None and piece.release.crashed
        draft.advance(piece.events, piece.standing, crashed=crashed)
        self.changed[draft.run_id] = draft
        self.events += piece.events
        self.notices += ((piece.run_id, each) for each in piece.notices)
        for row in piece.activations:
            key = (row.run_id, row.step_id, row.scope)
            self.activations[key] = activation_over(self.activations.get(key), row)
        if piece.waits or piece.effects or piece.progress or piece.compensations:
            self._look_outside(piece)
        for event in piece.events[-1:]:
            self._facts.events[event.run_id, event.seq] = event.fence, event.hash
        self.taken += ((piece.run_id, number, piece.last) for number in piece.taken)
        self._facts.waiting.setdefault(piece.run_id, set()).difference_update(piece.taken)

    def _look_outside(self, piece: Slice) -> None:
        if self.outside is None:
            self.outside = Outside()
        self.outside.take(
            waits=piece.waits,
            effects=piece.effects,
            progress=piece.progress,
            compensations=piece.compensations,
        )

    def _settle(self, draft: Draft, piece: Slice) -> None:
        """Who looks after the run from now on."""
        if draft.ended:
            draft.end()
            self.ended[draft.run_id] = draft
            self.messages = {key: each for key, each in self.messages.items() if key[0] != draft.run_id}
        elif piece.release:
            due_now = self._facts.now if self._facts.waiting.get(draft.run_id) else None
            draft.let_go(piece.release, due_now=due_now)
        elif draft.worker is None:
            draft.wake(self._facts.now)
        self.hint |= self._is_due(draft.run_id)

    def _is_due(self, run_id: str) -> bool:
        draft = self._facts.runs[run_id]
        return draft.worker is None and draft.due_at is not None and draft.due_at <= self._facts.now

    def _deliver(self, message: Message) -> bool:
        """Whether the message is kept now."""
        key = (message.run_id, place(message.key))
        draft = self._facts.runs.get(message.run_id)
        if draft is None or draft.ended or key in self._facts.messages:
            return False
        self._facts.messages[key] = kind, body = _content(message)
        self.messages[key] = NewMessage(message.run_id, key[1], kind, kept(message.key), body)
        # Whatever number it gets, it waits.
        self._facts.waiting.setdefault(message.run_id, set()).add(-len(self.messages))
        if draft.queued and message.kind == _CANCEL:
            draft.leave_queue()
            self.left.append(draft.run_id)
        if draft.wake(self._facts.now):
            self.changed[message.run_id] = draft
        self.hint |= not (draft.damaged or draft.queued)
        return True


def _content(message: Message) -> tuple[str, str]:
    """Kind and body as they are kept: equal bodies are equal texts."""
    return kept(message.kind), kept(canonical(message.body))
