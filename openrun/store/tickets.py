"""Flow control: the ticket of a run that may have to wait for others before it starts. Instants are UTC in ms.

A ticket belongs to a lane: one flow and one value of its key. It is queued when its run is born (a queued run is due
at no time), admitted inside `claim`, by what `admission.py` decides, and gone in the transaction in which its run ends.
So a slot is held by a run, a run always has somebody who looks after it, and nothing can be left behind.
"""

from enum import StrEnum
from typing import Protocol

import msgspec


class AtLimit(StrEnum):
    """What happens when a lane is full."""

    QUEUE = "queue"
    CANCEL_NEW = "cancel_new"
    CANCEL_RUNNING = "cancel_running"
    KEEP_NEWEST = "keep_newest"
    """Of those that wait, only the newest stays."""


class LaneRules(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a lane; None bounds nothing."""

    limit: int | None = None
    """Most runs at once in the lane."""
    total: int | None = None
    """Most runs at once in all lanes of the flow, shared fairly between those that wait."""
    at_limit: AtLimit = AtLimit.QUEUE
    rate: int | None = None
    """Most starts in any `period_ms`."""
    period_ms: int = 0
    cancel_over_rate: bool = False
    """Runs over the rate are cancelled; else they wait."""
    quiet_ms: int = 0
    """Debounce: a run starts once its lane has been quiet for so long; the newest stands for all before it."""
    quiet_max_ms: int | None = None
    """Debounce at most so long after the first of them."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What a run brings at its birth."""

    lane: str
    """Names flow and key: SHA-256 in hex of canonical [namespace, flow, key]."""
    pool: str
    """Names the flow alone, in the same way."""
    key: str
    """Value of the key, as people read it; "" without one."""
    rules: LaneRules
    priority: int = 0
    """0 to 100: one of priority p is taken as if it had come 3·p seconds earlier."""


class LaneRow(msgspec.Struct, frozen=True, kw_only=True):
    """How full a lane is."""

    lane: str
    namespace: str
    flow_id: str
    key: str
    rules: LaneRules
    running: int
    queued: int
    oldest: int | None
    """Since when the first in its queue waits."""


class LaneFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lanes to list: those with runs that wait or go on, by namespace, flow and key."""

    namespace: str | None = None
    flow_id: str | None = None
    after: tuple[str, str, str] | None = None
    limit: int = 100


class TicketRecords(Protocol):
    """Of all namespaces, or of one (`scoped.py`)."""

    async def lanes(self, wanted: LaneFilter) -> list[LaneRow]: ...


class Tickets(TicketRecords, Protocol):
    """What a worker needs, of all namespaces."""

    async def next_admission(self) -> int | None:
        """When a queued run may next be admitted: a rate or a debounce runs out; None when only an end makes room."""

    async def stray_tickets(self, limit: int = 100) -> list[str]:
        """Runs with a ticket that have ended or are not there, or are queued and due, or neither queued nor admitted: none."""
