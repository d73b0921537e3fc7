"""`Prefer` (RFC 7240): how long a caller wants to wait."""

import re
from collections.abc import Iterable

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,6})\"?")


def wait_seconds(values: Iterable[str], most: float) -> float | None:
    """What `Prefer: wait=N` asks for, at most `most`; 0 for `respond-async`; None when nothing is preferred."""
    found: float | None = None
    for preference in ",".join(values).lower().split(","):
        name = preference.partition(";")[0].strip()
        if name == "respond-async":
            found = 0.0 if found is None else found
        elif match := _WAIT.fullmatch(name):
            found = min(float(match[1]), most)
    return found
