"""How a value prints inside text: text as it is, scalars as JSON spells them, the rest as canonical JSON."""

from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.reader import MISSING
from openrun.core.strict_json import canonical
from openrun.core.types import Json


def text_of(budget: Budget, value: Json, null: str = "") -> str:
    """The text of a value; `null` is how null prints, which is empty in expressions."""
    kind = type(value)
    if kind is str:
        return str(value)
    if value is None or value is MISSING:
        return null
    if kind is int or kind is float:
        return repr(value)
    # Measured before it is written: a value made of shared parts can be far larger than what holds it.
    return canonical(budget.made(value))
