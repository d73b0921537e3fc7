"""When another attempt is made, and after how long; jitter is drawn from the activation, not from chance."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from openrun.core.errors import ErrorObject

_JITTER_STEPS = 2**32


RetryStrategy = Literal["exponential", "fixed"]


class RetryPolicy(BaseModel):
    """How often and how long a step is tried again; without one a step is tried once.

    Only errors that say another attempt can help are tried again (timeouts, connections, 408, 425, 429,
    5xx, `TransientError`), and those whose code or exception type is listed in `retry_on` (`"*"` is all).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_attempts: int = Field(
        default=3, ge=1, le=20, description="Attempts in all, the first included.", examples=[3]
    )
    strategy: RetryStrategy = Field(
        default="exponential", description="How the wait grows.", examples=["exponential"]
    )
    base_ms: int = Field(
        default=1_000,
        ge=0,
        le=3_600_000,
        description="Wait before the second attempt, in ms.",
        examples=[500],
    )
    max_ms: int = Field(
        default=60_000, ge=0, le=3_600_000, description="Longest wait, in ms.", examples=[30_000]
    )
    multiplier: float = Field(
        default=2.0, ge=1, le=10, description="Growth of the wait per attempt.", examples=[2]
    )
    jitter: float = Field(
        default=0.1, ge=0, le=1, description="Share of the wait that is spread around it.", examples=[0.1]
    )
    retry_on: tuple[str, ...] = Field(
        default=(),
        description="Codes or exception types that are tried again too; '*' is all.",
        examples=[["ValueError"]],
    )


def retry_delay(policy: RetryPolicy | None, error: ErrorObject, attempt: int, seed: str) -> float | None:
    """Seconds to wait before the next attempt, or None when this failure is final.

    `attempt` is the number of the attempt that failed (1 is the first); `seed` names the activation, so
    that the same activation waits equally long on every machine and in every replay.
    """
    if policy is None or attempt >= policy.max_attempts or not _may_help(policy, error):
        return None
    grown: float = policy.base_ms
    if policy.strategy == "exponential":
        grown = min(policy.base_ms * policy.multiplier ** (attempt - 1), policy.max_ms)
    wait = min(grown, policy.max_ms) / 1_000
    spread = wait * policy.jitter * (2 * _unit(f"{seed}:{attempt}") - 1)
    return max(wait + spread, error.retry_after or 0.0)


def _may_help(policy: RetryPolicy, error: ErrorObject) -> bool:
    listed = policy.retry_on
    return error.retryable or "*" in listed or error.code in listed or error.type in listed


def _unit(seed: str) -> float:
    digest = hashlib.sha256(seed.encode()).digest()
    return int.from_bytes(digest[:4], "big") / _JITTER_STEPS
