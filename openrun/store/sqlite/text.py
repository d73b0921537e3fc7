"""Texts as SQLite keeps them."""


def clean(text: str) -> str:
    """Neither SQLite's JSON nor Postgres keeps a NUL in a text."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}") if "\0" in text else text


def clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)
