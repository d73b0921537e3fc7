"""What fills a hole in a template, whether it was written as a reference or as an expression."""

from collections.abc import Callable
from dataclasses import dataclass

from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.reader import Reader
from openrun.core.types import Json

Evaluate = Callable[[Reader, Budget], Json]

EVERY_ROOT = "*"
"""Stands among the roots for the whole state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """`roots` and `step_refs` are the names it reads; `null` is how null prints inside text."""

    evaluate: Evaluate
    roots: frozenset[str]
    step_refs: frozenset[str] = frozenset()
    null: str = ""
