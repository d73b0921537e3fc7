"""Why something cannot be asked of the durable engine; each names the thing and the way out."""

from collections.abc import Sequence

from openrun.core.errors import OpenRunError


class UnknownRun(OpenRunError, LookupError):
    """The store has no such run."""


class UnknownFlow(OpenRunError, LookupError):
    """The store has no such flow."""


class UnknownVersion(OpenRunError, LookupError):
    """The flow has no such version, or several begin so."""


class CompensationOpen(OpenRunError):
    """A step could not be undone, and nobody has said yet what becomes of that."""


class KeyConflict(OpenRunError):
    """Under this key something else was asked for before."""


class RunEnded(OpenRunError):
    """The run has ended; nothing can be asked of it any more."""


class UnknownWait(OpenRunError, LookupError):
    """The store has no such wait, or several begin so."""


class WaitOver(OpenRunError):
    """The wait is over: it was answered otherwise, expired, or its run ended."""


class NotAllowed(OpenRunError):
    """Somebody else has to answer."""


class InvalidAnswer(OpenRunError, ValueError):
    """The answer does not fit; `faults` are (JSON Pointer, message)."""

    def __init__(self, message: str, faults: Sequence[tuple[str, str]] = ()) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join([message, *(f"  {pointer or '/'}: {what}" for pointer, what in faults)]))


class Overloaded(OpenRunError):
    """Too many runs are being started at once; nothing was made. Try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class UnknownEffect(OpenRunError, LookupError):
    """The store has no such effect, or several begin so."""


class EffectSettled(OpenRunError):
    """It is known what became of the effect."""


class UnknownCompensation(OpenRunError, LookupError):
    """No such compensation waits for a person."""


class UnknownEvent(OpenRunError, LookupError):
    """The store has no such event of the bus."""


class EventNotDead(OpenRunError):
    """The event of the bus was not given up."""
