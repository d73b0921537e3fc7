"""Calls to the outside world as the journal knows them."""

import hashlib
from enum import StrEnum
from typing import Any, Self

import msgspec


class EffectStatus(StrEnum):
    """What is known of an effect."""

    STARTED = "started"
    """The call may go out from now on."""
    COMMITTED = "committed"
    """It took place; its value is known."""
    FAILED = "failed"
    """It ended with an error."""
    UNKNOWN = "unknown"
    """It was started, and nobody can tell whether it took place."""
    ABSENT = "absent"
    """It was looked into: it did not take place."""


IN_DOUBT = frozenset({EffectStatus.STARTED, EffectStatus.UNKNOWN})
"""Nobody can tell, once whoever made the call is gone."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What looking an effect up by its key came to."""

    status: EffectStatus
    value: Any = None

    @classmethod
    def committed(cls, value: Any = None) -> Self:
        """It took place, with this result."""
        return cls(status=EffectStatus.COMMITTED, value=value)

    @classmethod
    def absent(cls) -> Self:
        """It did not take place: it may be done now."""
        return cls(status=EffectStatus.ABSENT)

    @classmethod
    def unknown(cls) -> Self:
        """It cannot be told; a person has to."""
        return cls(status=EffectStatus.UNKNOWN)


def effect_key(activation_id: str, name: str, ordinal: int) -> str:
    """SHA-256 over the activation, the effect's name and its ordinal among those of that name, 64 hex digits."""
    return hashlib.sha256(f"{activation_id}\n{name}\n{ordinal}".encode()).hexdigest()
