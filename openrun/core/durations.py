"""Durations as people write them: seconds, "5m", "1h30m", or ISO 8601 ("PT5M")."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|[smhdw])", re.ASCII)
_TEXT = re.compile(r"(?:\d{1,12}(?:\.\d{1,9})?(?:ms|[smhdw]))+", re.ASCII)
_ISO = re.compile(
    r"P(?:(?P<w>\d{1,9})W)?(?:(?P<d>\d{1,9})D)?"
    r"(?:T(?:(?P<h>\d{1,9})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,9}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError for anything but "90", "1.5h", "1h30m" or an ISO 8601 duration."""
    trimmed = text.strip()
    if re.fullmatch(r"\d{1,12}(?:\.\d{1,9})?", trimmed, re.ASCII):
        return float(trimmed)
    if _TEXT.fullmatch(trimmed):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(trimmed))
    match = _ISO.fullmatch(trimmed)
    if match and any(match.groups()):
        return sum(float(number) * _UNITS[unit] for unit, number in match.groupdict().items() if number)
    raise ValueError(f"{text[:40]!r} is no duration; write seconds (90), '5m', '1h30m' or 'PT5M'")


def _seconds(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "examples": ["5m", "1h30m", "PT5M"]},
            ]
        }
    ),
]
"""A pydantic type: seconds, given as a number or as text."""
