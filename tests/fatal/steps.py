"""Steps of our own."""

import os
from pathlib import Path

from openrun import step


@step(effect="idempotent")
def deadly(cure: str) -> str:
    """Ends the process it runs in, until the file `cure` exists."""
    if not Path(cure).exists():
        os._exit(7)
    return "cured"
