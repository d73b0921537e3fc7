"""How what was asked for is refused: kinds of errors, for whoever tells a caller of them."""

from openrun.core.fork import NoSuchActivation
from openrun.core.patch import PatchTestFailed
from openrun.runtime.errors import (
    CompensationOpen,
    EffectSettled,
    EventNotDead,
    KeyConflict,
    RunEnded,
    UnknownCompensation,
    UnknownEffect,
    UnknownEvent,
    UnknownFlow,
    UnknownRun,
    UnknownVersion,
    UnknownWait,
    WaitOver,
)
from openrun.runtime.forking import NotRetryable
from openrun.runtime.notifications import UnknownNotification, UnknownSubscription

UNKNOWN = (
    *(UnknownRun, UnknownFlow, UnknownVersion, UnknownWait, UnknownEffect, UnknownCompensation),
    *(NoSuchActivation, UnknownEvent),
    *(UnknownSubscription, UnknownNotification),
)
"""There is nothing of that name."""

CONFLICTS = (
    *(RunEnded, KeyConflict, WaitOver, EffectSettled, NotRetryable, CompensationOpen),
    *(PatchTestFailed, EventNotDead),
)
"""There is, and it does not stand as the caller took it to."""
