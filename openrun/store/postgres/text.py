"""Texts as Postgres takes them: it knows neither U+0000 nor lone surrogates, which errors and keys may hold.

Each such character is kept as U+FDD0, which no text needs, and its own number; reading turns them back. Bodies of
events are JSON, which has escapes of its own, and are never touched. What is looked up by a text of any length is
looked up by its digest: index entries are bounded.
"""

import re
from hashlib import blake2b

_MARK = "\ufdd0"
_UNFIT = re.compile(f"[\0{_MARK}\ud800-\udfff]")
_KEPT = re.compile(f"{_MARK}([0-9a-f]{{4}})")


def kept(text: str) -> str:
    """A text as Postgres takes it."""
    return _UNFIT.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", text) if _UNFIT.search(text) else text


def kept_or_none(text: str | None) -> str | None:
    return None if text is None else kept(text)


def given(text: str) -> str:
    """A text as it was given."""
    return _KEPT.sub(lambda found: chr(int(found[1], 16)), text) if _MARK in text else text


def place(*parts: str) -> bytes:
    """A digest of these parts in this order, 16 bytes."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
