"""What goes into a store and comes out of it: plain frozen rows. Instants are UTC in ms since 1970."""

from typing import Any

import msgspec

from openrun.core.types import RunStatus
from openrun.store.outbox import Notice
from openrun.store.tickets import Ticket

DEFAULT_NAMESPACE = "default"
"""Where everything belongs that names no other namespace."""


class EventRow(msgspec.Struct, frozen=True, array_like=True):
    """One fact as it is kept: `body` is its JSON, `hash` the chain's link over it (64 hex digits)."""

    run_id: str
    seq: int
    fence: int
    hash: str
    body: str


class ActivationRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where one activation stands, derived from its run's events.

    A `started_at` or an `attempt` of None leaves the stored one as it is.
    """

    run_id: str
    step_id: str
    scope: str
    status: str
    attempt: int | None
    seq: int
    """The last event about it."""
    started_at: int | None = None
    due_at: int | None = None
    ended_at: int | None = None
    error: str | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands after its last event, derived from its events alone."""

    status: RunStatus
    updated_at: int
    ended_at: int | None = None
    error: str | None = None


class Dedupe(msgspec.Struct, frozen=True, kw_only=True):
    """A start that is to happen once: `key` names it, `payload_hash` tells whether a second asks for the same."""

    key: str
    payload_hash: str
    expires_at: int


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is new to the store."""

    flow_id: str
    version: str
    created_at: int
    namespace: str = DEFAULT_NAMESPACE
    trigger: str | None = None
    parent_run_id: str | None = None
    depth: int = 0
    """How many runs are above it."""
    replay_of: str | None = None
    """The dead run that it repeats."""
    dedupe: Dedupe | None = None
    delivery: "DeliveryRow | None" = None
    """What came from outside and started it."""
    ticket: Ticket | None = None
    """It waits for its turn: held by nobody, and due only once `claim` admits it."""


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request from outside that started a run; what it said is the input in the run's first event.

    It lasts as long as its run.
    """

    run_id: str
    namespace: str
    flow_id: str
    trigger: str
    received_at: int
    method: str
    path: str
    """As it was requested, below /hooks."""
    delivery_id: str | None = None
    """The sender's name for it, by which repetitions are known."""
    digest: str
    """SHA-256 of the raw body, in hex."""
    size: int
    """Bytes of the raw body."""
    remote: str | None = None
    """The address it came from."""
    replay_of: str | None = None
    """The run of the delivery that this one repeats by hand."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody else has to say to a run, kept until its holder turns it into an event.

    A second message with the same key to the same run is the first one again. Nothing is kept for a run
    that has ended.
    """

    run_id: str
    kind: str
    key: str
    body: dict[str, Any] = {}


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for its run's holder; `number` grows in the order in which messages came."""

    number: int
    run_id: str
    kind: str
    key: str
    body: dict[str, Any]


class WaitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run waits to be told from outside; it stays, closed, as long as its run does.

    `outcome` is "answered", "approved", "rejected", "received", "expired", "failed" or "cancelled"; None while it is open.
    """

    wait_id: str
    run_id: str
    step_id: str
    scope: str
    kind: str
    name: str
    correlation: str | None
    title: str | None
    ask: str
    """All of it as JSON: `openrun.core.asks.Ask`."""
    created_at: int
    expires_at: int | None
    closed_at: int | None = None
    outcome: str | None = None


class EffectRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one call to the outside; written again, its `started_at` and `value` stay when None."""

    key: str
    run_id: str
    step_id: str
    scope: str
    name: str
    ordinal: int
    effect: str
    status: str
    attempt: int
    seq: int
    """The last event about it."""
    args_hash: str | None = None
    value: str | None = None
    """JSON."""
    error: str | None = None
    by: str | None = None
    started_at: int | None = None
    ended_at: int | None = None


class ProgressRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a step reported while it ran; `number` grows within the run (0 when it is new)."""

    run_id: str
    step_id: str
    scope: str
    attempt: int
    at: int
    data: str
    """JSON."""
    number: int = 0


class CompensationRow(msgspec.Struct, frozen=True, kw_only=True):
    """The undoing of one step; one that did not succeed waits for a person until `resolution` is set."""

    run_id: str
    step_id: str
    scope: str
    status: str
    seq: int
    error: str | None = None
    started_at: int | None = None
    """None leaves the stored one as it is."""
    ended_at: int | None = None
    resolution: str | None = None
    """"resolved" or "ignored"; set by `settle_compensation` alone."""
    note: str | None = None
    by: str | None = None


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The holder gives the run back; it wants to be claimed at `due_at`, or only once a message comes (None).

    When a message already waits, it is due at once. `hold` says why nobody should claim it for now.
    """

    due_at: int | None
    hold: str | None = None
    crashed: bool = False
    """The crash count stays as it was, also though events are written."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """What one run has to write, all of it or nothing: events that follow `first - 1`, and what they entail.

    A slice with a `birth` makes the run, held by `worker` under `fence` (or by nobody: `worker` is None, and
    it is due at once). Any other is accepted only from the run's holder, under the fence it holds. Without
    events, `first` is what the next event's seq would be.
    """

    run_id: str
    worker: str | None
    fence: int
    first: int
    events: tuple[EventRow, ...]
    standing: Standing | None
    """None only when there are no events."""
    birth: Birth | None = None
    activations: tuple[ActivationRow, ...] = ()
    children: "tuple[Slice, ...]" = ()
    """Births of runs that exist once this slice does; one that exists already is left as it is."""
    messages: tuple[Message, ...] = ()
    taken: tuple[int, ...] = ()
    """Numbers of inbox rows that these events answer."""
    release: Release | None = None
    waits: tuple[WaitRow, ...] = ()
    """New ones, and those that have changed, whole."""
    effects: tuple[EffectRow, ...] = ()
    progress: tuple[ProgressRow, ...] = ()
    compensations: tuple[CompensationRow, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What its events tell those who subscribed."""

    @property
    def last(self) -> int:
        return self.first + len(self.events) - 1


class Committed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The slice is on disk."""

    woken: int = 0
    """Runs that became due by it: children, and runs that got a message and that nobody holds."""


class Duplicate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run was started under this key before; nothing of the slice is kept."""

    run_id: str
    same_payload: bool


class Stale(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The writer does not hold the run any more (or never did); nothing of the slice is kept."""

    reason: str


Verdict = Committed | Duplicate | Stale
"""What became of a slice."""


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message: `status` is that of the run (None: there is none), `fresh` whether it was kept now.

    A message to a run that has ended is not kept; one whose key is known with another body is a `conflict`.
    """

    status: RunStatus | None
    fresh: bool = False
    conflict: bool = False
    held: bool = False
    """A worker holds the run; else it is due now."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A run that a worker now holds under `fence`, and where its journal stands."""

    run_id: str
    flow_id: str
    version: str
    namespace: str = DEFAULT_NAMESPACE
    fence: int
    seq: int
    hash: str
    crashes: int
    """Claims after an expired lease since its last progress, this one included."""
    parent_run_id: str | None
    depth: int
    bytes: int
    """Size of its journal."""


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """All that follows from a run's events."""

    run_id: str
    standing: Standing
    activations: tuple[ActivationRow, ...] = ()
    waits: tuple[WaitRow, ...] = ()
    effects: tuple[EffectRow, ...] = ()
    compensations: tuple[CompensationRow, ...] = ()


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run as lists and inspections show it."""

    run_id: str
    flow_id: str
    version: str
    namespace: str = DEFAULT_NAMESPACE
    status: RunStatus
    trigger: str | None
    parent_run_id: str | None
    replay_of: str | None
    depth: int
    created_at: int
    updated_at: int
    ended_at: int | None
    error: str | None
    seq: int
    bytes: int
    hash: str
    worker: str | None
    fence: int
    due_at: int | None
    crashes: int
    hold: str | None


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to list, newest first; `before` is the run id that the page before ended with."""

    status: tuple[RunStatus, ...] = ()
    flow_id: str | None = None
    namespace: str | None = None
    """None is all."""
    parent_run_id: str | None = None
    held: bool | None = None
    """Only runs with a `hold` other than "queued: …" (or only the others)."""
    before: str | None = None
    limit: int = 50


class WaitFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which waits to list, oldest first; `after` is the (created_at, wait_id) that the page before ended with."""

    open: bool | None = True
    namespace: str | None = None
    kind: tuple[str, ...] = ()
    run_id: str | None = None
    name: str | None = None
    correlation: str | None = None
    """Only with a `name`; None is any."""
    uncorrelated: bool = False
    """Of open waits of a `name`, those that have no correlation."""
    after: tuple[int, str] | None = None
    limit: int = 50


class EffectFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which effects to list: of one run in the order of their `seq`, else the newest (by `started_at`) first."""

    run_id: str | None = None
    namespace: str | None = None
    status: tuple[str, ...] = ()
    limit: int = 50


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a flow: its canonical document."""

    flow_id: str
    version: str
    namespace: str = DEFAULT_NAMESPACE
    name: str
    document: str
    created_at: int


class FlowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow and the version that new runs of it get; triggers of one that is not `enabled` start nothing."""

    namespace: str
    flow_id: str
    version: str
    name: str
    enabled: bool
    created_at: int
    """When this version was kept first."""


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries to list, newest first; `before` is the run id that the page before ended with."""

    namespace: str | None = None
    flow_id: str | None = None
    before: str | None = None
    limit: int = 50


class HeadRow(msgspec.Struct, frozen=True, array_like=True):
    """How far a run is."""

    run_id: str
    seq: int
    status: RunStatus
    progress: int
    """Number of the last thing its steps reported, 0 when there is none."""


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that holds a lease, or has let it expire; `runs` are those it holds."""

    worker: str
    lease_ms: int
    """What is left of its lease; negative when it has expired."""
    runs: int
    host: str
    pid: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A run without a parent that failed, until it is replayed with success or discarded."""

    run_id: str
    flow_id: str
    namespace: str = DEFAULT_NAMESPACE
    error: str | None
    failed_at: int
    replays: int
    last_replay: str | None
    """The run that repeats it, the newest one."""


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a run that retention has removed."""

    run_id: str
    flow_id: str
    namespace: str = DEFAULT_NAMESPACE
    status: RunStatus
    events: int
    hash: str
    removed_at: int
