"""What a machine asks of whoever drives it, beside starting the activations that are ready."""

from dataclasses import dataclass
from datetime import datetime

from openrun.core.errors import ErrorObject
from openrun.core.frame import Activation
from openrun.core.undoing import CompensationStatus


@dataclass(frozen=True, slots=True)
class Fail:
    """Record that this activation failed without having run."""

    act: Activation
    error: ErrorObject


@dataclass(frozen=True, slots=True)
class Rerun:
    """Run this attempt again, from its top: whoever ran it is gone."""

    act: Activation


@dataclass(frozen=True, slots=True)
class Again:
    """Run this attempt again, from its top: what was in doubt about it is settled."""

    act: Activation


@dataclass(frozen=True, slots=True)
class Await:
    """Come back at this instant: another attempt starts, or the step's timer fires."""

    act: Activation
    due: datetime


@dataclass(frozen=True, slots=True)
class Resume:
    """Wake the step: what it waited for is there."""

    act: Activation


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the activation and record it."""

    act: Activation


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start the child run of this index."""

    act: Activation
    index: int


@dataclass(frozen=True, slots=True)
class CancelChild:
    """Stop the child run of this index; its ChildCompleted follows."""

    act: Activation
    index: int


@dataclass(frozen=True, slots=True)
class Compensate:
    """Begin to undo a completed activation."""

    act: Activation
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class Compensated:
    """Record what became of the undoing of an activation."""

    act: Activation
    status: CompensationStatus
    error: ErrorObject | None


Order = Fail | Rerun | Again | Await | Resume | Cancel | StartChild | CancelChild | Compensate | Compensated
