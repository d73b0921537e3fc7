"""The hash chain of a run.

Every event's hash covers the one before it, so that no event can be changed, left out or moved without every
later hash being wrong. Whoever can rewrite a whole journal can also rewrite its hashes; keep a head hash
elsewhere to notice that.
"""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from openrun.store.rows import EventRow

GENESIS = ""
"""What the first event's hash covers in place of one before it."""


def link(previous: str, run_id: str, seq: int, fence: int, body: str) -> str:
    """SHA-256 over the hash before, the event's place and its body, 64 hex digits."""
    return sha256(f"{previous}\n{run_id}\n{seq}\n{fence}\n{body}".encode()).hexdigest()


class BrokenChain(msgspec.Struct, frozen=True, kw_only=True):
    """The first event that is not as it was written."""

    seq: int
    reason: str


def broken(rows: Iterable[EventRow], *, last: int, head: str) -> BrokenChain | None:
    """What is wrong with a journal that should end with seq `last` and hash `head`, or None."""
    previous, seq = GENESIS, 0
    for row in rows:
        seq += 1
        if row.seq != seq:
            return BrokenChain(seq=seq, reason=f"event {seq} is missing; event {row.seq} is in its place")
        if row.hash != link(previous, row.run_id, row.seq, row.fence, row.body):
            return BrokenChain(seq=seq, reason=f"event {seq} is not what was written")
        previous = row.hash
    if seq != last:
        return BrokenChain(seq=seq + 1, reason=f"the journal has {seq} events, and the run counts {last}")
    return (
        None
        if previous == head
        else BrokenChain(seq=seq, reason="the run's hash is not that of its last event")
    )
