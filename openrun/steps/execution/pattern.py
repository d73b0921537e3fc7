"""Regular expressions (RE2 syntax) that cannot hold the loop: linear time, and a cap on the work in all."""

import functools
from typing import Any

import re2

from openrun.core.errors import PermanentError

PATTERN_LENGTH = 1_000
PROGRAM_SIZE = 2_000
WORK = 50_000_000
"""Instructions times bytes: the most that RE2 does when a pattern defeats its automaton; some 0.2 s."""

_MEMORY = 2**20


def found(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the text. Raises PermanentError (INVALID_PATTERN)."""
    program = compiled(pattern)
    if program.programsize * len(text) > WORK:
        raise _invalid(pattern, f"it is too costly for a text of {len(text):,} characters")
    return program.search(text) is not None


@functools.lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """The pattern as RE2 runs it; raises like found."""
    if len(pattern) > PATTERN_LENGTH:
        raise _invalid(pattern, f"it is longer than {PATTERN_LENGTH:,} characters")
    try:
        program = re2.compile(pattern, _options())
    except re2.error as error:
        raise _invalid(pattern, error.args[0].decode(errors="replace")) from None
    except UnicodeEncodeError:
        raise _invalid(pattern, "it has a lone surrogate") from None
    if program.programsize > PROGRAM_SIZE:
        raise _invalid(pattern, "it is too complex; use smaller repetitions")
    return program


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_capture = True
    return options


def _invalid(pattern: str, reason: str) -> PermanentError:
    shown = pattern if len(pattern) <= 80 else f"{pattern[:80]}…"
    return PermanentError(f"pattern {shown!r} cannot be used: {reason}", code="INVALID_PATTERN")
