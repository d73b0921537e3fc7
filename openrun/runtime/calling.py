"""Making a call to the outside as a step asked for it, and telling whether it is the same call again."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from openrun.core.asks import Answer, Decision
from openrun.core.errors import JsonError, PermanentError
from openrun.core.events import EffectRecorded
from openrun.core.facts import Known
from openrun.core.strict_json import canonical, copy, plain
from openrun.core.types import Json
from openrun.steps.context import EffectCall


async def called(call: EffectCall, key: str) -> Any:
    takes_key = "idempotency_key" in _parameters(call.call) and "idempotency_key" not in call.kwargs
    extra: Mapping[str, Any] = {"idempotency_key": key} if takes_key else {}
    result = call.call(*call.args, **call.kwargs, **extra)
    return await result if inspect.isawaitable(result) else result


def _parameters(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        # Some that are written in C do not say.
        return {}


def args_hash(call: EffectCall) -> str | None:
    # What an own step is given follows from the state as of its start, and may hold secrets.
    if call.whole or not (call.args or call.kwargs):
        return None
    try:
        given = canonical(plain([list(call.args), dict(call.kwargs)]))
    except JsonError as error:
        raise PermanentError(
            f"effect {call.name!r}: its arguments must be plain JSON data, to be known again: {error}",
            code="EFFECT_ARGS",
        ) from None
    return hashlib.sha256(given.encode()).hexdigest()


def check_args(known: EffectRecorded | None, begun: Known) -> None:
    if known is not None and known.args_hash != begun.args_hash:
        raise PermanentError(
            f"effect {begun.name!r} was called with other arguments before; what goes into it must be the same "
            "each time the step runs: take times from context.now() and random values from context.uuid()",
            code="EFFECT_ARGS_CHANGED",
            details={"effect": begun.name, "ordinal": begun.ordinal},
        )


def value_of(answer: Answer) -> Json:
    if answer.decision is Decision.REJECTED:
        raise PermanentError(f"rejected: {answer.reason or 'no reason was given'}", code="INTERRUPT_REJECTED")
    return copy(answer.value)
