"""Text from flows as a terminal may show it: no control character, no direction override, no end of line.

Names, outputs and errors come from documents and from servers; printed as they are they could move the
cursor, recolour or retitle the terminal, or forge a line.
"""

import json
import re
from datetime import timedelta

from openrun.core.types import Json

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_LINE = 160
_SECOND = timedelta(seconds=1)
_ROUNDS_TO_A_SECOND = 0.9995
_ROUNDS_TO_A_MINUTE = 59.95


def clean(text: str, most: int = _LINE) -> str:
    """One printable line, at most `most` characters."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return _UNSAFE.sub(_escaped, cut)


def safe_json(text: str) -> str:
    """JSON text without raw control characters; it spells the same value and keeps its lines."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else _json_escaped(found), text)


def pretty(value: Json) -> str:
    """The value as JSON with two spaces of indent, safe to print."""
    return safe_json(json.dumps(value, indent=2, ensure_ascii=False))


def compact(value: Json, most: int = _LINE) -> str:
    """The value as one line of JSON, cut to `most` characters."""
    return clean(json.dumps(value, ensure_ascii=False), most)


def capped(text: str, lines: int, width: int) -> tuple[str, int]:
    """The first `lines` lines, each cut to `width` characters, and how many lines are left out."""
    every = text.split("\n")
    kept = [line if len(line) <= width else line[: width - 1] + "…" for line in every[:lines]]
    return "\n".join(kept), max(0, len(every) - lines)


def took(time: timedelta) -> str:
    """A duration for people: 3ms, 1.2s, 2m 05s, 3h 20m, 30d 0h."""
    seconds = max(0.0, time.total_seconds())
    if seconds < _ROUNDS_TO_A_SECOND:
        return f"{seconds * 1_000:.0f}ms"
    if seconds < _ROUNDS_TO_A_MINUTE:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    at = next(at for at, (size, _unit) in enumerate(_UNITS) if whole >= size)
    (size, unit), (smaller, small_unit) = _UNITS[at], _UNITS[at + 1]
    return f"{whole // size}{unit} {whole % size // smaller:02}{small_unit}"


def ticking(time: timedelta) -> str:
    """A duration that still grows: in tenths of a second, so that it does not flicker."""
    return took(time) if time >= _SECOND else f"{max(0.0, time.total_seconds()):.1f}s"


def count(number: int, noun: str) -> str:
    """1 error, 2 errors."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}")


def _json_escaped(found: re.Match[str]) -> str:
    return "\\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]
