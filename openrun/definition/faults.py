"""The faults of one document, and how much of everything it may still have, its bodies included.

A document that only wastes time is given up early: no more faults are told than anybody reads, and near
names are looked for only as long as that is quick.
"""

from collections.abc import Collection
from typing import Literal

from openrun.core.errors import ValidationError
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.near import did_you_mean, effort

_SUGGESTING = 1_000_000
"""Most characters times characters that all suggestions for one document compare."""

_LONGEST_MESSAGE = 1_000

Counted = Literal["steps", "edges", "triggers", "bodies"]


class _Shared:
    """What a document and its bodies have in common."""

    def __init__(self, limits: Limits) -> None:
        self.found: list[ValidationError] = []
        self.suggesting = _SUGGESTING
        self.most: dict[Counted, int] = {
            "steps": limits.document_steps,
            "edges": limits.document_edges,
            "triggers": limits.document_triggers,
            "bodies": limits.document_bodies,
        }
        self.count = dict.fromkeys(self.most, 0)


class Faults:
    """Collects faults below one place of a document: at its root, or at the body of a step."""

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        shared: _Shared | None = None,
        pointer: str = "",
        step: str = "",
    ) -> None:
        self.limits = limits
        self._shared = shared or _Shared(limits)
        self._pointer = pointer
        self._step = step
        self._before = len(self._shared.found)

    def below(self, pointer: str, step: str) -> "Faults":
        """Faults of the body at this pointer, which belong to that step unless they name one inside."""
        return Faults(self.limits, shared=self._shared, pointer=self._pointer + pointer, step=step)

    @property
    def found(self) -> list[ValidationError]:
        """All faults of the document so far."""
        return self._shared.found

    @property
    def any_here(self) -> bool:
        """Whether a fault was found since this began."""
        return len(self._shared.found) > self._before

    @property
    def full(self) -> bool:
        """Nobody reads on after so many."""
        return len(self._shared.found) > self.limits.document_faults

    def add(
        self, code: str, message: str, pointer: str = "", *, step: str | None = None, hint: str | None = None
    ) -> None:
        """Tell of a fault; past the most of them, only that there are more."""
        if self.full:
            return
        if len(self._shared.found) == self.limits.document_faults:
            more = f"more than {self.limits.document_faults:,} faults; the rest is not told"
            self._shared.found.append(ValidationError(code="TOO_MANY_FAULTS", message=more))
            return
        text = message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"
        self._shared.found.append(
            ValidationError(
                code=code,
                message=text,
                pointer=self._pointer + pointer,
                step_id=step or self._step or None,
                hint=hint,
            )
        )

    def take(self, what: Counted, count: int, pointer: str = "") -> bool:
        """Count steps, edges or triggers; a fault, and False, for more than a document may have."""
        taken = self._shared.count[what] + count
        if taken > (most := self._shared.most[what]):
            self.add("TOO_MANY", f"{taken:,} {what}; at most {most:,} are allowed", pointer or "/steps")
            return False
        self._shared.count[what] = taken
        return True

    def near(self, name: str, known: Collection[str]) -> str | None:
        """A hint with the near name, as long as looking for it is quick."""
        needed = effort(name, known)
        if needed > self._shared.suggesting:
            return None
        self._shared.suggesting -= needed
        return did_you_mean(name, known)
