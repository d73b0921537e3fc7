"""Texts as SQLite keeps them."""

import re
from typing import Any

import msgspec
from msgspec.structs import asdict

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """SQLite's JSON keeps no NUL in a text, and no JSON spells a lone surrogate, which headers of requests may hold."""
    if "\0" in text:
        text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)


def cleaned(row: msgspec.Struct) -> dict[str, Any]:
    """A row's fields, with its texts as they are kept."""
    return {name: clean(its) if isinstance(its, str) else its for name, its in asdict(row).items()}
