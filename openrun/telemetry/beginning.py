"""Whether a run that a worker takes has been run before."""

from collections.abc import Sequence

from openrun.core.events import Fact, FlowForked


def is_first(history: Sequence[Fact]) -> bool:
    """Nobody has run it yet, though it exists: it was accepted elsewhere, or has just been forked.

    One that is born where it runs has no history; its FlowStarted is heard instead.
    """
    return len(history) == 1 or (bool(history) and isinstance(history[-1], FlowForked))
