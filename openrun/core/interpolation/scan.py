"""Finds the holes in a text: where `<<` and `{{` open, and where each ends.

Whichever opens first owns the text up to its close, so neither kind is ever seen inside the other. A close inside
quotes is text; `}}` inside brackets is two brackets. A backslash before an opener makes it literal, and
nothing else needs escaping.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from openrun.core.interpolation.fault import FaultError, shorten
from openrun.core.limits import Limits

Opener = Literal["<<", "{{"]

_OPENER = re.compile(r"\\?(<<|\{\{)")
_QUOTED = r"""'[^'\\]*+(?:\\.[^'\\]*+)*+'?+|"[^"\\]*+(?:\\.[^"\\]*+)*+"?+"""
_REFERENCE_TOKEN = re.compile(rf"{_QUOTED}|>>", re.DOTALL)
_EXPRESSION_TOKEN = re.compile(rf"{_QUOTED}|[()\[\]{{}}]", re.DOTALL)
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Hole:
    """A reference (`<<`) or an expression (`{{`); `source` is what stands between the marks."""

    opener: Opener
    source: str

    def __str__(self) -> str:
        return f"<<{self.source}>>" if self.opener == "<<" else f"{{{{{self.source}}}}}"


def has_opener(text: str) -> bool:
    """Whether an opener stands in the text, escaped or not."""
    return "<<" in text or "{{" in text


def has_hole(text: str) -> bool:
    """Whether an opener stands in the text that is not escaped."""
    return has_opener(text) and any(not match[0].startswith("\\") for match in _OPENER.finditer(text))


def escape(text: str) -> str:
    """The template that renders to exactly this text."""
    return _OPENER.sub(lambda match: f"{match[0][:-2]}\\{match[1]}", text)


def split(text: str, limits: Limits) -> Iterator[str | Hole]:
    """The text as literals, escapes undone, and holes, in order."""
    position = 0
    while match := _OPENER.search(text, position):
        literal = text[position : match.start()]
        if match[0].startswith("\\"):
            yield literal + match[1]
            position = match.end()
            continue
        if literal:
            yield literal
        find = _reference_end if match[1] == "<<" else _expression_end
        end = find(text, match.end(), limits)
        if end - match.end() > limits.template_source_bytes:
            raise FaultError(f"longer than {limits.template_source_bytes:,} characters")
        yield Hole("<<" if match[1] == "<<" else "{{", text[match.end() : end])
        position = end + 2
    if position < len(text):
        yield text[position:]


def _reference_end(text: str, start: int, _limits: Limits) -> int:
    for token in _REFERENCE_TOKEN.finditer(text, start):
        if token[0] == ">>":
            return token.start()
    raise _unclosed(text, start, ">>")


def _expression_end(text: str, start: int, limits: Limits) -> int:
    open_brackets: list[str] = []
    for token in _EXPRESSION_TOKEN.finditer(text, start):
        mark = token[0]
        if mark in _CLOSERS:
            open_brackets.append(_CLOSERS[mark])
            # Jinja's parser recurses per bracket, so depth is bounded before it starts.
            if len(open_brackets) > limits.template_depth:
                raise FaultError(f"nested deeper than {limits.template_depth} levels")
        elif mark in ")]}":
            if not open_brackets and text.startswith("}}", token.start()):
                return token.start()
            if not open_brackets:
                break
            if open_brackets.pop() != mark:
                raise FaultError(f"{mark!r} closes nothing at {shorten(text[start : token.end()])!r}")
    raise _unclosed(text, start, "}}")


def _unclosed(text: str, start: int, closer: str) -> FaultError:
    opener = text[start - 2 : start]
    return FaultError(
        f"{opener!r} at character {start - 1} is never closed by {closer!r}; "
        f"write \\{opener} for the characters themselves"
    )
