"""The closed sets of words that flows, events and results are made of."""

from enum import StrEnum
from typing import Any

Json = Any
"""Plain JSON data: None, bool, int, float, str, list and dict with str keys, nothing else."""

DEFAULT_PORT = "default"
ERROR_PORT = "error"
SUCCESS_PORT = "success"
RESERVED_ROOTS = frozenset({"steps", "trigger", "run", "secrets", "item", "index"})


class StepType(StrEnum):
    """Catalogue keys of the steps that come with OpenRun."""

    TRIGGER_WEBHOOK = "trigger_webhook"
    TRIGGER_SCHEDULE = "trigger_schedule"
    TRIGGER_EVENT = "trigger_event"
    TRIGGER_MANUAL = "trigger_manual"
    REQUEST = "request"
    SET_STATE = "set_state"
    CONDITIONAL = "conditional"
    SWITCH = "switch"
    DELAY = "delay"
    TRANSFORM = "transform"
    REPLY = "reply"
    FOREACH = "foreach"
    SUBFLOW = "subflow"
    FAIL = "fail"
    WAIT = "wait"
    APPROVAL = "approval"
    ABORT = "abort"
    EMIT = "emit"


class StepRunStatus(StrEnum):
    """How an activation ended."""

    SUCCESS = "success"
    ERROR = "error"


class JoinMode(StrEnum):
    """When a step with several inbound edges runs; the truth table is in docs/concepts.md."""

    NO_WAIT = "NO_WAIT"
    ALL_SUCCESS = "ALL_SUCCESS"
    ALL_DONE = "ALL_DONE"
    FIRST_SUCCESS = "FIRST_SUCCESS"


class Losers(StrEnum):
    """What a FIRST_SUCCESS join does with the branches that lost the race."""

    DETACH = "detach"
    CANCEL = "cancel"


class OnFailure(StrEnum):
    """What a run does once a failure can no longer be handled."""

    DRAIN = "drain"
    FAIL_FAST = "fail_fast"


class OnItemError(StrEnum):
    """What a foreach does when an item fails."""

    FAIL = "fail"
    COLLECT = "collect"
    TOLERATE = "tolerate"


class EffectClass(StrEnum):
    """What may happen when a step is run again after a crash."""

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    EXTERNAL = "external"
    AT_MOST_ONCE = "at_most_once"


class RunStatus(StrEnum):
    """Where a run stands; the last four are final."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPENSATING = "compensating"
    NEEDS_REVIEW = "needs_review"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


FINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.ABORTED})
"""Nothing follows these."""


class SkipReason(StrEnum):
    """Why an edge died, or a step did not run; later members are worse."""

    NOT_TAKEN = "not_taken"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    CAUGHT = "caught"
    FAILED = "failed"


class StateType(StrEnum):
    """The type of a typed slot of the state."""

    ANY = "any"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    OBJECT = "object"
    ARRAY = "array"
