"""Values as plain data that can be written to a log: every text in them is passed through a function."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

_DEEPEST = 8
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(value: Any, clean: Callable[[str], str], depth: int = 0) -> Any:
    """The value as JSON data; what is none, or lies deeper than eight levels, is its text."""
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case str():
            # A member of an enumeration is its value.
            return clean(str(value))
        case Mapping() if depth < _DEEPEST:
            return {clean(str(name)): plain(each, clean, depth + 1) for name, each in value.items()}
        case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
            return [plain(each, clean, depth + 1) for each in value]
        case _:
            return clean(str(value))


def escaped(text: str) -> str:
    """The text in one line, without control characters or changes of direction."""
    return _UNSAFE.sub(_escape, text)


def indented(text: str) -> str:
    """Lines that none can take for lines of the log."""
    return "\n".join(f"    {escaped(line)}" for line in text.split("\n"))


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}")
