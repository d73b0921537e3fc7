"""What may be said to a run through its inbox."""

from enum import StrEnum


class MessageKind(StrEnum):
    """The kinds of messages; `hearing` says what each does."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    SIGNAL = "signal"
    """To whoever in the run waits for it, by name."""
    ANSWER = "answer"
    """To one ask, by its id."""
    CHILD = "child"
    """A child run has ended."""
    REVIEW = "review"
    """A person says whether the work of a step took place."""
