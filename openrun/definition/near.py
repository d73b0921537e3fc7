"""Suggesting the near name."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest of the known names, or lists them when there are few."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if names and len(names) <= 12:
        return "known: " + ", ".join(repr(each) for each in names)
    return None
