"""What the engine raises, as the problem that a caller is told."""

import math
from collections.abc import Callable

from openrun.core.errors import InvalidFlow, JsonError, StepError, ValidationError
from openrun.core.past import NoSuchSeq
from openrun.core.patch import PatchError
from openrun.core.types import Json
from openrun.runtime.errors import InvalidAnswer, NotAllowed, Overloaded
from openrun.runtime.forking import WouldRepeat
from openrun.runtime.library import MissingCode
from openrun.runtime.refused import CONFLICTS, UNKNOWN
from openrun.server.keyring import UnusableName
from openrun.server.problem import Problem, unavailable
from openrun.store.base import StoreFull, StoreUnavailable
from openrun.triggers.schedules import UnknownSchedule

OVERLOADED = "overloaded"
"""The kind of problem of those that were turned away since too much was under way."""


def problem_of(error: Exception) -> Problem | None:
    """How a caller is told of it; None for what is our own fault."""
    for kinds, tell in _WORDS:
        if isinstance(error, kinds):
            return tell(error)
    return None


def faults(errors: tuple[ValidationError, ...]) -> list[dict[str, Json]]:
    """Faults of a flow as members of a problem: pointer, detail, code, and hint where there is one."""
    return [_fault(each) for each in errors]


def _fault(fault: ValidationError) -> dict[str, Json]:
    said: dict[str, Json] = {
        "pointer": f"#{fault.pointer}",
        "detail": fault.message,
        "code": fault.code,
        "severity": fault.severity.value,
    }
    more = {"step_id": fault.step_id, "hint": fault.hint}
    return {**said, **{name: value for name, value in more.items() if value is not None}}


def _invalid_flow(error: Exception) -> Problem:
    assert isinstance(error, InvalidFlow)
    return Problem(
        422, str(error).partition("\n")[0].rstrip(":"), slug="invalid-flow", errors=faults(error.errors)
    )


def _invalid_answer(error: Exception) -> Problem:
    assert isinstance(error, InvalidAnswer)
    return Problem(422, str(error).partition("\n")[0].rstrip(":"), errors=error.faults)


def _repeats(error: Exception) -> Problem:
    assert isinstance(error, WouldRepeat)
    repeats: list[Json] = [
        {
            "step_id": each.step_id,
            "scope": each.scope,
            "effect": each.effect,
            "key": each.key,
            "status": each.status,
        }
        for each in error.repeats
    ]
    return Problem(
        409, "this would do again what has been done outside", slug="would-repeat", repeats=repeats
    )


def _step_error(error: Exception) -> Problem:
    assert isinstance(error, StepError)
    return Problem(422, str(error))


def _overloaded(error: Exception) -> Problem:
    assert isinstance(error, Overloaded)
    seconds = str(math.ceil(error.retry_after))
    return Problem(429, str(error), slug=OVERLOADED, headers={"Retry-After": seconds}, retryable=True)


def _store(error: Exception) -> Problem:
    if isinstance(error, StoreFull):
        return unavailable("the store has no room for more", full=True)
    return unavailable("the store cannot be reached at the moment")


_WORDS: tuple[tuple[tuple[type[Exception], ...], Callable[[Exception], Problem]], ...] = (
    ((StoreUnavailable,), _store),
    ((Overloaded,), _overloaded),
    ((*UNKNOWN, NoSuchSeq, UnknownSchedule), lambda error: Problem(404, str(error))),
    ((*CONFLICTS, MissingCode), lambda error: Problem(409, str(error))),
    ((NotAllowed,), lambda error: Problem(403, str(error))),
    ((WouldRepeat,), _repeats),
    ((InvalidFlow,), _invalid_flow),
    ((InvalidAnswer,), _invalid_answer),
    ((PatchError,), lambda error: Problem(422, str(error))),
    ((JsonError, UnusableName), lambda error: Problem(422, str(error))),
    ((StepError,), _step_error),
)
