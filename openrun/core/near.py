"""Suggesting the near name."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

LONGEST = 80
"""Longer names are cut where they are shown, and nothing is near to them."""

ROOM = 400_000
"""Most characters times characters that one suggestion compares."""

_LISTED = 12


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest of the known names, or lists them when there are few."""
    names = sorted(set(known))
    if effort(name, names) <= ROOM:
        close = get_close_matches(name, names, n=1, cutoff=0.6)
        if close:
            return f"did you mean {close[0]!r}?"
    if names and len(names) <= _LISTED:
        return "known: " + ", ".join(map(quoted, names))
    return None


def effort(name: str, known: Collection[str]) -> int:
    """What comparing a name with the known ones takes, in characters times characters."""
    return len(name) * sum(map(len, known)) if len(name) <= LONGEST else ROOM + 1


def quoted(name: str) -> str:
    """A name as it stands in messages."""
    return repr(name) if len(name) <= LONGEST else repr(name[:LONGEST]) + "…"
