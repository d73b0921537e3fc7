"""Types of events, and patterns of types: words with dots between them."""

import re
from typing import Annotated

from pydantic import AfterValidator

ENGINE_TYPES = "dev.openrun."
"""How the types begin that only the engine itself publishes."""
TYPE_LENGTH = 200
ANY_WORD = "*"
ANY_REST = "**"

_WORD = re.compile(r"[A-Za-z0-9_:/-]+", re.ASCII)


def _pattern(pattern: str) -> str:
    _check_length(pattern)
    parts = pattern.split(".")
    if ANY_REST in parts[:-1]:
        raise ValueError(f"event type {pattern!r}: '**' stands for all the rest, so nothing follows it")
    for part in parts:
        if part not in (ANY_WORD, ANY_REST) and _WORD.fullmatch(part) is None:
            raise ValueError(
                f"event type {pattern!r}: {part!r} is neither a word nor '*' (any one word) nor '**' (one word or "
                "more, at the end); write 'user.created', 'user.*' or 'user.**'"
            )
    return pattern


def _plain_type(given: str) -> str:
    _check_length(given)
    for part in given.split("."):
        if _WORD.fullmatch(part) is None:
            raise ValueError(f"event type {given!r}: {part!r} is no word; write one such as 'user.created'")
    return given


def _own_type(given: str) -> str:
    if is_of_engine(_plain_type(given)):
        raise ValueError(f"event type {given!r}: types that begin with {ENGINE_TYPES!r} are the engine's own")
    return given


def _check_length(given: str) -> None:
    if len(given) > TYPE_LENGTH:
        raise ValueError(f"an event type has at most {TYPE_LENGTH} characters")


EventPattern = Annotated[str, AfterValidator(_pattern)]
"""A type, in which `*` stands for any one word and `**`, at the end, for one word or more."""
OwnEventType = Annotated[str, AfterValidator(_own_type)]
"""A type that flows and people may publish."""


def is_of_engine(event_type: str) -> bool:
    """Whether only the engine publishes events of this type."""
    return f"{event_type}.".startswith(ENGINE_TYPES)


def covers(pattern: str, other: str) -> bool:
    """Whether every type that `other` matches is matched by `pattern`, both patterns."""
    mine, theirs = pattern.split("."), other.split(".")
    for at, word in enumerate(mine):
        if word == ANY_REST:
            return len(theirs) > at
        if len(theirs) <= at or theirs[at] == ANY_REST or word not in (ANY_WORD, theirs[at]):
            return False
    return len(mine) == len(theirs)
