"""What a step asks of somebody outside, and what it is answered. An ask is addressed by its id, not by its run."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class AskKind(StrEnum):
    """What may answer: a signal to the run, an event of the world, or a person."""

    SIGNAL = "signal"
    EVENT = "event"
    APPROVAL = "approval"
    INPUT = "input"
    """What `context.interrupt` asks for."""


class Decision(StrEnum):
    """What an answer says of what was asked."""

    ANSWERED = "answered"
    APPROVED = "approved"
    REJECTED = "rejected"


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a step waits to be told. `id` is given by the engine when the wait is recorded.

    `name` is that of the signal, the type of the event, or the key of the interrupt. `form` is the JSON Schema
    that a value must fit. `approvers` are who may answer, as "user:ada" or "role:finance"; none is anyone.
    `quorum` is how many of them have to agree. `until` is when it is too late.
    """

    kind: AskKind
    id: str = ""
    name: str = ""
    correlation: str | None = None
    """What the event must be about."""
    title: str | None = None
    payload: Any = None
    form: dict[str, Any] | None = None
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    until: datetime | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody said to an ask; `name` is that of the signal it came as."""

    ask: str = ""
    name: str = ""
    decision: Decision = Decision.ANSWERED
    value: Any = None
    reason: str | None = None
    by: str | None = None


class AskChange(msgspec.Struct, frozen=True, kw_only=True):
    """An ask was opened (no `outcome`), or it is over: how, and when."""

    ask: Ask
    step_id: str
    scope: str
    opened_at: datetime
    closed_at: datetime | None = None
    outcome: str | None = None


def ask_id(activation_id: str, place: str | int) -> str:
    """SHA-256 over the activation and the ask's place in it, 32 hex digits of it; the same after every crash."""
    return hashlib.sha256(f"{activation_id}\n{place}".encode()).hexdigest()[:32]
