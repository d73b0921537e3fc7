"""How what was asked for is refused: kinds of errors, for whoever tells a caller of them."""

from openrun.core.fork import NoSuchActivation
from openrun.core.patch import PatchTestFailed
from openrun.runtime.errors import (
    CompensationOpen,
    EffectSettled,
    KeyConflict,
    RunEnded,
    UnknownCompensation,
    UnknownEffect,
    UnknownFlow,
    UnknownRun,
    UnknownVersion,
    UnknownWait,
    WaitOver,
)
from openrun.runtime.forking import NotRetryable

UNKNOWN = (
    *(UnknownRun, UnknownFlow, UnknownVersion, UnknownWait, UnknownEffect, UnknownCompensation),
    NoSuchActivation,
)
"""There is nothing of that name."""

CONFLICTS = (
    *(RunEnded, KeyConflict, WaitOver, EffectSettled, NotRetryable, CompensationOpen),
    PatchTestFailed,
)
"""There is, and it does not stand as the caller took it to."""
